"""`playground new`: create a plugin or a scenario from a template that passes its checks."""

from __future__ import annotations

import enum
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from playground.cli.completion import complete_task
from playground.cli.context import echo, exit_on_errors, load_plugins
from playground.cli.help_pages import PlainCommand
from playground.cli.shared_options import SharedOptionsGroup
from playground.errors import PlaygroundError
from playground.report.writing import write_whole

new_app = typer.Typer(
    cls=SharedOptionsGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Create a plugin or a scenario from a template.",
)


class Kind(enum.StrEnum):
    """The kinds of component that have a template."""

    LOSS = "loss"
    MODEL = "model"
    OPTIMIZER = "optimizer"
    FUNCTION = "function"
    DATASET = "dataset"
    TASK = "task"
    SCHEDULE = "schedule"
    REPORTER = "reporter"
    EXECUTOR = "executor"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters and digits, separated by '-' or '_'.")]


@new_app.command("plugin", cls=PlainCommand)
def plugin(
    context: typer.Context,
    name: Name,
    kind: Annotated[
        Kind,
        typer.Option("--kind", metavar="KIND", help=f"Give the plugin a component of this kind: {', '.join(Kind)}."),
    ] = Kind.OPTIMIZER,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="Write one file for `-p` and a scenario, not a package.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FOLDER", help="Write into this folder, not gradient-playground-NAME."),
    ] = None,
) -> None:
    """Create a plugin with a small working component, tests and a scenario.

    Never overwrites a file.
    """
    from importlib.metadata import version

    from playground.scaffold.plugin import component_name, distribution_files, usage_command
    from playground.scaffold.plugin import single_file_plugin as in_one_file

    with exit_on_errors(context):
        if single_file:
            files, folder = in_one_file(name, kind), out or Path()
        else:
            files = distribution_files(name, kind, version("gradient-playground"))
            folder = out or Path(f"gradient-playground-{name.replace('_', '-')}")
        registry, lower = load_plugins(context).registry, component_name(name)
        if lower in registry.names(kind):
            raise PlaygroundError(f"{kind} {lower!r} is already taken by plugin {registry.get(kind, lower).origin}")
        _write({folder / path: text for path, text in files.items()})
    scenario = next(folder / path for path in files if path.endswith(".yaml"))
    loading = f"-p {shlex.quote(str(folder / f'{lower}.py'))} " if single_file else ""
    if not single_file:
        echo(f"next: pip install -e {shlex.quote(f'{folder}[dev]')}")
    echo(f"next: playground {loading}{usage_command(name, kind, shlex.quote(str(scenario)))}")


@new_app.command("scenario", cls=PlainCommand)
def scenario(
    context: typer.Context,
    name: Name,
    task: Annotated[
        str,
        typer.Option("--task", metavar="TASK", help="A task of `playground list task`.", autocompletion=complete_task),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write to this file, not NAME.yaml.")
    ] = None,
) -> None:
    """Create a scenario for a task, with comments that list the alternatives.

    Never overwrites a file.
    """
    from playground.scaffold.scenario import draft_scenario as written

    with exit_on_errors(context):
        text, missing = written(name, task, load_plugins(context).registry)
        path = out or Path(f"{name}.yaml")
        _write({path: text})
    if missing:
        echo(f"fill in {', '.join(missing)}; then: playground check {shlex.quote(str(path))}")
    else:
        echo(f"next: playground run {shlex.quote(str(path))}")


def _write(files: dict[Path, str]) -> None:
    """Write all of these files, or none if one of them exists.

    :raises PlaygroundError: a file exists or cannot be written.
    """
    for path in files:
        if path.exists() or path.is_symlink():
            raise PlaygroundError(f"{path}: exists already and is not overwritten; choose another place with --out")
    for path, text in files.items():
        write_whole(path, partial(Path.write_text, data=text, encoding="utf-8"))
        echo(f"wrote {path}")
