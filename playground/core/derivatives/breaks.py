"""Finds jumps, kinks and cusps of a function along a coordinate, and tells them from steep slopes.

All tests read a `Probe`: the values of g at steps to both sides, from long to short. The idea: along a smooth function,
the difference of the slopes to the left and right shrinks with the step. At a kink it stays, at a cusp it grows, and at
a jump the slopes themselves grow as 1/h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.core.derivatives.differences import Probe
from playground.core.derivatives.points import VectorFunction, evaluate_or_nan

MAX_SLOPE_VARIATION = 0.05
"""If the slopes to the left and right differ by the same amount at three steps, to this share, it is a kink."""

MAX_ROUNDING_SHARE = 0.02
"""The largest share of rounding in a difference that is still considered visible."""

MAX_CUSP_GROWTH = 3.0
"""The largest growth of slopes per step (each step a quarter of the one before) at a cusp. At a jump they grow by 4."""

MIN_UNRESOLVED_SHARE = 0.5
"""If at least this share of a change remains at a step 64 times shorter, no step resolves the change."""

MIN_POLE_GROWTH = 1.5
"""The least growth of a change, per quartering of the step, at which the value counts as unbounded."""

MAX_ROUNDING_ULP = 1e3
"""Changes up to this size may be rounding."""

ROUGHNESS_DISTANCE = 0.0123
"""The distance from a jump at which the function's own roughness is measured."""

MAX_HALVINGS = 60
"""A change that is still whole after so many halvings of the shortest step (about 1e-28) is a jump."""

KINK_QUARTERINGS = 20
"""Quarterings of the shortest step (to about 1e-22) at which a kink must still be visible, where rounding allows."""


@dataclass(frozen=True)
class FunctionBreak:
    """What prevents a derivative of a function at a point, along one coordinate.

    :param jump: for a jump, the values to the left, at the point and to the right.
    :param slopes: for a kink, the different slopes to the left and right; infinite at a cusp.
    :param curvatures: for a kink of the gradient, the different second derivatives to the left and right.
    :param steep: the value changes within the shortest step without a jump, so that no step can measure the slope.
    """

    jump: tuple[float, float, float] | None = None
    slopes: tuple[float, float] | None = None
    curvatures: tuple[float, float] | None = None
    steep: bool = False


def find_breaks(g: VectorFunction, z: Tensor, probe: Probe) -> list[FunctionBreak]:
    """Return for each coordinate of z what prevents a derivative of g there.

    :param z: shape `(n,)`, where `probe` was taken.
    """
    z = z.detach().to("cpu", torch.float64)
    with torch.no_grad():
        return [_find_break(g, z, probe, i) for i in range(len(z))]


def _find_break(g: VectorFunction, z: Tensor, probe: Probe, i: int) -> FunctionBreak:
    here = probe.here
    right, left = probe.ahead[:, i] - here, here - probe.behind[:, i]
    sizes = torch.stack([here, *probe.ahead[-4:, i], *probe.behind[-4:, i]]).abs()
    rounding = MAX_ROUNDING_ULP * torch.finfo(torch.float64).eps * sizes.nan_to_num(0.0, posinf=0.0).max()
    # A change that does not shrink over the shortest steps is either a jump or a slope too steep for every step.
    suspects = [sign for sign, change in ((1, right), (-1, left)) if _is_unresolved(change, rounding)]
    if suspects:
        step = probe.steps[-1] * torch.nn.functional.one_hot(torch.tensor(i), len(z))
        roughness = _nearby_roughness(g, z, i, here)
        changes = {1: right[-1].abs(), -1: left[-1].abs()}
        if any(changes[sign] > 10 * roughness and _is_jump(g, z, sign * step, here) for sign in suspects):
            sides = [here.item() + sign * _change_limit(change) for sign, change in ((-1, left), (1, right))]
            return FunctionBreak(jump=(sides[0], here.item(), sides[1]))
        return FunctionBreak(steep=True)
    # No jump: now compare the slopes to both sides.
    steps, noise = probe.steps[:, i], probe.noise[:, i]
    slopes = _kink(left / steps, right / steps, 4 * noise / steps)
    # The kink lies beside the point, closer than the shortest step, so no difference measures the slope at the point.
    if slopes and not _is_at_the_point(g, z, i, here, steps[-1], slopes):
        return FunctionBreak(steep=True)
    return FunctionBreak(
        slopes=slopes, curvatures=_kink(*_curvatures(left / steps, right / steps, steps), 4 * noise / steps**2)
    )


