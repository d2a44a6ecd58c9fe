"""Hold what was measured against what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from playground.result import Expectation, Status, Verdict

if TYPE_CHECKING:
    from playground.scenario.model import Check

UNWELCOME = (Status.ERROR, Status.DIVERGED, Status.NONFINITE)
"""Statuses that fail a run unless the scenario expects a status."""


def judge(name: str, check: Check, value: Any, resolution: float) -> list[Expectation]:
    """Judge every condition of one check.

    :param name: the quantity.
    :param value: what was measured: a number, text, or nested lists of numbers; None when it was not measured.
    :param resolution: relative precision of the run's dtype; `equals` allows four times as much.
    :returns: one expectation per condition. A condition on lists holds when it holds for every entry.
    """
    return [_judged(f"{name} {words}", holds, value) for words, holds in _conditions(check, resolution)]


def judge_all(
    expect: Mapping[str, Check], measured: Mapping[str, Any], first_loss: float | None, resolution: float
) -> list[Expectation]:
    """Judge every expectation of a scenario.

    :param first_loss: the loss before the first of at least one step; an expectation of the loss that held there
        already is vacuous. None when no step was asked for.
    """
    judged = []
    for name, check in expect.items():
        for expectation, condition in zip(
            judge(name, check, measured.get(name), resolution), _conditions(check, resolution), strict=True
        ):
            vacuous = name == "loss" and first_loss is not None and expectation.passed and condition[1](first_loss)
            judged.append(_vacuous(expectation, first_loss) if vacuous else expectation)
    return judged


def unwelcome(status: Status, expect: Mapping[str, Check]) -> list[Expectation]:
    """Return a failed expectation when the run ended badly and the scenario expects no status."""
    if status not in UNWELCOME or "status" in expect:
        return []
    return [Expectation(f"status is not {status}", str(status), passed=False)]


def verdict(expectations: list[Expectation], status: Status) -> Verdict:
    """Sum up: failed if anything failed, passed if something was expected; an interrupted run is not judged."""
    if status is Status.INTERRUPTED or not expectations:
        return Verdict.NONE
    return Verdict.PASSED if all(expectation.passed for expectation in expectations) else Verdict.FAILED


def _vacuous(expectation: Expectation, first_loss: float | None) -> Expectation:
    note = f"already held before the first step (loss {first_loss:.6g}), so it shows nothing"
    return Expectation(expectation.what, expectation.value, expectation.passed, vacuous=True, note=note)


def _judged(what: str, holds: Callable[[Any], bool], value: Any) -> Expectation:
    if value is None:
        return Expectation(what, value, passed=False, note="not measured by this run")
    try:
        return Expectation(what, value, passed=holds(value))
    except (TypeError, ValueError) as error:
        return Expectation(what, value, passed=False, note=str(error))


def _conditions(check: Check, resolution: float) -> list[tuple[str, Callable[[Any], bool]]]:
    """Return each condition of a check in words and as a test of a value."""
    conditions: list[tuple[str, Callable[[Any], bool]]] = []
    comparisons = {"below": "__lt__", "above": "__gt__", "at_least": "__ge__", "at_most": "__le__"}
    for word, operator in comparisons.items():
        if (limit := getattr(check, word)) is not None:
            conditions.append((f"{word.replace('_', ' ')} {limit:g}", _compare(operator, limit)))
    if check.near is not None:
        conditions.append((f"near {check.near} within {check.within:g}", _near(check.near, check.within or 0.0)))
    if check.equals is not None:
        conditions.append((f"equals {check.equals}", _equals(check.equals, resolution)))
    if check.rounded is not None:
        conditions.append((f"rounded {check.rounded}", _rounded(check.rounded)))
    return conditions


def _array(value: Any) -> Any:
    import numpy as np

    if isinstance(value, str):
        raise TypeError(f"{value!r} is not a number")
    return np.asarray(value, dtype=np.float64)


def _alike(value: Any, wanted: Any) -> tuple[Any, Any]:
    """Return both as arrays of one shape."""
    measured, expected = _array(value), _array(wanted)
    if measured.shape != expected.shape:
        raise ValueError(f"measured shape {measured.shape}, expected shape {expected.shape}")
    return measured, expected


def _compare(operator: str, limit: float) -> Callable[[Any], bool]:
    return lambda value: bool(getattr(_array(value), operator)(limit).all())


def _near(wanted: Any, within: float) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        measured, expected = _alike(value, wanted)
        return bool((abs(measured - expected) <= within).all())

    return holds


def _equals(wanted: Any, resolution: float) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        if isinstance(wanted, str) or isinstance(value, str):
            return str(value) == str(wanted)
        measured, expected = _alike(value, wanted)
        return bool((abs(measured - expected) <= 4 * resolution * abs(expected)).all())

    return holds


def _rounded(wanted: Any) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        measured, expected = _alike(value, wanted)
        return bool((measured.round() == expected).all())

    return holds
