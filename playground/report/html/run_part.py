"""One run as a part of the page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import islice
from typing import Any

from playground.figures.numbers import flatten, format_brief, format_column, format_duration, format_short
from playground.live import Live
from playground.report.captions import run_caption
from playground.report.html import view_charts
from playground.report.html.encoding import round_data
from playground.report.html.explained import explanation_parts
from playground.report.html.live_charts import live_charts
from playground.report.html.live_data import live_data
from playground.report.html.run_charts import entries, run_charts
from playground.result import ResultTable, Run, Verdict
from playground.views import PredictionsView

MAX_TABLE_ROWS = 40
"""Maximum number of table rows."""

MAX_PARAMETER_ROWS = 24
"""Maximum number of parameter entries in the table."""


def run_part(name: str, run: Run, title: str = "") -> dict[str, Any]:
    """Return the template's values and the script's data for a run.

    :param title: in place of the scenario's name.
    """
    recording = run.trace.recording
    drawn = [chart for view in run.views for chart in view_charts.view_charts(view)]
    drawn += run_charts(run)
    maps = list(live_charts(run.live_data, run)) if isinstance(run.live_data, Live) else []
    table = view_charts.find_prediction_table(run.views)
    values = dict(islice(entries(recording), MAX_PARAMETER_ROWS)) if recording else {}
    steps = list(recording.steps) if recording and len(recording.steps) > 1 else []
    how, *why = run.ending
    return {
        "id": name,
        "template": "run.html",
        "title": title or run.scenario,
        "run": run,
        "mark": mark(run.verdict),
        "how": [how, *why],
        "facts": _facts(run),
        "made": run_caption(run),
        "explain": _explain(run.command) if steps else "",
        "explained": explanation_parts(run.explanations),
        "charts": drawn,
        "maps": maps,
        "live": run.live_data if steps else None,
        "steps": steps,
        "first": f"{format_short(run.loss.first)} → {format_short(run.loss.last)}" if run.loss else "",
        "parameters": {label: format_short(rows[-1]) for label, rows in values.items()},
        "more_parameters": len(list(flatten(list(run.parameters.values())))) - len(values),
        "expectations": [(*mark_of(each.passed), each, format_short(each.value)) for each in run.expectations],
        "table": _table(run.table, table),
        "metrics": {key: format_brief(value, 120) for key, value in run.metrics.items()},
        "data": {
            "charts": {chart.name: chart.data() for chart in (*drawn, *maps)},
            "steps": steps,
            "losses": round_data([run.losses[step] for step in steps]),
            "norms": round_data(list(recording.gradient_norms)) if recording and steps else [],
            "parameters": round_data(list(values.values())) if steps else [],
            "explained": [steps.index(each.step) for each in run.explanations] if steps else [],
            "predictions": round_data([rows[:MAX_TABLE_ROWS] for rows in table.rows]) if table and steps else [],
            **({"live": live_data(run.live_data, run)} if run.live_data else {}),
        },
    }


def mark(verdict: Verdict) -> tuple[str, str, str]:
    """Return class, sign and word for a verdict, so that colour is not its only mark."""
    word = "not judged" if verdict is Verdict.NONE else str(verdict)
    return str(verdict), {"passed": "✔", "failed": "✘"}.get(str(verdict), "–"), word


def mark_of(passed: bool) -> tuple[str, str]:
    """Return the class and the sign of an expectation."""
    return ("passed", "✔") if passed else ("failed", "✘")


def _facts(run: Run) -> dict[str, str]:
    seed = {} if run.loss is None or run.seed is None else {"seed": str(run.seed)}
    return {"task": run.task, **run.setup, **seed, "time": format_duration(run.seconds)}


def _explain(command: str) -> str:
    """Return the command that explains a step of the run, to be followed by the step; empty without a command."""
    words = shlex.split(command)
    if "run" not in words:
        return ""
    at = words.index("run")
    rest = [*words[:at], "explain", *words[at + 1 :]]
    for option in ("--seed", "--steps"):
        if option in rest:
            place = rest.index(option)
            rest[place : place + 2] = ["--set", f"{option[2:]}={rest[place + 1]}"]
    return shlex.join([*rest, "--step"])


def _table(table: ResultTable | None, live: PredictionsView | None) -> dict[str, Any] | None:
    """Return the rows of a table; if there are predictions for each step, the script fills them in."""
    if table is None:
        return None
    rows: Sequence[Sequence[Any]] = table.rows[:MAX_TABLE_ROWS]
    columns = [format_column([row[index] for row in rows]) for index in range(len(table.columns))]
    return {
        "columns": table.columns,
        "rows": list(zip(*columns, strict=True)),
        "more": len(table.rows) - len(rows),
        "live": live is not None,
    }
