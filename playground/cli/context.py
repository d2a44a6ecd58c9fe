"""What commands share: settings, plugins, exits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from playground.errors import ExitCode, PlaygroundError

if TYPE_CHECKING:
    from playground.plugins.manager import LoadFailure, Plugins


@dataclass(frozen=True)
class Settings:
    """Options of `playground` itself, which stand before the command.

    :param plugins: files and names to load, and `no:NAME` to leave out.
    :param strict: a plugin that fails to load ends the command.
    :param debug: show tracebacks.
    """

    plugins: tuple[str, ...] = ()
    strict: bool = False
    debug: bool = False


def print_version(wanted: bool) -> None:
    """Print the version and end, if it was asked for."""
    if wanted:
        from importlib.metadata import version

        typer.echo(version("gradient-playground"))
        raise typer.Exit


def say(line: str) -> None:
    """Print a line for people to standard error, where it never mixes with results."""
    typer.echo(line, err=True)


@contextmanager
def errors(context: typer.Context) -> Iterator[None]:
    """End with one line per fault, and exit code 2, when an expected error escapes; `--debug` adds its traceback."""
    try:
        yield
    except PlaygroundError as error:
        if context.obj.debug:
            raise
        for fault in error.faults:
            say(str(fault))
        raise typer.Exit(ExitCode.INVALID) from None


def load_plugins(context: typer.Context) -> Plugins:
    """Load plugins; say what failed, and end when that is not to be lived with."""
    from playground.plugins.manager import load_plugins

    settings: Settings = context.obj
    with errors(context):
        plugins = load_plugins(specs=settings.plugins, folder=Path.cwd())
    report_failures(plugins.failures, settings)
    return plugins


def report_failures(failures: tuple[LoadFailure, ...], settings: Settings) -> None:
    """Say each failure once; end with exit code 3 under `--strict-plugins`, or 2 for a plugin asked for by `-p`."""
    for failure in failures:
        say(f"plugin {failure}")
    if failures and settings.strict:
        raise typer.Exit(ExitCode.PLUGIN)
    if any(failure.requested for failure in failures):
        raise typer.Exit(ExitCode.INVALID)


def is_terminal() -> bool:
    """Say whether a person is reading standard output."""
    return sys.stdout.isatty()
