"""`playground schema`: the JSON Schema of a scenario, installed plugins included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from playground.cli.context import exit_on_errors, load_plugins, write_document
from playground.cli.writing import require_free, write_whole


def schema(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file.")] = None,
) -> None:
    """Print the JSON Schema of a scenario, with the parameters of every installed component, for editors and CI."""
    from playground.runner.loading.schema import scenario_schema

    plugins = load_plugins(context)
    with exit_on_errors(context):
        require_free(out)
        text = json.dumps(scenario_schema(plugins), indent=2, ensure_ascii=False)
        if out is None:
            write_document(text + "\n")
        else:
            write_whole(out, lambda path: path.write_text(text + "\n", encoding="utf-8"))
