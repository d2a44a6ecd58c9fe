"""`playground eject`: write a scenario as a stand-alone PyTorch program."""

from __future__ import annotations

from typing import Annotated

import typer

from playground.cli.choices import choose, program_forms
from playground.cli.common_options import Force, Memory, Out, Overrides, ScenarioPath, Seed
from playground.cli.context import exit_on_errors, load_plugins, parse_memory, split_pairs, write_document
from playground.cli.writing import require_free
from playground.report.writing import write_whole


def eject(
    context: typer.Context,
    path: ScenarioPath,
    form: Annotated[
        str, choose("--as", accepted=program_forms, metavar="script|notebook", help="Write a script or a notebook.")
    ] = "script",
    out: Out = None,
    force: Force = False,
    overrides: Overrides = None,
    seed: Seed = None,
    memory: Memory = None,
) -> None:
    """Write a scenario as a stand-alone PyTorch program.

    The program imports nothing of playground and computes the same losses to the last bit.
    """
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
