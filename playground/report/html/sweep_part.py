"""One sweep as a part of the page."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from playground.figures.numbers import format_duration, format_short
from playground.report.captions import sweep_caption
from playground.report.html.encoding import round_data
from playground.report.html.run_part import mark, mark_of
from playground.report.html.sweep_charts import sweep_charts
from playground.report.ranking import Ranking, rank_settings
from playground.result import Status, Summary, Sweep
from playground.views import Ensemble

MAX_PAGE_RUNS = 20_000
"""Maximum number of single runs in a page; of more runs, every n-th is included."""

MAX_SETTING_ROWS = 2_000
"""Maximum number of settings in the table."""

STATUSES = tuple(map(str, Status))


def sweep_part(name: str, sweep: Sweep) -> dict[str, Any]:
    """Return the template's values and the script's data for a sweep."""
    runs, ranking = sweep.ensemble(), rank_settings(sweep)
    drawn = list(sweep_charts(sweep, runs))
    shown = sweep.summaries[:MAX_SETTING_ROWS]
    every = math.ceil(len(runs.runs) / MAX_PAGE_RUNS) if runs and runs.runs else 1
    return {
        "id": name,
        "template": "sweep.html",
        "title": sweep.scenario,
        "sweep": sweep,
        "mark": mark(sweep.verdict),
        "how": [f"{sweep.runs:,} of {sweep.size:,} runs" if sweep.runs != sweep.size else f"{sweep.runs:,} runs"],
        "first": format_short(sweep.best[0].loss.median) if sweep.best else "",
        "ranking": ranking,
        "facts": _facts(sweep, runs),
        "made": sweep_caption(runs) if runs else "",
        "command": runs.command if runs else "",
        "written": runs.written if runs else "",
        "expectations": [(*mark_of(each.passed), each, format_short(each.value)) for each in sweep.expectations],
        "charts": drawn,
        "columns": _columns(sweep),
        "rows": [_row(sweep, summary) for summary in shown],
        "more": len(sweep.summaries) - len(shown),
        "every": every,
        "data": {
            "best": _best(sweep, ranking),
            "charts": {chart.name: chart.data() for chart in drawn},
            "runs": _compact(runs, every) if runs else {},
        },
    }


def _best(sweep: Sweep, ranking: Ranking | None) -> dict[str, Any]:
    """Return the best settings as data: their points and the remarks on them."""
    if ranking is None:
        return {}
    return {**asdict(ranking), "points": [each.index for each in sweep.best]}


def _facts(sweep: Sweep, runs: Ensemble | None) -> dict[str, str]:
    compared = {f"{kind}s compared": ", ".join(each) for kind, each in sweep.variants.items()}
    swept = {name: _range(sweep, name) for name in sweep.axes}
    engines = ", ".join(f"{count:,} {engine}" for engine, count in sweep.engines.items()) or "all were stored"
    given = runs.conditions if runs else {}
    counted = {"settings": f"{len(sweep.summaries):,}", "seeds": f"{sweep.seeds:,} each", "computed": engines}
    return {**swept, **compared, **counted, **given, "time": format_duration(sweep.seconds)}


def _range(sweep: Sweep, name: str) -> str:
    """Return an axis in a few words: its values, or their number and range."""
    values = list(dict.fromkeys(format_short(each.values.get(name)) for each in sweep.summaries))
    return ", ".join(values) if len(values) <= 6 else f"{len(values)} values, {values[0]} to {values[-1]}"


def _columns(sweep: Sweep) -> list[tuple[str, bool]]:
    judged = [("passed", True), ("Wilson 95 %", True)] if any(each.interval for each in sweep.summaries) else []
    losses = [("loss ¼", True), ("median loss", True), ("loss ¾", True)]
    return [*((name, False) for name in sweep.axes), ("runs", True), *judged, *losses, ("how they ended", False)]


def _row(sweep: Sweep, summary: Summary) -> dict[str, Any]:
    """Return a setting's cells, each with its sort key."""
    cells: list[tuple[str, Any]] = [(format_short(value), value) for value in map(summary.values.get, sweep.axes)]
    cells.append((f"{summary.runs:,}", summary.runs))
    if any(each.interval for each in sweep.summaries):
        low, high = summary.interval or (0.0, 1.0)
        cells += [(f"{summary.share or 0:.1%}", summary.share or 0.0), (f"{100 * low:.3g}–{100 * high:.3g} %", low)]
    cells += [(format_short(value, 3), value) for value in summary.loss]
    ends = ", ".join(f"{count:,} {status}" for status, count in summary.statuses.items())
    cells.append((ends, ends))
    return {"index": summary.index, "cells": [(text, _key(value)) for text, value in cells]}


def _key(value: Any) -> str:
    """Return the sort key of a cell; a loss that is infinite or missing comes last."""
    if isinstance(value, float) and not math.isfinite(value):
        return "1e999"
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else format_short(value)


def _compact(runs: Ensemble, every: int) -> dict[str, Any]:
    """Return the runs column by column."""
    some = runs.runs[::every]
    return {
        "statuses": STATUSES,
        "point": [run.point for run in some],
        "seed": [run.seed for run in some],
        "status": [STATUSES.index(run.status) if run.status in STATUSES else 0 for run in some],
        "steps": [run.steps for run in some],
        "loss": [round_data(float(f"{run.loss:.4g}")) for run in some],
    }
