"""Judges measured quantities by a scenario's expectations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playground.live import ExpectedCondition
from playground.result import Expectation, Status, Verdict

if TYPE_CHECKING:
    import numpy as np

    from playground.scenario.model import Check
    from playground.scenario.source import SourceText

ConditionTest = Callable[[Any], "np.ndarray[Any, np.dtype[np.bool_]]"]
"""Takes a measured quantity with one entry for each run, and returns for each run whether a condition holds.

Raises `TypeError` or `ValueError` if the quantity cannot be compared: it is text, or has another shape.
"""

_COMPARISONS = {"below": "__lt__", "above": "__gt__", "at_least": "__ge__", "at_most": "__le__"}

BAD_STATUSES = (Status.ERROR, Status.DIVERGED, Status.NONFINITE)
"""Statuses that fail a run unless the scenario expects a status."""


def judge(name: str, check: Check, value: Any, resolution: float) -> list[Expectation]:
    """Judge every condition of one check.

    :param name: name of the quantity.
    :param value: the measured value: a number, a text, or nested lists of numbers; None if it was not measured.
    :param resolution: relative precision of the run's dtype; `equals` tolerates four times as much.
    :returns: one expectation for each condition. A condition on lists must hold for every entry.
    """
    return [
        replace(
            _judge_condition(f"{name} {_describe_condition(each)}", _make_test(each), value), path=(name, each.word)
        )
        for each in list_conditions(check, resolution)
    ]


def judge_runs(check: Check, values: Any, resolution: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return for each of many runs whether every condition of a check holds.

    :param values: the measured values, shape `(runs, ...)`.
    :returns: shape `(runs,)`.
    """
    import numpy as np

    try:
        held = [_make_test(each)(values) for each in list_conditions(check, resolution)]
    except (TypeError, ValueError):
        return np.zeros(len(values), dtype=np.bool_)
    every: np.ndarray[Any, np.dtype[np.bool_]] = np.logical_and.reduce(held)
    return every


def judge_all(
    expect: Mapping[str, Check], measured: Mapping[str, Any], first_loss: float | None, resolution: float
) -> list[Expectation]:
    """Judge every expectation of a scenario.

    :param first_loss: the loss before the first step; None for a budget of zero steps. An expectation of the loss that
        this loss meets already is vacuous.
    """
    judged = []
    for name, check in expect.items():
        expectations = judge(name, check, measured.get(name), resolution)
        if name == "loss" and first_loss is not None:
            before = judge(name, check, first_loss, resolution)
            expectations = [
                _mark_vacuous(after, first_loss) if after.passed and first.passed else after
                for after, first in zip(expectations, before, strict=True)
            ]
        judged += expectations
    return judged


def judge_diagnosis(check: Check, found: Sequence[str]) -> Expectation:
    """Judge the expectation of a diagnosis, which holds if the diagnosis was found.

    :param found: the names of a run's diagnoses.
    """
    passed = check.equals in found
    return Expectation(f"diagnosis {check.equals}", ", ".join(found) or "none", passed, path=("diagnosis", "equals"))


def judge_status(status: Status, expect: Mapping[str, Check]) -> list[Expectation]:
    """Return a failed expectation if the run ended badly and the scenario expects neither a status nor a diagnosis."""
    if status not in BAD_STATUSES or "status" in expect or "diagnosis" in expect:
        return []
    return [Expectation(f"status is not {status}", str(status), passed=False)]


def decide_verdict(expectations: list[Expectation], status: Status) -> Verdict:
    """Return the verdict: none for an interrupted run or without expectations, else whether all of them passed."""
    if status is Status.INTERRUPTED or not expectations:
        return Verdict.NONE
    return Verdict.PASSED if all(expectation.passed for expectation in expectations) else Verdict.FAILED


def locate_expectations(expectations: Iterable[Expectation], source: SourceText, *above: str) -> list[Expectation]:
    """Add to each expectation its line in the scenario.

    :param above: the keys above `expect`, if it is not at the top level.
    """
    return [
        replace(expectation, line=_line(source, (*above, "expect", *expectation.path)))
        if expectation.path
        else expectation
        for expectation in expectations
    ]


