"""Judges all derivatives of a check together: which routes agree with autograd, and whether derivatives exist."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from playground.core.derivatives.verdict import DerivativeEntry, Finding
from playground.result import Expectation

ROUTES = {
    "forward": "forward mode",
    "given": "the given formula",
    "symbolic": "the symbolic derivative",
    "complex": "the complex step",
    "central": "central differences",
}
"""The routes that autograd in reverse mode is compared with, in the order of the report."""


@dataclass(frozen=True)
class JudgedDerivative:
    """One derivative, and what is wrong with it.

    :param place: in words: `at x = 0 by x`.
    :param finding: None if the derivative exists and autograd is confirmed.
    """

    place: str
    entry: DerivativeEntry
    finding: Finding | None


def list_routes(entries: Sequence[DerivativeEntry]) -> list[str]:
    """Return the routes that have a result, in the order of the report."""
    return [route for route in ROUTES if any(route in entry.routes for entry in entries)]


def judge_derivatives(judged: Sequence[JudgedDerivative]) -> list[Expectation]:
    """Return what every check of derivatives expects: that routes agree, and that the function has a derivative."""
    routes = list_routes([each.entry for each in judged])
    agreements = [_judge_agreement(route, judged) for route in routes if _is_asked(route, judged)]
    return [*agreements, _judge_proportionality(judged), _judge_smoothness(judged)]


def _is_asked(route: str, judged: Sequence[JudgedDerivative]) -> bool:
    """Tell whether to report a route: it has a result, or is missed because nothing else confirms autograd."""
    return any(route in each.entry.voters or (each.finding and route in each.finding.routes) for each in judged)


def _judge_agreement(route: str, judged: Sequence[JudgedDerivative]) -> Expectation:
    """Judge one route against autograd over all points; a route without a result has no vote."""
    worst = max(
        (_difference(each.entry, route) for each in judged if route in each.entry.voters),
        key=lambda apart: (not math.isfinite(apart), apart),
        default=math.nan,
    )
    asked = [each for each in judged if route in each.entry.routes]
    wrong = [each for each in asked if each.finding is not None and route in each.finding.routes]
    note = _describe_disagreement(route, wrong, len(asked)) if wrong else ""
    return Expectation(f"autograd agrees with {ROUTES[route]}", worst, passed=not wrong, note=note)


def _difference(entry: DerivativeEntry, route: str) -> float:
    return abs(entry.routes["autograd"] - entry.routes[route])


def _describe_disagreement(route: str, wrong: Sequence[JudgedDerivative], asked: int) -> str:
    """Describe where a route first disagrees, by how much, and the likely cause."""
    first = wrong[0]
    ours, theirs = first.entry.routes["autograd"], first.entry.routes[route]
    why = f"; {first.finding.words}" if first.finding else ""
    count = f" ({len(wrong)} of {asked} derivatives)" if asked > 1 else ""
    return f"{first.place}: autograd {ours:.10g}, {route} {theirs:.10g}{why}{count}"


def _judge_proportionality(judged: Sequence[JudgedDerivative]) -> Expectation:
    """Judge whether backward multiplies by the gradient sent back, as later operations require."""
    wrong = [each for each in judged if each.finding is not None and each.finding.is_about_backward]
    return _count("backward is proportional to grad_output", wrong)


def _judge_smoothness(judged: Sequence[JudgedDerivative]) -> Expectation:
    """Judge whether a derivative exists: one value, and the same slope to the left and right."""
    wrong = [each for each in judged if each.finding and each.finding.is_no_derivative]
    return _count("no kink, jump or pole at any point", wrong)


def _count(what: str, wrong: Sequence[JudgedDerivative]) -> Expectation:
    note = ""
    if wrong:
        first = wrong[0]
        note = f"{first.place}: {first.finding.words if first.finding else ''}"
    return Expectation(what, len(wrong), passed=not wrong, note=note)
