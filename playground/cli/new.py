"""`playground new`: a plugin or a scenario to begin with, which passes as it is written."""

from __future__ import annotations

import enum
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from playground.cli.context import echo, exit_on_errors, load_plugins
from playground.cli.shared_options import SharedOptionsGroup
from playground.cli.writing import write_whole
from playground.errors import PlaygroundError

new_app = typer.Typer(
    cls=SharedOptionsGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Write a plugin or a scenario to begin with.",
)


class Kind(enum.StrEnum):
    """Kinds of component that there is a template for."""

    LOSS = "loss"
    MODEL = "model"
    OPTIMIZER = "optimizer"
    FUNCTION = "function"
    DATASET = "dataset"
    TASK = "task"
    SCHEDULE = "schedule"
    REPORTER = "reporter"
    EXECUTOR = "executor"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters and digits, with '-' or '_' between.")]


@new_app.command("plugin")
def plugin(
    context: typer.Context,
    name: Name,
    kind: Annotated[Kind, typer.Option(help="What it offers.")] = Kind.OPTIMIZER,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="One file for `-p`, and a scenario, instead of a distribution.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FOLDER", help="Write into this folder [default: gradient-playground-NAME]."
        ),
    ] = None,
) -> None:
    """Write a plugin with a small component that works, its tests and a scenario; overwrites nothing."""
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


@new_app.command("scenario")
def scenario(
    context: typer.Context,
    name: Name,
    task: Annotated[str, typer.Option(help="Any of `playground list task`.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write it to this file [default: NAME.yaml].")
    ] = None,
) -> None:
    """Write a scenario for a task, with comments that say what else could stand there; overwrites nothing."""
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
    """Write all of these files, or none if one is there already.

    :raises PlaygroundError: one is, or cannot be written.
    """
    for path in files:
        if path.exists() or path.is_symlink():
            raise PlaygroundError(f"{path}: is there already, and is not overwritten; write elsewhere with --out")
    for path, text in files.items():
        write_whole(path, partial(Path.write_text, data=text, encoding="utf-8"))
        echo(f"wrote {path}")