def _line(source: SourceText, path: tuple[str, ...]) -> int:
    place = source.place(path, key=True)
    return place.line if place.file == source.file else 0  # an expectation from the command line has no line


def _mark_vacuous(expectation: Expectation, first_loss: float) -> Expectation:
    note = f"already held before the first step (loss {first_loss:.6g}), so it shows nothing"
    return replace(expectation, vacuous=True, note=note)


def _judge_condition(what: str, test: ConditionTest, value: Any) -> Expectation:
    if value is None:
        return Expectation(what, value, passed=False, note="not measured by this run")
    try:
        return Expectation(what, value, passed=bool(test([value])[0]))
    except (TypeError, ValueError) as error:
        return Expectation(what, value, passed=False, note=str(error))


def list_conditions(check: Check, resolution: float) -> list[ExpectedCondition]:
    """Return the conditions of a check as data.

    :param resolution: relative precision of the run's dtype.
    """
    words = ("below", "above", "at_least", "at_most", "near", "equals", "rounded")
    within = {"near": check.within or 0.0, "equals": 4 * resolution}
    wanted = {word: getattr(check, word) for word in words}
    return [
        ExpectedCondition(word, value, within.get(word, 0.0)) for word, value in wanted.items() if value is not None
    ]


def _describe_condition(condition: ExpectedCondition) -> str:
    """Return a condition in words: `below 0.05`."""
    word, wanted = condition.word, condition.wanted
    if word in _COMPARISONS:
        return f"{word.replace('_', ' ')} {wanted:g}"
    return f"{word} {wanted}" + (f" within {condition.within:g}" if word == "near" else "")


def _make_test(condition: ExpectedCondition) -> ConditionTest:
    """Return what judges many runs by a condition."""
    wanted, within = condition.wanted, condition.within
    if condition.word in _COMPARISONS:
        return _comparison_test(_COMPARISONS[condition.word], wanted)
    if condition.word == "near":
        return _near_test(wanted, within)
    return _equality_test(wanted, within) if condition.word == "equals" else _rounding_test(wanted)


def _comparison_test(operator: str, limit: float) -> ConditionTest:
    return lambda values: _holds_everywhere(getattr(_to_numbers(values), operator)(limit))


def _near_test(wanted: Any, within: float) -> ConditionTest:
    def test(values: Any) -> Any:
        measured, expected = _match_shapes(values, wanted)
        return _holds_everywhere(_is_close(measured, expected, within))

    return test


def _equality_test(wanted: Any, within: float) -> ConditionTest:
    def test(values: Any) -> Any:
        if isinstance(wanted, str) or isinstance(values[0], str):
            import numpy as np

            return np.asarray([str(value) == str(wanted) for value in values])
        measured, expected = _match_shapes(values, wanted)
        return _holds_everywhere(_is_close(measured, expected, within * abs(expected)))

    return test


def _rounding_test(wanted: Any) -> ConditionTest:
    def test(values: Any) -> Any:
        measured, expected = _match_shapes(values, wanted)
        return _holds_everywhere(measured.round() == expected)

    return test


def _is_close(measured: Any, expected: Any, within: Any) -> Any:
    """Return whether numbers are equal, or finite and within a tolerance; infinity is near only itself."""
    import numpy as np

    finite = np.isfinite(measured) & np.isfinite(expected)
    with np.errstate(invalid="ignore", over="ignore"):
        return (measured == expected) | (finite & (abs(measured - expected) <= within))


def _holds_everywhere(held: Any) -> Any:
    """Return for each run whether a condition holds for every entry."""
    return held.reshape(len(held), -1).all(axis=1)


def _match_shapes(values: Any, wanted: Any) -> tuple[Any, Any]:
    """Return both as arrays of float64; `wanted` must have the shape of one run's value.

    :raises ValueError: it has another shape.
    """
    measured, expected = _to_numbers(values), _to_numbers(wanted)
    if measured.shape[1:] != expected.shape:
        raise ValueError(f"measured shape {measured.shape[1:]}, expected shape {expected.shape}")
    return measured, expected


def _to_numbers(values: Any) -> Any:
    import numpy as np

    array = np.asarray(values)
    if array.dtype.kind == "U":
        raise TypeError(f"{str(array.flat[0])!r} is not a number")
    return array.astype(np.float64)
