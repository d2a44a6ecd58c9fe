"""Settings, plugins, messages and exits of all commands."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from playground.cli.exit_codes import choose_plugin_exit_code
from playground.errors import ExitCode, Fault, Place, PlaygroundError
from playground.figures.charset import ASCII_FALLBACK, register_fallback
from playground.figures.text import make_printable, without_commands

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins


@dataclass(frozen=True)
class Settings:
    """Options of `playground` itself.

    :param plugins: files and names of plugins to load; `no:NAME` blocks one.
    :param strict: exit with code 3 if a plugin fails to load.
    :param debug: show tracebacks.
    """

    plugins: tuple[str, ...] = ()
    strict: bool = False
    debug: bool = False


def print_version(wanted: bool) -> None:
    """Print the version and exit, if `--version` was given."""
    if wanted:
        from importlib.metadata import version

        echo(version("gradient-playground"))
        raise typer.Exit


def echo(text: str = "") -> None:
    """Print lines for people to standard output.

    Control characters are escaped, and characters that the encoding lacks are replaced.

    `typer.echo` would write UTF-8 where the terminal asks for ASCII.
    """
    print(_make_printable(text))


def print_note(text: str) -> None:
    """Print lines for people to standard error, where they never mix with results."""
    print(_make_printable(text), file=sys.stderr)


def print_github_command(text: str) -> None:
    """Print a command for GitHub's runner to standard error."""
    print(make_printable(text), file=sys.stderr)


def _make_printable(text: str) -> str:
    lines = "\n".join(map(make_printable, text.split("\n")))
    return without_commands(lines) if os.environ.get("GITHUB_ACTIONS") else lines


def write_document(text: str) -> None:
    """Write a document (data, not a message to people) to standard output unchanged."""
    with document_stream() as stream:
        stream.write(text)


@contextmanager
def document_stream() -> Iterator[TextIO]:
    """Open standard output for a document: in the terminal's encoding, or in UTF-8 if it is not a terminal."""
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        yield sys.stdout
        return
    sys.stdout.flush()
    stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield stream
    finally:
        with suppress(ValueError):  # the reader has closed the pipe
            stream.detach()


def use_ascii_words() -> None:
    """Make standard output and standard error write ASCII words for characters that their encoding lacks."""
    register_fallback()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ASCII_FALLBACK)


@contextmanager
def exit_on_errors(context: typer.Context) -> Iterator[None]:
    """Turn an expected error into one line for each fault and exit code 2; `--debug` adds its traceback."""
    try:
        yield
    except PlaygroundError as error:
        if context.obj.debug:
            import traceback

            print_note(traceback.format_exc())
        for fault in error.faults:
            print_note(str(fault))
        annotate(error.faults)
        raise typer.Exit(ExitCode.INVALID) from None


def annotate(faults: Iterable[Fault]) -> None:
    """Annotate faults in a pull request, if this runs on GitHub."""
    if os.environ.get("GITHUB_ACTIONS"):
        from playground.report.github import fault_command
        from playground.result import ScenarioFault

        for fault in faults:
            place = fault.place or Place("")
            file, where = (place.file, "") if Path(place.file).is_file() else ("", place.file)  # or a part of the call
            error = ScenarioFault(file, place.line if file else 0, place.column, fault.message, where)
            print_github_command(fault_command(error))


def load_plugins(context: typer.Context) -> Plugins:
    """Load plugins and print those that failed; exit if `--strict-plugins` or `-p` makes a failure fatal."""
    plugins = load_all_plugins(context)
    for failure in plugins.failures:
        print_note(f"plugin {failure}")
    code = choose_plugin_exit_code(plugins.failures, context.obj.strict)
    if code is not ExitCode.PASSED:
        raise typer.Exit(code)
    return plugins


def load_all_plugins(context: typer.Context) -> Plugins:
    """Load plugins; the caller handles those that failed."""
    from playground.plugins.manager import load_plugins

    with exit_on_errors(context):
        return load_plugins(specs=context.obj.plugins, folder=Path.cwd())


def parse_memory(text: str | None) -> int | None:
    """Return the value of `--memory` in bytes; None if it was not given.

    :raises PlaygroundError: the text is not a size.
    """
    from playground.runner.single.memory import parse_size

    return None if text is None else parse_size(text)


def split_pairs(texts: list[str], option: str) -> tuple[tuple[str, str], ...]:
    """Split `KEY=VALUE` at the first equals sign."""
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise PlaygroundError(f"{option} {text}: expected KEY=VALUE")
        pairs.append((key, value))
    return tuple(pairs)
