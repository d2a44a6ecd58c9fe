"""`playground explain`: one step with its numbers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from playground.cli.context import Memory, echo, exit_on_errors, load_plugins, parse_memory, split_pairs, write_document
from playground.cli.writing import require_free, write_whole


def explain(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")],
    step: Annotated[int, typer.Option(min=0, help="Explain this step; the first is 0.")] = 0,
    sample: Annotated[
        int | None,
        typer.Option(
            min=0, help="Write out this sample of the step's data, or explain this point of a derivative check."
        ),
    ] = None,
    output: Annotated[str, typer.Option("--format", help="text, html, json or latex.")] = "text",
    language: Annotated[str, typer.Option(help="en or id.")] = "en",
    digits: Annotated[int, typer.Option(min=1, max=15, help="Decimals.")] = 4,
    full: Annotated[
        bool, typer.Option("--full", help="Show a long explanation whole; otherwise text is summed up.")
    ] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the scenario: optimizer.lr=0.1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Run from this seed.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file.")] = None,
    memory: Memory = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file that --out names.")] = False,
) -> None:
    """Explain one step of a scenario: forward, backward, update, in words, and as a graph."""
    plugins = load_plugins(context)
    with exit_on_errors(context):
        from playground.report.explanation.rendering import renderer
        from playground.runner.explaining.step import explain as explained
        from playground.runner.loading.overrides import Changes, load_with_changes
        from playground.runner.single.memory import limit_memory

        require_free(out, force)
        width = min(120, shutil.get_terminal_size((100, 1)).columns)
        render = renderer(output, language, width, full)  # before anything runs, so that a misspelt one costs no time
        loaded = load_with_changes(path, Changes(split_pairs(overrides or [], "--set"), seed), plugins)
        with limit_memory(parse_memory(memory)):
            text = render(explained(loaded, plugins, step, sample, digits))
        if out is None and output == "text":
            echo(text)
        elif out is None:
            write_document(text + "\n")
        else:
            write_whole(out, lambda beside: beside.write_text(text + "\n", encoding="utf-8"))
