"""A learning rate that is too large: by the curvature where it is constant, by a rerun at a lower one elsewhere."""

from __future__ import annotations

import math

from playground.builtin.diagnoses.units import describe_stuck_units
from playground.core.diagnosis import Curvature, measure_curvature
from playground.core.evidence import Diagnoser, Evidence, is_finite, to_vector
from playground.core.experiments import Rerun
from playground.core.update import UpdateRule
from playground.figures.numbers import distinct
from playground.result import Status

ROUNDING_TOLERANCE = 1e-5
"""Share by which two numbers may differ that are the same apart from rounding."""


def rate_too_large() -> Diagnoser:
    """The loss rose, or units went dead on the way, and the same run at a lower rate does better.

    Where the curvature is the same everywhere, the bound on the rate says so: beyond `2/λ` gradient descent climbs out,
    and at the bound it jumps from side to side for ever.
    Elsewhere the run is made again from the same start at a tenth, a hundredth, … of the rate, until it improves.
    """
    remedy = "Lower the learning rate, or use a schedule that does."
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
    """Whether the loss ended above where it began, and not because it fell without end.

    A run that used up its budget and would come back by itself has only had too few steps.
    """
    finite_losses = [loss for loss in run.losses if math.isfinite(loss)]
    if not run.rose or (run.steps > 1 and finite_losses and finite_losses[-1] < run.first):
        return False
    return run.status in (Status.DIVERGED, Status.NONFINITE) or not run.rerun.recovers


def _is_stuck(run: Evidence) -> bool:
    """Whether the loss does not change any more, although its gradient is as large as at the start."""
    if run.steps < 2 or len(run.losses) < 2 or not is_finite(run.final) or not math.isfinite(run.last):
        return False
    still = abs(run.losses[-1] - run.last) <= ROUNDING_TOLERANCE * abs(run.last)
    slope, slope_at_start = (to_vector(each.gradient).norm() for each in (run.at_end, run.at_start))
    return bool(still and slope > 0.001 * slope_at_start)


def _has_dead_layer(run: Evidence) -> bool:
    """Whether a layer passes no gradient at the end, and did at the start."""
    return (
        is_finite(run.final) and bool(describe_stuck_units(run, run.final)) and not describe_stuck_units(run, run.start)
    )


def _is_better(run: Evidence, calmer: Rerun) -> bool:
    """Whether the rerun ends clearly below the run."""
    return not run.last <= calmer.last + 0.1 * (calmer.first - calmer.last)


def _describe_bowl(run: Evidence, found: Curvature) -> str:
    """Say by what each step multiplies the distance to the minimum, and at which rate that is less than 1."""
    calmer, rate = _suggest_lower_rate(run, found.largest) if found.largest > 0 else "", run.rate
    if not calmer or rate is None:
        return ""
    growth = run.growth(found.largest, run.factor)
    return (
        f"On a bowl that curves as this loss does ({found.largest:g}), each step at the rate "
        f"{distinct(rate * run.factor, _bound(run, found.largest) or math.nan, 6)} multiplies the distance to the "
        f"minimum by {distinct(growth, 1.0)}; {calmer} it shrinks."
    )


def _describe_rate_at_bound(run: Evidence, largest: float) -> str:
    """Say that the rate is the bound; nothing where the distance to the minimum shrinks.

    :param largest: the bowl's curvature.
    """
    swings = largest > 0 and _is_stuck(run) and abs(run.growth(largest, run.factor) - 1) <= ROUNDING_TOLERANCE
    if not swings or not run.growth(largest, 0.9 * run.factor) < 0.999:
        return ""
    return (
        f"On a bowl that curves as this loss does ({largest:g}), the rate {(run.rate or math.nan) * run.factor:g} is "
        "the bound: each step ends on the other side of the minimum, as far away as before; below it the distance "
        "shrinks."
    )


def _suggest_lower_rate(run: Evidence, largest: float) -> str:
    """Say at which rate the optimizer comes nearer to the minimum of a bowl; nothing where the rate is not too large.

    :param largest: the bowl's curvature.
    """
    rule = run.optimizer
    bound = _bound(run, largest)
    if bound is not None:
        return f"below {distinct(bound, rule.lr * run.factor, 6)}" if rule.lr * run.factor > bound else ""
    if run.rate is None or not run.growth(largest, run.factor) > 1.01:
        return ""
    tenths = (run.factor * 0.1**power for power in range(1, 13))
    return next((f"at {run.rate * each:.3g}" for each in tenths if run.growth(largest, each) < 0.999), "")


def _bound(run: Evidence, largest: float) -> float | None:
    """Return the largest stable rate for a curvature, where the optimizer knows one."""
    return run.optimizer.stability_bound(largest) if isinstance(run.optimizer, UpdateRule) else None


def _compare_runs(run: Evidence, calmer: Rerun) -> str:
    rate = (run.rate or math.nan) * run.factor
    return (
        f"At the rate {rate:g} the loss went from {run.first:.4g} to {run.last:.4g} in {run.steps} steps; at "
        f"{rate * calmer.factor:.3g}, from the same start, it falls to {distinct(calmer.last, calmer.first, 4)} in "
        f"{calmer.steps}."
    )


def _bound_at_start(run: Evidence, found: Curvature | None) -> str:
    """Say how the loss curves at the start and which rates that allows; nothing where it does not forbid this one."""
    if found is None or not 0 < found.largest < math.inf or run.rate is None:
        return ""
    bound, rate = _bound(run, found.largest), run.rate * run.factor
    bound = _measured_bound(run, found.largest) if bound is None else bound
    if bound is None or not rate > bound:
        return ""
    allowed = distinct(bound, rate)
    return f" The largest curvature at the start, {found.largest:.4g}, allows rates below {allowed}."


def _measured_bound(run: Evidence, largest: float) -> float | None:
    """Return the rate at which this optimizer leaves a bowl of that curvature, to a hundredth; None where it stays."""
    if run.rate is None or not run.growth(largest, run.factor) > 1.01:
        return None
    low, high = 1e-12, 1.0
    if not run.growth(largest, run.factor * low) < 1:
        return None
    while high > 1.01 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if run.growth(largest, run.factor * middle) > 1 else (middle, high)
    return run.rate * run.factor * low
