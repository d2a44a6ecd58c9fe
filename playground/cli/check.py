"""`playground check`: validate scenarios without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from playground.cli.context import errors, load_plugins, pairs, say
from playground.errors import ExitCode


def check(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Scenario files, or folders of them.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the scenario: optimizer.lr=0.1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Check it with this seed.")] = None,
) -> None:
    """Validate scenarios: first YAML and structure, then by building every component once, without running it."""
    from playground.runner.answers import check
    from playground.runner.changes import Changes
    from playground.runner.finding import find

    plugins = load_plugins(context)
    with errors(context):
        changes = Changes(pairs(overrides or [], "--set"), seed)
    files, faults = find(paths)
    for file in files:
        answer = check(file, plugins, changes)
        faults += answer.errors
        if not answer.errors:
            typer.echo(f"{file}: valid")
        if context.obj.debug and answer.traceback:
            say(answer.traceback)
    for fault in faults:
        say(str(fault))
    raise typer.Exit(ExitCode.INVALID if faults else ExitCode.PASSED)
