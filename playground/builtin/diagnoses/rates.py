"""A learning rate that is too large, shown by a constant curvature or by a rerun at a lower rate."""

from __future__ import annotations

import math

from playground.builtin.diagnoses.units import describe_stuck_units
from playground.core.diagnosis import Curvature, measure_curvature
from playground.core.evidence import Diagnoser, Evidence, is_finite, to_vector
from playground.core.experiments import Rerun
from playground.core.update import UpdateRule
from playground.figures.numbers import format_distinct
from playground.result import Status

ROUNDING_TOLERANCE = 1e-5
"""The relative difference of two numbers that are equal except for rounding."""


def rate_too_large() -> Diagnoser:
    """The loss rose, or units died on the way, and the same run at a lower rate ends better.

    If the curvature is constant, it gives a bound on the rate: above `2/λ` gradient descent diverges, and at the bound
    it jumps from side to side for ever. Otherwise the run is repeated from the same start at a tenth, a hundredth, … of
    the rate, until it improves.
    """
    remedy = "Lower the learning rate, or use a schedule that lowers it."
    return Diagnoser(_rate_too_large, remedy, 3)


def _rate_too_large(run: Evidence) -> str:
    if run.rate is None or not math.isfinite(run.first) or not is_finite(run.start):
        return ""
    ran_away = _has_run_away(run)
    found = measure_curvature(run.problem, dict(run.start)) if ran_away or _is_stuck(run) else None
    if found is not None and found.constant:
        return (_describe_bowl(run, found) if ran_away else "") or _describe_rate_at_bound(run, found.largest)
    calmer = run.rerun.lower_rate_rerun if ran_away or _has_dead_layer(run) else None
    if calmer is None or not _is_better(run, calmer):
        return ""
    return _compare_runs(run, calmer) + _bound_at_start(run, found)


def _has_run_away(run: Evidence) -> bool:
    """Whether the loss ended above its initial value, and not because it fell without bound.

    A run that used its budget and would recover with more steps does not count.
    """
    finite_losses = [loss for loss in run.losses if math.isfinite(loss)]
    if not run.rose or (run.steps > 1 and finite_losses and finite_losses[-1] < run.first):
        return False
    return run.status in (Status.DIVERGED, Status.NONFINITE) or not run.rerun.recovers


def _is_stuck(run: Evidence) -> bool:
    """Whether the loss no longer changes, although its gradient is as large as at the start."""
    if run.steps < 2 or len(run.losses) < 2 or not is_finite(run.final) or not math.isfinite(run.last):
        return False
    still = abs(run.losses[-1] - run.last) <= ROUNDING_TOLERANCE * abs(run.last)
    slope, slope_at_start = (to_vector(each.gradient).norm() for each in (run.at_end, run.at_start))
    return bool(still and slope > 0.001 * slope_at_start)


def _has_dead_layer(run: Evidence) -> bool:
    """Whether a layer passes no gradient at the end, but did at the start."""
    return (
        is_finite(run.final) and bool(describe_stuck_units(run, run.final)) and not describe_stuck_units(run, run.start)
    )


def _is_better(run: Evidence, calmer: Rerun) -> bool:
    """Whether the rerun ends clearly below the run."""
    return not run.last <= calmer.last + 0.1 * (calmer.first - calmer.last)


def _describe_bowl(run: Evidence, found: Curvature) -> str:
    """Describe the factor on the distance to the minimum per step, and the rates at which it is less than 1."""
    calmer, rate = _suggest_lower_rate(run, found.largest) if found.largest > 0 else "", run.rate
    if not calmer or rate is None:
        return ""
    growth = run.growth(found.largest, run.factor)
    shown = format_distinct(rate * run.factor, _bound(run, found.largest) or math.nan, 6)
    return (
        f"For a loss of this curvature ({found.largest:g}), each step at the rate {shown} "
        f"multiplies the distance to the minimum by {format_distinct(growth, 1.0)}; {calmer} the distance shrinks."
    )


def _describe_rate_at_bound(run: Evidence, largest: float) -> str:
    """Describe that the rate is the bound; empty if the distance to the minimum shrinks.

    :param largest: the bowl's curvature.
    """
    swings = largest > 0 and _is_stuck(run) and abs(run.growth(largest, run.factor) - 1) <= ROUNDING_TOLERANCE
    if not swings or not run.growth(largest, 0.9 * run.factor) < 0.999:
        return ""
    return (
        f"For a loss of this curvature ({largest:g}), the rate {(run.rate or math.nan) * run.factor:g} is "
        "the stability bound: each step ends on the other side of the minimum, as far away as before; "
        "at lower rates the distance shrinks."
    )


def _suggest_lower_rate(run: Evidence, largest: float) -> str:
    """Return the rate at which the optimizer approaches the minimum of a bowl; empty if the rate is not too large.

    :param largest: the bowl's curvature.
    """
    rule = run.optimizer
    bound = _bound(run, largest)
    if bound is not None:
        return f"below {format_distinct(bound, rule.lr * run.factor, 6)}" if rule.lr * run.factor > bound else ""
    if run.rate is None or not run.growth(largest, run.factor) > 1.01:
        return ""
    tenths = (run.factor * 0.1**power for power in range(1, 13))
    return next((f"at {run.rate * each:.3g}" for each in tenths if run.growth(largest, each) < 0.999), "")


def _bound(run: Evidence, largest: float) -> float | None:
    """Return the largest stable rate for a curvature, if the optimizer knows one."""
    return run.optimizer.stability_bound(largest) if isinstance(run.optimizer, UpdateRule) else None


def _compare_runs(run: Evidence, calmer: Rerun) -> str:
    rate = (run.rate or math.nan) * run.factor
    return (
        f"At the rate {rate:g} the loss went from {run.first:.4g} to {run.last:.4g} in {run.steps} steps; at "
        f"{rate * calmer.factor:.3g}, from the same start, it falls to "
        f"{format_distinct(calmer.last, calmer.first, 4)} in {calmer.steps}."
    )


def _bound_at_start(run: Evidence, found: Curvature | None) -> str:
    """Describe the curvature at the start and the rates it allows; empty if it allows this one."""
    if found is None or not 0 < found.largest < math.inf or run.rate is None:
        return ""
    bound, rate = _bound(run, found.largest), run.rate * run.factor
    bound = _measured_bound(run, found.largest) if bound is None else bound
    if bound is None or not rate > bound:
        return ""
    allowed = format_distinct(bound, rate)
    return f" The largest curvature at the start, {found.largest:.4g}, allows rates below {allowed}."


def _measured_bound(run: Evidence, largest: float) -> float | None:
    """Return the least rate at which this optimizer diverges on such a bowl, to a hundredth; None if it never does."""
    if run.rate is None or not run.growth(largest, run.factor) > 1.01:
        return None
    low, high = 1e-12, 1.0
    if not run.growth(largest, run.factor * low) < 1:
        return None
    while high > 1.01 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if run.growth(largest, run.factor * middle) > 1 else (middle, high)
    return run.rate * run.factor * low
