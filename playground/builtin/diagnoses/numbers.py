"""Numbers that are not finite: in the data, in the loss, in its gradient, or in the optimizer's step."""

from __future__ import annotations

import math

import torch

from playground.core.evidence import Diagnoser, Evidence, is_finite
from playground.core.experiments import Breakdown
from playground.result import Status


def nonfinite_data() -> Diagnoser:
    """Inputs or targets contain NaN or infinity in the precision of the run."""
    remedy = "Drop or fill in those entries before training; `dtype: float64` holds what float32 cannot."
    return Diagnoser(_nonfinite_data, remedy, 0)


def _nonfinite_data(run: Evidence) -> str:
    data = run.problem.batches.data
    names = ("x", "t") if len(data) == 2 else tuple(f"x{index}" for index in range(1, len(data) + 1))
    for name, tensor in zip(names, data, strict=True):
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            places = (~tensor.isfinite()).nonzero()
            first = tuple(places[0].tolist())
            return (
                f"{len(places)} of {tensor.numel()} entries of {name} are not finite; the first, {tensor[first]:g}, "
                f"is at {', '.join(map(str, first))} (row, column)."
            )
    return ""


def nonfinite_operation() -> Diagnoser:
    """An operation makes NaN or infinity from finite numbers, in the loss or in its gradient.

    No diagnosis if the numbers had already diverged, or are too large for the operation: that is an effect.
    """
    remedy = "Keep its operands where it and its derivative are finite: clamp them, add a small constant, or let \
`torch.where` choose the argument, not the result."
    return Diagnoser(_nonfinite_operation, remedy, 1)


def _nonfinite_operation(run: Evidence) -> str:
    broke = _find_nonfinite(run)
    if broke is None or broke.source is None or _is_effect(run, broke):
        return ""
    source = str(broke.source)
    what = "although the loss is finite" if broke.source.backward else "and so is the loss"
    return f"At step {broke.step} {source}, {what}."


def _is_effect(run: Evidence, broke: Breakdown) -> bool:
    """Whether a lower rate keeps the run finite, and the numbers were already diverging or too large."""
    source = broke.source
    if broke.step == 0 or source is None:
        return False
    ran_away = run.losses[: broke.step + 1] and _last_finite(run) > run.first
    masked = source.backward and math.isnan(source.value) and not any(abs(each) > 1e6 for each in source.arguments)
    return bool(source.overflow or (ran_away and not masked)) and (
        run.rerun.lower_rate_rerun is not None or source.overflow
    )


def _last_finite(run: Evidence) -> float:
    return next((loss for loss in reversed(run.losses) if math.isfinite(loss)), math.nan)


def nonfinite_update() -> Diagnoser:
    """The optimizer's step makes NaN or infinity from finite parameters and a finite gradient of ordinary size."""
    remedy = "Look at the divisions in the update rule: add `eps` to what may become 0."
    return Diagnoser(_nonfinite_update, remedy, 1)


def _nonfinite_update(run: Evidence) -> str:
    broke = _find_nonfinite(run)
    if broke is None or broke.source is not None or run.rate is None:
        return ""
    limit = torch.finfo(next(iter(run.start.values())).dtype).max ** 0.5
    if not broke.gradient * max(1.0, abs(run.rate)) < limit:
        return ""
    return (
        f"At step {broke.step} the parameters and the gradient are finite (largest entry of the gradient: "
        f"{broke.gradient:.3g}); after the optimizer's step the parameters are not."
    )


def _find_nonfinite(run: Evidence) -> Breakdown | None:
    """Return where a run that ended in NaN or infinity stopped being finite."""
    broke = run.status is Status.NONFINITE or not math.isfinite(run.last) or not is_finite(run.final)
    return run.rerun.breakdown if broke else None
