"""Optimizers that do not do what one should: measured on a linear loss, apart from the problem."""

from __future__ import annotations

from playground.builtin.diagnoses.measures import cosine, is_close_to, slope_at_start
from playground.core.evidence import Diagnoser, Evidence

DAMPED_SHARE = 0.9
"""What a share of 1 or more is lowered to, to see whether it was the reason."""


def wrong_sign() -> Diagnoser:
    """A fresh optimizer, given the gradient of the start, moves along it at each of three steps: uphill."""
    return Diagnoser(_wrong_sign, "Subtract the step: p = p - lr * gradient (and no `maximize`).", 0)


def _wrong_sign(run: Evidence) -> str:
    slope = slope_at_start(run)
    if slope is None:
        return ""
    cosines = [cosine(move, slope) for move in run.answers([1.0] * 3)]
    if not all(each >= 0.5 for each in cosines):  # noise, mixed directions, or moves beyond what numbers can hold
        return ""
    return (
        f"The optimizer moves with the gradient, not against it: the cosine between its first move and the gradient is "
        f"{cosines[0]:+.2f}, and downhill is negative."
    )


def forgotten_zero_grad() -> Diagnoser:
    """Under a constant gradient a fresh optimizer's steps grow as 1, 2, 3, …; under none they go on undiminished.

    Momentum passes neither: its steps approach a limit, and fade without a gradient. Where a hyperparameter is the
    reason, it is `undamped_momentum`.
    """
    return Diagnoser(_forgotten_zero_grad, "Call `optimizer.zero_grad()` before each `backward()`.", 0)


def _forgotten_zero_grad(run: Evidence) -> str:
    if slope_at_start(run) is None or _find_undamped_share(run):
        return ""
    pushed, coasting = run.answers([1.0] * 5), run.answers([1.0, 0.0, 0.0, 0.0])
    first = pushed[0]
    if not first.any() or not first.isfinite().all():
        return ""
    grows = all(is_close_to(move, number * first) for number, move in enumerate(pushed, 1))
    if not grows or not all(is_close_to(move, first) for move in coasting):
        return ""
    return (
        f"The optimizer adds up gradients: given the same one five times, its steps have lengths "
        f"{', '.join(f'{move.norm():.3g}' for move in pushed)}, and without any it goes on as before."
    )


def undamped_momentum() -> Diagnoser:
    """Without a gradient a fresh optimizer goes on undiminished, and fades with one hyperparameter below 1."""
    return Diagnoser(_undamped_momentum, "Set momentum below 1; 0.9 is usual.", 0)


def _undamped_momentum(run: Evidence) -> str:
    found = _find_undamped_share(run)
    if found is None:
        return ""
    name, value, growth = found
    return (
        f"With {name} = {value:g} nothing slows the optimizer down: after one gradient, steps without any have "
        f"{growth:.3g} times the length of the one before; with {name} = {DAMPED_SHARE:g} they fade."
    )


def _find_undamped_share(run: Evidence) -> tuple[str, float, float] | None:
    """Return the hyperparameter that keeps steps from fading, its value, and by what they grow; None for none."""
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
    """Return by what each step without a gradient is longer than the one before; None where there are none."""
    lengths = [move.double().norm().item() for move in run.answers([1.0, 0.0, 0.0, 0.0, 0.0], **changes)][1:]
    if not 0 < lengths[0] < 1e100 or not 0 < lengths[-1] < 1e100:
        return None
    return float((lengths[-1] / lengths[0]) ** (1 / (len(lengths) - 1)))
