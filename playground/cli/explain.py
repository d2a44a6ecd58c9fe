"""`playground explain`: explain one step with its numbers."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from playground.cli.choices import choose, explanation_formats, languages
from playground.cli.common_options import Force, Memory, NoLive, Out, Overrides, ScenarioPath, Seed
from playground.cli.context import echo, exit_on_errors, load_plugins, parse_memory, split_pairs, write_document
from playground.cli.writing import require_free
from playground.report.writing import write_whole


def explain(
    context: typer.Context,
    path: ScenarioPath,
    step: Annotated[int, typer.Option("--step", metavar="N", min=0, help="Explain this step; the first is 0.")] = 0,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            metavar="N",
            min=0,
            help="Work out this sample of the step's data, or this point of a derivative check.",
        ),
    ] = None,
    output: Annotated[
        str,
        choose(
            "--format", accepted=explanation_formats, metavar="text|html|json|latex", help="Write it in this format."
        ),
    ] = "text",
    language: Annotated[
        str, choose("--language", accepted=languages, metavar="en|id", help="Write it in English or Indonesian.")
    ] = "en",
    digits: Annotated[
        int, typer.Option("--digits", metavar="N", min=1, max=15, help="Show numbers with this many decimals.")
    ] = 4,
    full: Annotated[
        bool, typer.Option("--full", help="Show a long explanation in full; by default, text is summarized.")
    ] = False,
    overrides: Overrides = None,
    seed: Seed = None,
    out: Out = None,
    memory: Memory = None,
    force: Force = False,
    no_live: NoLive = False,
) -> None:
    """Explain one step of a run with all its numbers.

    Shows the forward pass, the backward pass and the update, in words and as a graph.
    """
    plugins = load_plugins(context)
    with exit_on_errors(context):
        from playground.report.explanation.rendering import renderer
        from playground.report.html.explained_page import explained_page
        from playground.runner.explaining.step import explain as explained
        from playground.runner.explaining.step import explain_live
        from playground.runner.loading.overrides import Changes, load_with_changes
        from playground.runner.single.memory import limit_memory

        require_free(out, force)
        width = min(120, shutil.get_terminal_size((100, 1)).columns)
        render = renderer(output, language, width, full)
        loaded = load_with_changes(path, Changes(split_pairs(overrides or [], "--set"), seed), plugins)
        with limit_memory(parse_memory(memory)):
            if output == "html" and not no_live:
                text = explained_page(*explain_live(loaded, plugins, step, sample, digits), language)
            else:
                text = render(explained(loaded, plugins, step, sample, digits))
        if out is None and output == "text":
            echo(text)
        elif out is None:
            write_document(text + "\n")
        else:
            write_whole(out, lambda beside: beside.write_text(text + "\n", encoding="utf-8"))
