"""The rows of a self-test: what was measured, and whether it meets its requirement."""

from __future__ import annotations

from dataclasses import dataclass

from playground.core.comparison.scipy_stats import import_stats

MAX_RATE = 0.05
"""The share of wrong decisions that a test may have."""
MAX_UPPER_BOUND = 0.065
"""The limit of Wilson's upper bound for that share; fewer than 1,000 repeats hardly ever meet it."""
MAX_SKEWED_RATE = 0.07
"""The share of wrong decisions if the differences are skewed."""
MAX_POWER_ERROR = 0.05
"""How far the measured power may be from the announced one."""


@dataclass(frozen=True, kw_only=True)
class SelfTestRow:
    """One measurement.

    :param name: the acceptance test.
    :param measured: what was counted.
    :param repeats: how often it could have happened.
    :param rate: the share in which it did.
    :param bounds: Wilson's 95 % interval of the rate.
    :param requirement: what is required, as text.
    :param passed: whether the requirement is met.
    """

    name: str
    measured: str
    repeats: int
    rate: float
    bounds: tuple[float, float]
    requirement: str
    passed: bool


def limit_rate(
    name: str, measured: str, count: int, repeats: int, *, limit: float = MAX_RATE, upper: float = MAX_UPPER_BOUND
) -> SelfTestRow:
    """Return the row of wrong decisions: the rate is at most `limit`, and Wilson's upper bound at most `upper`."""
    bounds = compute_wilson_bounds(count, repeats)
    bounded = f", upper bound at most {upper:.1%}" if upper < 1 else ""
    return SelfTestRow(
        name=name,
        measured=measured,
        repeats=repeats,
        rate=count / repeats,
        bounds=bounds,
        requirement=f"at most {limit:.0%}{bounded}",
        passed=count / repeats <= limit and bounds[1] <= upper,
    )


def compare_power(name: str, measured: str, count: int, repeats: int, *, announced: float) -> SelfTestRow:
    """Return the row of right decisions: the rate is within 5 points of the announced power."""
    rate = count / repeats
    return SelfTestRow(
        name=name,
        measured=measured,
        repeats=repeats,
        rate=rate,
        bounds=compute_wilson_bounds(count, repeats),
        requirement=f"{announced:.1%} ± {100 * MAX_POWER_ERROR:.0f} points",
        passed=abs(rate - announced) <= MAX_POWER_ERROR,
    )


def require_all(name: str, measured: str, count: int, repeats: int) -> SelfTestRow:
    """Return the row of something that must hold each time."""
    return SelfTestRow(
        name=name,
        measured=measured,
        repeats=repeats,
        rate=count / repeats,
        bounds=compute_wilson_bounds(count, repeats),
        requirement="always",
        passed=count == repeats,
    )


def compute_wilson_bounds(count: int, repeats: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a probability."""
    interval = import_stats().binomtest(count, repeats).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
