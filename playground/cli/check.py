"""`playground check`: validate scenarios without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from playground.cli.context import load_plugins, say
from playground.errors import ExitCode


def check(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Scenario files, or folders of them.")],
) -> None:
    """Validate scenarios: first YAML and structure, then by building every component once, without running it."""
    from playground.runner.batch import check_file, collect

    plugins = load_plugins(context)
    files, faults = collect(paths)
    for file in files:
        found = check_file(file, plugins)
        faults += found
        if not found:
            typer.echo(f"{file}: valid")
    for fault in faults:
        say(str(fault))
    raise typer.Exit(ExitCode.INVALID if faults else ExitCode.PASSED)
