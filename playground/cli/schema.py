"""`playground schema`: write the JSON Schema of scenarios, installed plugins included."""

from __future__ import annotations

import json

import typer

from playground.cli.common_options import Out
from playground.cli.context import exit_on_errors, load_plugins, write_document
from playground.cli.writing import require_free
from playground.report.writing import write_whole


def schema(
    context: typer.Context,
    out: Out = None,
) -> None:
    """Write the JSON Schema of scenarios, for editors and CI.

    It includes the parameters of every installed component.
    """
    from playground.runner.loading.schema import scenario_schema

    plugins = load_plugins(context)
    with exit_on_errors(context):
        require_free(out)
        text = json.dumps(scenario_schema(plugins), indent=2, ensure_ascii=False)
        if out is None:
            write_document(text + "\n")
        else:
            write_whole(out, lambda path: path.write_text(text + "\n", encoding="utf-8"))
