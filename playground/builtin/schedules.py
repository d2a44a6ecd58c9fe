"""Schedules: the factor on the learning rate, as a pure function of the step.

Each factory gets the number of steps of the run and returns a function from the step, counted from 0, to the factor.
Each schedule can follow a warm-up: with `warmup: 10` the factor rises evenly over ten steps to the schedule's first
factor, and the schedule runs over the remaining steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from annotated_types import Ge, Gt, Le

from playground.errors import ComponentError, Fault

Schedule = Callable[[int], float]
"""From the step, counted from 0, to the factor on the learning rate."""

Count = Annotated[int, Ge(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]


def constant(steps: int, warmup: Count = 0) -> Schedule:
    """The factor 1 at every step.

    :param steps: steps of the run.
    :param warmup: steps of an even rise from almost 0, before the schedule.
    :returns: the factor at each step.
    :raises ComponentError: the warm-up is longer than the run.
    """
    return _add_warmup(lambda k: 1.0, steps, warmup)


def step(steps: int, every: Annotated[int, Ge(1)], gamma: NonNegative = 0.1, warmup: Count = 0) -> Schedule:
    """Multiply by `gamma` every `every` steps: `gamma ** (k // every)` at step k.

    :param steps: steps of the run.
    :param every: steps between two multiplications.
    :param gamma: the factor of one multiplication.
    :param warmup: steps of an even rise from almost 0, before the schedule.
    :returns: the factor at each step.
    :raises ComponentError: the warm-up is longer than the run.

    Source: `torch.optim.lr_scheduler.StepLR`.
    """
    return _add_warmup(lambda k: gamma ** (k // every), steps, warmup)


def exponential(steps: int, gamma: NonNegative, warmup: Count = 0) -> Schedule:
    """Multiply by `gamma` at every step: `gamma ** k` at step k.

    :param steps: steps of the run.
    :param gamma: the factor of one step.
    :param warmup: steps of an even rise from almost 0, before the schedule.
    :returns: the factor at each step.
    :raises ComponentError: the warm-up is longer than the run.

    Source: `torch.optim.lr_scheduler.ExponentialLR`.
    """
    return _add_warmup(lambda k: gamma**k, steps, warmup)


def cosine(steps: int, floor: Fraction = 0.0, warmup: Count = 0) -> Schedule:
    """Fall along half a cosine: `floor + (1 - floor) * (1 + cos(pi * k / n)) / 2` at step k of n.

    :param steps: steps of the run.
    :param floor: the factor at the end of the curve, reached one step after the last.
    :param warmup: steps of an even rise from almost 0, before the schedule.
    :returns: the factor at each step.
    :raises ComponentError: the warm-up is longer than the run.

    Source: Loshchilov & Hutter 2017 (SGDR), one period without restarts; `torch.optim.lr_scheduler.CosineAnnealingLR`.
    """
    n = _steps_after_warmup(steps, warmup)
    return _add_warmup(lambda k: _cosine_between(1.0, floor, min(k, n) / n), steps, warmup)


def polynomial(steps: int, power: NonNegative = 1.0, warmup: Count = 0) -> Schedule:
    """Fall to 0 as a power of the remaining share: `(1 - k / n) ** power` at step k of n; a straight line at power 1.

    :param steps: steps of the run.
    :param power: the exponent; above 1 it falls faster at first.
    :param warmup: steps of an even rise from almost 0, before the schedule.
    :returns: the factor at each step.
    :raises ComponentError: the warm-up is longer than the run.

    Source: `torch.optim.lr_scheduler.PolynomialLR`.
    """
    n = _steps_after_warmup(steps, warmup)
    return _add_warmup(lambda k: (1 - min(k, n) / n) ** power, steps, warmup)


def linear_warmup(steps: int, warmup: Count, start: Fraction = 1 / 3) -> Schedule:
    """Rise along a straight line, then stay: `start + (1 - start) * k / warmup` at step k, 1 from step `warmup` on.

    :param steps: steps of the run.
    :param warmup: steps before the factor is 1.
    :param start: the factor at step 0.
    :returns: the factor at each step.
    :raises ComponentError: the warm-up is longer than the run.

    Source: `torch.optim.lr_scheduler.LinearLR`.
    """
    _check_warmup(steps, warmup)
    return lambda k: start + (1 - start) * k / warmup if k < warmup else 1.0


def one_cycle(
    steps: int,
    pct_start: Fraction = 0.3,
    div_factor: Annotated[float, Gt(0)] = 25.0,
    final_div_factor: Annotated[float, Gt(0)] = 1e4,
    warmup: Count = 0,
) -> Schedule:
    """Rise along half a cosine to 1, then fall along another; the scenario's learning rate is the peak.

    :param steps: steps of the run.
    :param pct_start: share of the steps that rise.
    :param div_factor: the first factor is `1 / div_factor`.
    :param final_div_factor: the last factor is the first over this.
    :param warmup: steps of an even rise from almost 0, before the schedule.
    :returns: the factor at each step.
    :raises ComponentError: the warm-up is longer than the run.

    Source: Smith & Topin 2018; two phases as in `torch.optim.lr_scheduler.OneCycleLR`, without its cycle of momentum.
    """
    n = _steps_after_warmup(steps, warmup)
    first, last = 1 / div_factor, 1 / div_factor / final_div_factor
    peak, end = pct_start * n - 1, n - 1

    def factor(k: int) -> float:
        if k < peak:
            return _cosine_between(first, 1.0, k / peak)
        return _cosine_between(1.0, last, (min(k, end) - peak) / (end - peak)) if end > peak else 1.0

    return _add_warmup(factor, steps, warmup)


def _cosine_between(start: float, end: float, share: float) -> float:
    """Go from `start` to `end` along half a cosine as `share` goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _add_warmup(rest: Schedule, steps: int, warmup: int) -> Schedule:
    """Rise evenly over `warmup` steps to the first factor of `rest`, then follow it."""
    _check_warmup(steps, warmup)
    if warmup == 0:
        return rest
    # (k + 1) / (warmup + 1): no step has a rate of 0, and `rest` starts where the line ends.
    return lambda k: rest(0) * (k + 1) / (warmup + 1) if k < warmup else rest(k - warmup)


def _steps_after_warmup(steps: int, warmup: int) -> int:
    """Return the steps after the warm-up; at least 1, since a curve over no steps would divide by zero."""
    return max(1, steps - warmup)


def _check_warmup(steps: int, warmup: int) -> None:
    """Refuse a warm-up longer than the run; a run of no steps makes no update and is accepted."""
    if 0 < steps < warmup:
        message = f"a warm-up of {warmup} steps is longer than the run; expected at most {steps}"
        raise ComponentError(Fault(message, path=("warmup",)))
