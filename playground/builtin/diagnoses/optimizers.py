"""Optimizers that do not descend, measured on a linear loss instead of the run's problem."""

from __future__ import annotations

from playground.builtin.diagnoses.measures import cosine, is_close_to, slope_at_start
from playground.core.evidence import Diagnoser, Evidence

DAMPED_SHARE = 0.9
"""The value to which a share of 1 or more is reduced, to see whether it was the cause."""


def wrong_sign() -> Diagnoser:
    """A fresh optimizer, given the gradient of the start, moves along it at each of three steps: uphill."""
    return Diagnoser(_wrong_sign, "Subtract the step: p = p - lr * gradient (and no `maximize`).", 0)


def _wrong_sign(run: Evidence) -> str:
    slope = slope_at_start(run)
    if slope is None:
        return ""
    cosines = [cosine(move, slope) for move in run.probe_optimizer([1.0] * 3)]
    if not all(each >= 0.5 for each in cosines):  # noise, mixed directions, or steps beyond the range of numbers
        return ""
    return (
        f"The optimizer moves uphill, along the gradient: the cosine of its first step with the gradient is "
        f"{cosines[0]:+.2f}; downhill it is negative."
    )


def forgotten_zero_grad() -> Diagnoser:
    """Under a constant gradient, a fresh optimizer's steps grow as 1, 2, 3, …; without a gradient they do not shrink.

    Momentum is different: its steps approach a limit, and fade without a gradient. If a hyperparameter is the cause,
    the diagnosis is `undamped_momentum`.
    """
    return Diagnoser(_forgotten_zero_grad, "Call `optimizer.zero_grad()` before each `backward()`.", 0)


def _forgotten_zero_grad(run: Evidence) -> str:
    if slope_at_start(run) is None or _find_undamped_share(run):
        return ""
    pushed, coasting = run.probe_optimizer([1.0] * 5), run.probe_optimizer([1.0, 0.0, 0.0, 0.0])
    first = pushed[0]
    if not first.any() or not first.isfinite().all():
        return ""
    grows = all(is_close_to(move, number * first) for number, move in enumerate(pushed, 1))
    if not grows or not all(is_close_to(move, first) for move in coasting):
        return ""
    return (
        f"The optimizer accumulates gradients: for five equal gradients, its steps have lengths "
        f"{', '.join(f'{move.norm():.3g}' for move in pushed)}, and they do not shrink without a gradient."
    )


def undamped_momentum() -> Diagnoser:
    """Without a gradient, a fresh optimizer's steps do not shrink, but they do with one hyperparameter below 1."""
    return Diagnoser(_undamped_momentum, "Set momentum below 1; 0.9 is usual.", 0)


def _undamped_momentum(run: Evidence) -> str:
    found = _find_undamped_share(run)
    if found is None:
        return ""
    name, value, growth = found
    return (
        f"With {name} = {value:g} nothing slows the optimizer down: after one gradient, each further step has "
        f"{growth:.3g} times the length of the one before; with {name} = {DAMPED_SHARE:g} the steps fade."
    )


def _find_undamped_share(run: Evidence) -> tuple[str, float, float] | None:
    """Return the hyperparameter that keeps steps from fading, its value, and their growth; None if there is none."""
    if slope_at_start(run) is None:
        return None
    growth = _coasting_ratios(run)
    if growth is None or growth < 0.999:
        return None
    for name, value in run.hyperparameters.items():
        damped = _coasting_ratios(run, **{name: DAMPED_SHARE}) if value >= 1 else None
        if damped is not None and damped < 0.99:
            return name, value, growth
    return None


def _coasting_ratios(run: Evidence, **changes: float) -> float | None:
    """Return the ratio of each step without a gradient to the one before; None if there are none."""
    lengths = [move.double().norm().item() for move in run.probe_optimizer([1.0, 0.0, 0.0, 0.0, 0.0], **changes)][1:]
    if not 0 < lengths[0] < 1e100 or not 0 < lengths[-1] < 1e100:
        return None
    return float((lengths[-1] / lengths[0]) ** (1 / (len(lengths) - 1)))