def _curvatures(left: Tensor, right: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the second derivatives to the left and right from two slopes each, at every step; NaN at the longest.

    The slope to z + h is g' + h g''/2. Two slopes from steps h and h' therefore differ by (h' - h) g''/2.
    """
    none = steps.new_full((1,), math.nan)
    longer = (steps[:-1] - steps[1:]) / 2
    return torch.cat([none, (left[1:] - left[:-1]) / longer]), torch.cat([none, (right[:-1] - right[1:]) / longer])


def _is_at_the_point(
    g: VectorFunction, z: Tensor, i: int, here: Tensor, step: Tensor, slopes: tuple[float, float]
) -> bool:
    """Tell whether a kink persists at ever shorter steps.

    If the kink lies beside the point, a shorter step no longer reaches it and both slopes become equal. The search ends
    where rounding hides the difference of the slopes.
    """
    kink = slopes[1] - slopes[0]
    if not math.isfinite(kink):
        return True
    for _ in range(KINK_QUARTERINGS):
        step = step / 4
        ahead, behind = z.clone(), z.clone()
        ahead[i] += step
        behind[i] -= step
        right, left = evaluate_or_nan(g, ahead, here) - here, here - evaluate_or_nan(g, behind, here)
        size = torch.stack([here, here + right, here - left]).abs().max()
        rounding = 4 * torch.finfo(torch.float64).eps * torch.maximum(size, abs(kink) * z[i].abs())
        if not bool(rounding <= MAX_ROUNDING_SHARE * abs(kink) * step):
            return True
        if bool((right - left).abs() <= MAX_SLOPE_VARIATION * abs(kink) * step):
            return False
    return True


def _is_unresolved(change: Tensor, rounding: Tensor) -> bool:
    """Tell whether the change of the value does not shrink with the step, over the shortest steps."""
    last, before = change[-1].abs(), change[-4].abs()
    return bool(last.isfinite() & (last > rounding) & (last >= MIN_UNRESOLVED_SHARE * before))


def _change_limit(change: Tensor) -> float:
    """Return the change of the value over the shortest step; infinite at a pole, where it grows as steps shrink."""
    growth = (change[-3:] / change[-4:-1]).min()
    return math.copysign(math.inf, change[-1].item()) if growth > MIN_POLE_GROWTH else change[-1].item()


def _is_jump(g: VectorFunction, z: Tensor, step: Tensor, here: Tensor) -> bool:
    """Tell whether the change between z and z + step happens between two neighbouring numbers.

    Bisection follows the half with the larger part of the change. Along a steep slope, the remaining change shrinks
    with each half; at a jump it stays whole.
    """
    near, far = z, z + step
    low, high = here, evaluate_or_nan(g, far, here)
    whole = (high - low).abs()
    for _ in range(MAX_HALVINGS):
        middle = near + (far - near) / 2
        if torch.equal(middle, near) or torch.equal(middle, far):
            break
        value = evaluate_or_nan(g, middle, here)
        if (value - low).abs() >= (high - value).abs():
            far, high = middle, value
        else:
            near, low = middle, value
    return bool((high - low).abs() >= MIN_UNRESOLVED_SHARE * whole)


def _nearby_roughness(g: VectorFunction, z: Tensor, i: int, here: Tensor) -> Tensor:
    """Return the roughness of the value beside the point; it is large for a function that is rough everywhere.

    A cast to float32 inside the function, for example, makes small jumps everywhere, and none of them is special.
    """
    found = []
    for side in (ROUGHNESS_DISTANCE, -ROUGHNESS_DISTANCE):
        base = z.clone()
        base[i] += side * max(1.0, abs(z[i].item()))
        for distance in (1e-5, 3e-7, 1e-8):
            points = [base.clone() for _ in range(4)]
            for count, point in enumerate(points):
                point[i] += count * distance
            a, b, c, d = (evaluate_or_nan(g, point, here) for point in points)
            found.append((d - 3 * c + 3 * b - a).abs())
    return torch.stack(found).nan_to_num(0.0, posinf=0.0).max()


def _kink(left: Tensor, right: Tensor, noise: Tensor) -> tuple[float, float] | None:
    """Return the slopes to both sides if they differ at the shortest steps above rounding; None for a smooth function.

    Where g is smooth, g'(z + h/2) - g'(z - h/2) is about h g'' and shrinks with h. At a kink it stays, at a cusp it
    grows.
    """
    jump = right - left
    for last in range(len(jump) - 1, 1, -1):
        window = jump[last - 2 : last + 1]
        largest = window.abs().max()
        if not bool(noise[last] <= MAX_ROUNDING_SHARE * largest) or largest == 0:
            continue
        if bool((window - window[-1]).abs().max() <= MAX_SLOPE_VARIATION * window[-1].abs()):
            return left[last].item(), right[last].item()
        return _cusp(window, left[last - 2 : last + 1], right[last - 2 : last + 1])
    return None


def _cusp(jump: Tensor, left: Tensor, right: Tensor) -> tuple[float, float] | None:
    """Return the slopes at a cusp, at least one of them infinite; None where there is no cusp.

    At a cusp, the slopes to both sides part by the same factor at every step.
    """
    first, second = (jump[1] / jump[0]).item(), (jump[2] / jump[1]).item()
    if not (1 + MAX_SLOPE_VARIATION < first < MAX_CUSP_GROWTH and abs(first - second) <= MAX_SLOPE_VARIATION * first):
        return None
    slopes = [
        math.copysign(math.inf, side[-1].item())
        if side[-1].abs() > (1 + MAX_SLOPE_VARIATION) * side[0].abs()
        else side[-1].item()
        for side in (left, right)
    ]
    return slopes[0], slopes[1]
