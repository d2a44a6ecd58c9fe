"""One comparison as a part of the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from playground.comparison import Comparison, EffectFinding, LedgerEntry, PairFinding, ProblemRow, SelfTestFinding
from playground.figures.factors import (
    INDISTINCT,
    LIMITS,
    VERDICT_SIGNS,
    count_things,
    format_factor,
    format_factor_interval,
    format_factor_range,
    is_indistinct,
    name_pair,
    pair_sentences,
)
from playground.figures.numbers import format_duration
from playground.report.captions import comparison_caption
from playground.report.html.comparison_charts import contrast_chart, curve_charts, forest_chart
from playground.report.html.run_part import mark, mark_of

MAX_SHADES = 5.0
"""Doublings relative to the best that have the darkest shade."""


def comparison_part(name: str, comparison: Comparison) -> dict[str, Any]:
    """Return the template's values and the script's data for a comparison."""
    drawn = list(curve_charts(comparison.curves))
    contrasts = contrast_chart(comparison) if comparison.contrasts else None
    forests = [forest_chart(pair, f"families{index}") for index, pair in enumerate(comparison.pairs)]
    first, *others = comparison.optimizers
    return {
        "id": name,
        "template": "comparison.html",
        "title": f"{first} compared with {', '.join(others)}",
        "comparison": comparison,
        "mark": mark(comparison.verdict),
        "how": [count_things(len(comparison.optimizers), "optimizer")],
        "first": "",
        "lead": _describe_suite(comparison),
        "limits": LIMITS,
        "made": comparison_caption(comparison),
        "verdicts": [_verdict(comparison, pair) for pair in comparison.pairs],
        "has_like_these": any(pair.like_these for pair in comparison.pairs),
        "refusals": list(dict.fromkeys(next(pair_sentences(pair)) for pair in comparison.pairs if pair.refusal)),
        "pairs": [_pair(comparison, pair, chart) for pair, chart in zip(comparison.pairs, forests, strict=True)],
        "expectations": [(*mark_of(each.passed), each, each.value) for each in comparison.expectations],
        "charts": drawn,
        "contrast_chart": contrasts,
        "contrasts": _tabulate_contrasts(comparison),
        "maps": list(_maps(comparison)),
        "indistinct": INDISTINCT,
        "ledger": [_ledger_row(entry) for entry in comparison.ledger],
        "self_test": [
            (*mark_of(row.passed), row.name, row.measured, f"{row.repeats:,}", _rate(row), row.requirement)
            for row in comparison.self_test
        ],
        "protocol": _protocol(comparison),
        "data": {"charts": {chart.name: chart.data() for chart in (*forests, *drawn, *filter(None, [contrasts]))}},
    }


def _describe_suite(comparison: Comparison) -> str:
    counted = sum(row.headline for row in comparison.problems)
    outside = len(comparison.problems) - counted
    size = f"{count_things(counted, 'problem')} of {count_things(comparison.families, 'family', 'families')}"
    more = f", and {outside} outside the verdict" if outside else ""
    return f"Suite {comparison.suite['name']}: {size}{more}. The comparison {LIMITS}."


# The verdicts


def _verdict(comparison: Comparison, pair: PairFinding) -> dict[str, Any]:
    """Return the row of a pair in the table of verdicts."""
    return {
        "name": name_pair(comparison, pair),
        "like_these": _effect(pair.like_these),
        "suite": _effect(pair.suite),
        "shared": _effect(pair.shared),
        "new": format_factor_range(*pair.new_problem) if pair.new_problem else "–",
        "more": pair.more,
    }


def _effect(effect: EffectFinding | None) -> dict[str, str] | None:
    """Return factor, interval, sign and text; None without an effect."""
    if effect is None:
        return None
    return {
        "factor": format_factor(effect.factor),
        "interval": format_factor_interval(effect.low, effect.high),
        "sign": VERDICT_SIGNS[effect.word],
        "text": effect.text,
        "kind": {"better": "passed", "worse": "failed"}.get(effect.word, ""),
    }


def _pair(comparison: Comparison, pair: PairFinding, chart: Any) -> dict[str, Any]:
    """Return what the page says of one pair."""
    word = pair.headline.word
    tally = pair.tally
    return {
        "name": f"{pair.optimizer} against {pair.baseline}",
        "sentences": list(pair_sentences(pair)),
        "chart": chart,
        "families": [
            [each.family, each.probe, f"{each.problems}", format_factor(each.factor), _interval(each.low, each.high)]
            for each in sorted(pair.families, key=lambda each: each.factor)
        ],
        "probes": [
            [
                each.probe,
                f"{each.families}",
                format_factor(each.factor),
                _interval(each.low, each.high),
                f"{VERDICT_SIGNS[each.word]} {each.word or 'under 5 families'}",
            ]
            for each in sorted(pair.probes, key=lambda each: each.factor)
        ],
        "holds": [(*mark_of(found == word), name, found) for name, found in pair.holds.items()],
        "facts": {
            "better on": f"{tally.better}",
            "worse on": f"{tally.worse}",
            "equal on": f"{tally.equal}",
            "cannot tell on": f"{tally.cannot_tell}",
            "factor, middle half of the problems": format_factor(pair.middle),
            "a run needs fewer evaluations": f"{pair.improvement:.0%}" if math.isfinite(pair.improvement) else "–",
        },
    }


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else format_factor_interval(low, high)


def _tabulate_contrasts(comparison: Comparison) -> list[list[str]]:
    """Return a row for each property: what it costs each optimizer."""
    found = {(each.property, each.optimizer): each for each in comparison.contrasts}
    rows = []
    for name in dict.fromkeys(each.property for each in comparison.contrasts):
        cells = [found.get((name, optimizer)) for optimizer in comparison.optimizers]
        rows.append(
            [
                name,
                *(f"{format_factor(each.factor)} {_interval(each.low, each.high)}" if each else "–" for each in cells),
            ]
        )
    return rows


# The map of problems and optimizers


def _maps(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield a table for the problems that count, by probe, and one of success rates for the others."""
    counted = [row for row in comparison.problems if row.headline]
    groups: dict[str, list[ProblemRow]] = {}
    for row in counted:
        groups.setdefault(row.probe, []).append(row)
    labels = comparison.optimizers
    if counted:
        rows = [
            (probe, [_map_row(row, [_relative_cell(row, each) for each in labels]) for row in some])
            for probe, some in groups.items()
        ]
        yield {"title": "Evaluations relative to the best", "groups": rows}
    outside = [row for row in comparison.problems if not row.headline]
    if outside:
        rows = [("", [_map_row(row, [_success_cell(row, each) for each in labels]) for row in outside])]
        yield {"title": "Outside the verdict: runs that reach the hardest target", "groups": rows}


