"""`playground eject`: the program that a scenario stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from playground.cli.context import errors, load_plugins, pairs
from playground.cli.writing import write_whole


def eject(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")],
    form: Annotated[str, typer.Option("--as", help="script or notebook.")] = "script",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the scenario: optimizer.lr=0.1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Write it for this seed.")] = None,
) -> None:
    """Write the stand-alone PyTorch program that a scenario stands for, with the same losses to the last bit."""
    plugins = load_plugins(context)
    with errors(context):
        from playground.runner.changes import Changes, load
        from playground.runner.ejecting.program import eject as ejected
        from playground.runner.ejecting.rendering import renderer

        render = renderer(form)
        text = render(ejected(load(path, Changes(pairs(overrides or [], "--set"), seed), plugins), plugins))
        if out is None:
            typer.echo(text, nl=False)
        else:
            write_whole(out, lambda beside: beside.write_text(text, encoding="utf-8"))
