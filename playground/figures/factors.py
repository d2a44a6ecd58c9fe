"""Writes how many gradient evaluations an optimizer needs, as a multiple of another's: `0.81× [0.66, 0.99]`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playground.comparison import Comparison, EffectFinding, PairFinding, ProblemRow

VERDICT_SIGNS: Final = {"better": "▼", "worse": "▲", "equivalent": "=", "cannot tell": "?", "": "·"}
"""A sign for each verdict, because colour must not be the only mark: fewer, more, as many, unknown, no interval."""

MIN_RESOLUTION: Final = 0.3
"""Problems with a smaller spread between optimizers, over the noise of seeds, tell nothing apart."""

INDISTINCT: Final = "tell no optimizers apart: seeds differ over 3× as much"
"""What may be said of such problems."""

LIMITS: Final = "says nothing about large networks"
"""What no comparison on small problems can say."""

MAX_FACTOR_DECIMALS: Final = 6
"""Decimals of a factor that would otherwise be written as 1."""


def format_factor(factor: float | None, unit: str = "×") -> str:
    """Return a factor with two decimals or two to three digits: `0.81×`, `0.012×`, `12.3×`, `4,100×`.

    One that differs from 1 is never written as 1.00, because a verdict may rest on the difference.
    """
    if factor is None or not math.isfinite(factor):
        return "∞" + unit if factor == math.inf else "–"
    if factor >= 9_999_999.5 or 0 < factor < 0.00095:
        return f"{factor:.1e}{unit}"
    if factor >= 99.5:
        return f"{float(f'{factor:.3g}') if factor >= 999.5 else factor:,.0f}{unit}"
    if factor >= 9.95:
        return f"{factor:.1f}{unit}"
    if factor < 0.095:
        return f"{factor:.2g}{unit}"
    decimals = next((each for each in range(2, MAX_FACTOR_DECIMALS + 1) if round(factor, each) != 1 or factor == 1), 2)
    return f"{factor:.{decimals}f}{unit}"


def format_factor_interval(low: float | None, high: float | None) -> str:
    """Return an interval of a factor: `[0.66, 0.99]`."""
    return f"[{format_factor(low, '')}, {format_factor(high, '')}]"


def format_factor_range(low: float, high: float) -> str:
    """Return a range in which a factor is expected: `0.30×–2.20×`."""
    return f"{format_factor(low)}–{format_factor(high)}"


def pair_sentences(pair: PairFinding) -> Iterator[str]:
    """Yield what a finding says, in sentences: both estimands, a new problem, one setting, and what would decide it."""
    who = f"{pair.optimizer} needs", f"the gradient evaluations of {pair.baseline}"
    if pair.like_these is None:
        yield f"{pair.refusal[:1].upper()}{pair.refusal[1:]}."
    else:
        yield f"On problems like these, {_describe_effect(pair.like_these, *who)}"
    yield f"On the problems of this suite, {_describe_effect(pair.suite, *who)}"
    if pair.new_problem is not None:
        low, high = map(format_factor, pair.new_problem)
        yield f"On a single new problem, expect anything from {low} to {high}."
    if pair.shared is not None:
        yield f"With one setting for all problems, {_describe_effect(pair.shared, *who)}"
    if pair.more:
        yield f"What would decide it: {pair.more}."


def _describe_effect(effect: EffectFinding, needs: str, of: str) -> str:
    interval = format_factor_interval(effect.low, effect.high)
    return f"{needs} {format_factor(effect.factor)} {of} {interval}: {effect.text}."


def name_pair(comparison: Comparison, pair: PairFinding) -> str:
    """Return the baseline; with the optimizer if the pairs of the comparison have several."""
    subjects = {each.optimizer for each in comparison.pairs}
    return pair.baseline if len(subjects) == 1 else f"{pair.optimizer} / {pair.baseline}"


def is_indistinct(row: ProblemRow) -> bool:
    """Return whether a problem tells no optimizers apart, because the noise of seeds hides their spread."""
    return row.resolution is not None and row.resolution < MIN_RESOLUTION


def count_things(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun: `1 family`, `40 families`."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