def _map_row(row: ProblemRow, cells: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": row.problem, "family": row.family, "indistinct": is_indistinct(row), "cells": cells}


def _relative_cell(row: ProblemRow, optimizer: str) -> dict[str, Any]:
    """Return how many evaluations an optimizer needs, relative to the best on the problem."""
    known = [value for value in row.log_evaluations.values() if math.isfinite(value)]
    value = row.log_evaluations.get(optimizer, math.nan)
    if not known or not math.isfinite(value):
        return {"text": "–", "shade": 0, **_failures(row, optimizer)}
    more = value - min(known)
    text = "best" if more == 0 else f"{format_factor(2.0**more)}"
    return {"text": text, "shade": round(min(more / MAX_SHADES, 1.0), 2), **_failures(row, optimizer)}


def _success_cell(row: ProblemRow, optimizer: str) -> dict[str, Any]:
    share = row.reached.get(optimizer, math.nan)
    known = math.isfinite(share)
    text = f"{share:.0%}" if known else "–"
    return {"text": text, "shade": round(1 - share, 2) if known else 0, **_failures(row, optimizer)}


def _failures(row: ProblemRow, optimizer: str) -> dict[str, str]:
    """Return the mark of failed runs, and a sentence about them and about the hardest target."""
    failed, reached = row.failed.get(optimizer, 0.0), row.reached.get(optimizer, math.nan)
    sentence = f"{reached:.0%} of the runs reach the hardest target" if math.isfinite(reached) else ""
    if failed > 0:
        return {"failed": f"✘ {failed:.0%}", "title": f"{sentence}; {failed:.0%} of the runs failed".lstrip("; ")}
    return {"failed": "", "title": sentence}


# What each optimizer was given


def _ledger_row(entry: LedgerEntry) -> list[str]:
    return [
        entry.optimizer,
        entry.specification,
        f"{entry.trials:,}",
        f"{entry.tuning:,}",
        f"{entry.scoring:,}",
        f"{entry.at_edge:,} of {entry.choices:,}",
        f"{entry.failed:,} of {entry.runs:,}",
        ", ".join(f"{count:,} {engine}" for engine, count in entry.engines.items()),
        entry.source[:12] or "–",
    ]


def _rate(row: SelfTestFinding) -> str:
    return f"{row.rate:.1%} [{100 * row.low:.1f}, {100 * row.high:.1f}]"


def _protocol(comparison: Comparison) -> Mapping[str, str]:
    protocol = comparison.protocol
    resolution = ", ".join(
        f"{format_factor(factor)} if families differ by {2**spread:g}×"
        for spread, factor in protocol.resolution.items()
    )
    each = f"{protocol.tuning_seeds} to tune on and {protocol.scoring_seeds} fresh ones to score on"
    return {
        "metric": protocol.metric,
        "studies": f"{protocol.studies} of each optimizer on each problem, independent of each other",
        "seeds": f"{each} in each study, the same for all optimizers",
        "look": f"{protocol.look}, which spends α {protocol.alpha:g} of {protocol.total_alpha:g}",
        "detectable": f"{resolution}, with 80 % power" if resolution else "–",
        "protocol": protocol.hash,
        "suite": f"{comparison.suite['name']}, {comparison.suite['hash']}",
        "file": comparison.file,
        "time": ", ".join(f"{stage} {format_duration(each)}" for stage, each in comparison.seconds.items()),
    }
