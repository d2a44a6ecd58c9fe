"""What commands share: settings, plugins, messages, exits."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from playground.errors import ExitCode, Fault, Place, PlaygroundError, suggest_names
from playground.figures.charset import ASCII_FALLBACK, register_fallback
from playground.figures.text import make_printable, without_commands

if TYPE_CHECKING:
    from playground.plugins.manager import LoadFailure, Plugins

Memory = Annotated[
    str | None, typer.Option("--memory", metavar="SIZE", help="What one run may use: 8GB; 2GB if not given.")
]
"""The option of every command that builds a scenario's components."""


@dataclass(frozen=True)
class Settings:
    """Options of `playground` itself, which stand before the command.

    :param plugins: files and names to load, and `no:NAME` to leave out.
    :param strict: a plugin that fails ends the command with exit code 3.
    :param debug: show tracebacks.
    """

    plugins: tuple[str, ...] = ()
    strict: bool = False
    debug: bool = False


def print_version(wanted: bool) -> None:
    """Print the version and end, if it was asked for."""
    if wanted:
        from importlib.metadata import version

        echo(version("gradient-playground"))
        raise typer.Exit


def echo(text: str = "") -> None:
    """Print lines for people to standard output; no character acts on a terminal, none is missing in its encoding.

    `typer.echo` would write UTF-8 where the terminal asks for ASCII.
    """
    print(_make_printable(text))


def print_note(text: str) -> None:
    """Print lines for people to standard error, where they never mix with results."""
    print(_make_printable(text), file=sys.stderr)


def say_command(text: str) -> None:
    """Print a command for GitHub's runner to standard error."""
    print(make_printable(text), file=sys.stderr)


def _make_printable(text: str) -> str:
    lines = "\n".join(map(make_printable, text.split("\n")))
    return without_commands(lines) if os.environ.get("GITHUB_ACTIONS") else lines


def write_document(text: str) -> None:
    """Write a document, which is no message to people, to standard output as it is."""
    with document_stream() as stream:
        stream.write(text)


@contextmanager
def document_stream() -> Iterator[TextIO]:
    """Open standard output for a document: in a terminal's encoding, else in UTF-8, as in a file."""
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        yield sys.stdout
        return
    sys.stdout.flush()
    stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield stream
    finally:
        with suppress(ValueError):  # nobody reads any more
            stream.detach()


def use_ascii_words() -> None:
    """Let standard output and standard error write signs that their encoding lacks as ASCII words."""
    register_fallback()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ASCII_FALLBACK)


@contextmanager
def exit_on_errors(context: typer.Context) -> Iterator[None]:
    """End with one line per fault, and exit code 2, when an expected error escapes; `--debug` adds its traceback."""
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
    """Show faults beside their lines in a pull request, when GitHub runs this."""
    if os.environ.get("GITHUB_ACTIONS"):
        from playground.report.github import fault_command
        from playground.result import ScenarioFault

        for fault in faults:
            place = fault.place or Place("")
            file, where = (place.file, "") if Path(place.file).is_file() else ("", place.file)  # or a part of the call
            error = ScenarioFault(file, place.line if file else 0, place.column, fault.message, where)
            say_command(fault_command(error))


def load_plugins(context: typer.Context) -> Plugins:
    """Load plugins; say what failed, and end when that is not to be lived with."""
    plugins = load_all_plugins(context)
    for failure in plugins.failures:
        print_note(f"plugin {failure}")
    code = exit_code_of_failures(context, plugins.failures)
    if code is not ExitCode.PASSED:
        raise typer.Exit(code)
    return plugins


def load_all_plugins(context: typer.Context) -> Plugins:
    """Load plugins, and leave it to the caller to look at what failed."""
    from playground.plugins.manager import load_plugins

    with exit_on_errors(context):
        return load_plugins(specs=context.obj.plugins, folder=Path.cwd())


def exit_code_of_failures(context: typer.Context, failures: Iterable[LoadFailure]) -> ExitCode:
    """Return 3 for any failure under `--strict-plugins`, and 2 for that of a plugin that was asked for by `-p`."""
    failures = tuple(failures)
    if failures and context.obj.strict:
        return ExitCode.PLUGIN
    return ExitCode.INVALID if any(failure.requested for failure in failures) else ExitCode.PASSED


def parse_memory(text: str | None) -> int | None:
    """Return the bytes that `--memory` asks for; None where it is not given.

    :raises PlaygroundError: it is no size.
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


def check_engine(word: str) -> str:
    """Return the engine that `--engine` asks for.

    :raises PlaygroundError: there is no such engine.
    """
    from playground.runner.sweeping.engines import engine_names

    if word not in engine_names():
        raise PlaygroundError(f"--engine {word}: unknown{suggest_names(word, engine_names())}")
    return word
