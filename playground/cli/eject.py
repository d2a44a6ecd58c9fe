"""`playground eject`: the program that a scenario stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from playground.cli.context import Memory, exit_on_errors, load_plugins, parse_memory, split_pairs, write_document
from playground.cli.writing import require_free, write_whole


def eject(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")],
    form: Annotated[str, typer.Option("--as", help="script or notebook.")] = "script",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file that --out names.")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the scenario: optimizer.lr=0.1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Write it for this seed.")] = None,
    memory: Memory = None,
) -> None:
    """Write the stand-alone PyTorch program that a scenario stands for, with the same losses to the last bit."""
    plugins = load_plugins(context)
    with exit_on_errors(context):
        from playground.runner.ejecting.program import eject as ejected
        from playground.runner.ejecting.rendering import find_renderer
        from playground.runner.loading.overrides import Changes, load_with_changes
        from playground.runner.single.memory import limit_memory

        require_free(out, force)
        render = find_renderer(form)
        with limit_memory(parse_memory(memory)):
            text = render(
                ejected(load_with_changes(path, Changes(split_pairs(overrides or [], "--set"), seed), plugins), plugins)
            )
        if out is None:
            write_document(text)
        else:
            write_whole(out, lambda beside: beside.write_text(text, encoding="utf-8"))
