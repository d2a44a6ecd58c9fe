"""`playground show`: describe one component in full."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from playground.cli.completion import complete_component, complete_kind
from playground.cli.context import echo, exit_on_errors, load_plugins


def show(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="task, model, loss, optimizer, schedule, function, dataset, reporter, executor, operation, "
            "diagnosis, loop_diagnosis or suite.",
            autocompletion=complete_kind,
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The name that a scenario uses.", autocompletion=complete_component),
    ],
) -> None:
    """Describe a component and its parameters.

    Shows what it does, the type and default of each parameter, and the plugin that it comes from.
    """
    plugins = load_plugins(context)
    with exit_on_errors(context):
        from playground.plugins.describe import DEFAULT_WIDTH, describe_component

        width = min(DEFAULT_WIDTH, shutil.get_terminal_size((DEFAULT_WIDTH, 1)).columns)
        for line in describe_component(plugins.registry.get(kind, name), width):
            echo(line)
