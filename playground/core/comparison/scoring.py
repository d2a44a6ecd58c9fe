"""Scores of runs: how many gradient evaluations a run needs to reach the targets of its problem.

A run is described by the *gap* of its noise-free loss, `loss over all data - L*`, at steps that are thinned with about
equal ratios. The gap at step k is that before update k; the last one is that of the final parameters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DEFAULT_PENALTY = 2.0
"""A target that is not reached within the budget T counts as reached after this many times T."""
PROGRESS_LIMITS = (-12.0, 2.0)
"""Limits of `measure_progress`, in decades."""


def count_evaluations(
    gaps: npt.ArrayLike,
    steps: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    budget: npt.ArrayLike,
    evaluations_per_step: npt.ArrayLike = 1.0,
) -> Array:
    """Return the gradient evaluations until each run first reaches each target.

    A run reaches target j at the first step b whose gap is at most `targets[j]`. Between the recorded steps a < b, the
    logarithm of the gap is taken as linear in the logarithm of the step::

        log t = log a + (log gap_a - log target) / (log gap_a - log gap_b) · (log b - log a)

    with a = 1 in place of 0. If `gap_b <= 0`, or `gap_a` is not finite, t = b. A gap that is NaN or infinite reaches
    nothing, so a run that diverges reaches no target that it had not reached before.

    :param gaps: loss over all data minus L*, shape (..., recorded).
    :param steps: the step of each gap, shape (recorded,), strictly increasing; the last one is the number of updates.
    :param targets: gaps to reach, positive; shape (targets,), or (..., targets) to give runs targets of their own.
    :param budget: gradient evaluations T of a run; broadcast against the leading axes.
    :param evaluations_per_step: gradient evaluations (closures) of a step, broadcast against the leading axes.
    :returns: evaluations, at least 1; shape (..., targets). Infinity where a target is not reached within the budget.
    """
    gaps, steps = np.asarray(gaps, np.float64), np.asarray(steps, np.float64)
    targets = np.asarray(targets, np.float64)
    if gaps.shape[-1:] != steps.shape or np.any(np.diff(steps) <= 0):
        raise ValueError(f"{gaps.shape[-1:]} gaps need as many increasing steps, not {steps.shape}")
    if not np.all(targets > 0):
        raise ValueError("targets are gaps to the least loss, and must be positive")
    reaches = np.isfinite(gaps)[..., None, :] & (gaps[..., None, :] <= targets[..., :, None])
    reached = reaches.any(-1)
    after = reaches.argmax(-1)
    before = np.maximum(after - 1, 0)
    gap_after = np.take_along_axis(gaps, after, -1)
    gap_before = np.take_along_axis(gaps, before, -1)
    between = reached & (after > 0) & (gap_after > 0) & np.isfinite(gap_before)
    with np.errstate(all="ignore"):  # the entries that `between` leaves out
        log_gap = np.log(gap_before)  # logarithms apart: the ratio of two gaps can overflow
        share = (log_gap - np.log(targets)) / (log_gap - np.log(gap_after))
        log_before, log_after = np.log(np.maximum(steps[before], 1.0)), np.log(np.maximum(steps[after], 1.0))
        interpolated = np.exp(log_before + share * (log_after - log_before))
    step = np.where(between, np.clip(interpolated, steps[before], steps[after]), steps[after])
    evaluations = np.maximum(step * np.asarray(evaluations_per_step, np.float64)[..., None], 1.0)
    in_budget = reached & (evaluations <= np.asarray(budget, np.float64)[..., None])
    return np.where(in_budget, evaluations, np.inf)


def score_evaluations(evaluations: npt.ArrayLike, *, budget: npt.ArrayLike, penalty: float = DEFAULT_PENALTY) -> Array:
    """Return `y = mean over targets j of log2 min(t_j, penalty · T)`; lower is better.

    A difference of two scores is a log2 ratio: -1 means half the gradient evaluations.

    :param evaluations: t_j as `count_evaluations` returns them, shape (..., targets); infinity where not reached.
    :param budget: gradient evaluations T of a run; broadcast against the leading axes.
    :param penalty: at least 1; 2 is the primary score, 1 and 10 show whether a verdict depends on it.
    :returns: finite scores, shape (...).
    """
    if penalty < 1:
        raise ValueError("a penalty below 1 would make a missed target cheaper than a reached one")
    cap = penalty * np.asarray(budget, np.float64)[..., None]
    return np.asarray(np.log2(np.clip(np.asarray(evaluations, np.float64), 1.0, cap)).mean(-1))


def measure_progress(first: npt.ArrayLike, last: npt.ArrayLike) -> Array:
    """Return `log10((L_T - L*) / (L_0 - L*))`, the decades of the gap over the whole budget; lower is better.

    It shows runs that reach a target and leave it again. The result is clipped to `PROGRESS_LIMITS`: a final gap of
    zero or less is the lower limit; a gap that is not finite, or a start at the minimum, the upper one.

    :param first: gaps at step 0.
    :param last: gaps of the final parameters, of the same shape.
    """
    lower, upper = PROGRESS_LIMITS
    first, last = np.asarray(first, np.float64), np.asarray(last, np.float64)
    with np.errstate(all="ignore"):  # the entries that `usable` leaves out
        decades = np.clip(np.log10(np.maximum(last, 0.0)) - np.log10(first), lower, upper)
    usable = np.isfinite(first) & np.isfinite(last) & (first > 0)
    return np.where(usable, decades, upper)
