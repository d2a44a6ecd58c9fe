"""Where a function has no derivative by one of its coordinates: jumps, kinks and cusps; and where it is only steep.

All is read from a `Probe`: the values at steps to both sides, from long to short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.core.derivatives.differences import Probe
from playground.core.derivatives.points import VectorFunction, evaluate_or_nan

MAX_SLOPE_VARIATION = 0.05
"""Slopes to the left and right that differ by the same at three steps, to this share, differ at a step of zero too."""

MAX_ROUNDING_SHARE = 0.02
"""Rounding below this share of a difference lets it be seen."""

MAX_CUSP_GROWTH = 3.0
"""Growth per step, each a quarter of the one before, up to which slopes belong to a cusp; at 4 the value jumps."""

MIN_UNRESOLVED_SHARE = 0.5
"""Share of a change that is left at a step 64 times shorter, from which on no step of the ladder resolves it."""

MIN_POLE_GROWTH = 1.5
"""Growth of a change, each time that the step is quartered, from which on the value has no bound."""

MAX_ROUNDING_ULP = 1e3
"""Units in the last place up to which a change may be rounding."""

ROUGHNESS_DISTANCE = 0.0123
"""Distance at which the function's own roughness is measured, beside a jump at the point."""

MAX_HALVINGS = 60
"""Halvings of the shortest step after which a change that is still whole is a jump: down to some 1e-28."""

KINK_QUARTERINGS = 20
"""Quarterings of the shortest step at which a kink must still be seen, as rounding allows: to some 1e-22."""


@dataclass(frozen=True)
class FunctionBreak:
    """What is wrong with a function at a point, along one coordinate.

    :param jump: the values to the left, at the point and to the right, where it jumps.
    :param slopes: to the left and to the right where they differ, a kink; infinite at a cusp.
    :param curvatures: second derivatives to the left and to the right where they differ, a kink of the gradient.
    :param steep: it changes within the shortest step, yet it does not jump: no step can tell its slope.
    """

    jump: tuple[float, float, float] | None = None
    slopes: tuple[float, float] | None = None
    curvatures: tuple[float, float] | None = None
    steep: bool = False


def find_breaks(g: VectorFunction, z: Tensor, probe: Probe) -> list[FunctionBreak]:
    """Return for each coordinate of z how g breaks there.

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
    suspects = [sign for sign, change in ((1, right), (-1, left)) if _is_unresolved(change, rounding)]
    if suspects:
        step = probe.steps[-1] * torch.nn.functional.one_hot(torch.tensor(i), len(z))
        roughness = _nearby_roughness(g, z, i, here)
        changes = {1: right[-1].abs(), -1: left[-1].abs()}
        if any(changes[sign] > 10 * roughness and _is_jump(g, z, sign * step, here) for sign in suspects):
            sides = [here.item() + sign * _change_limit(change) for sign, change in ((-1, left), (1, right))]
            return FunctionBreak(jump=(sides[0], here.item(), sides[1]))
        return FunctionBreak(steep=True)
    steps, noise = probe.steps[:, i], probe.noise[:, i]
    slopes = _kink(left / steps, right / steps, 4 * noise / steps)
    if slopes and not _is_at_the_point(g, z, i, here, steps[-1], slopes):
        return FunctionBreak(steep=True)
    return FunctionBreak(
        slopes=slopes, curvatures=_kink(*_curvatures(left / steps, right / steps, steps), 4 * noise / steps**2)
    )


def _curvatures(left: Tensor, right: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the second derivatives to the left and right by two slopes each, at every step; NaN at the longest.

    The slope to z + h is g' + h g''/2, so that two of them, from steps h and h', differ by (h' - h) g''/2.
    """
    none = steps.new_full((1,), math.nan)
    longer = (steps[:-1] - steps[1:]) / 2
    return torch.cat([none, (left[1:] - left[:-1]) / longer]), torch.cat([none, (right[:-1] - right[1:]) / longer])


def _is_at_the_point(
    g: VectorFunction, z: Tensor, i: int, here: Tensor, step: Tensor, slopes: tuple[float, float]
) -> bool:
    """Tell whether a kink stays as far as rounding lets one see; where it lies beside the point, slopes become one."""
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
    """Tell whether the change of the value over the shortest steps does not shrink with them."""
    last, before = change[-1].abs(), change[-4].abs()
    return bool(last.isfinite() & (last > rounding) & (last >= MIN_UNRESOLVED_SHARE * before))


def _change_limit(change: Tensor) -> float:
    """Return the change of the value over the shortest step; infinite where it grows from step to step, at a pole."""
    growth = (change[-3:] / change[-4:-1]).min()
    return math.copysign(math.inf, change[-1].item()) if growth > MIN_POLE_GROWTH else change[-1].item()


def _is_jump(g: VectorFunction, z: Tensor, step: Tensor, here: Tensor) -> bool:
    """Tell whether the change between z and z + step happens between two neighbouring numbers.

    The half with the larger part of the change is halved again and again: of a steep slope less and less is left.
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
    """Return how far the value is rough beside the point: where it is everywhere, as after a cast to float32."""
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
    """Return the two slopes where they differ at the shortest steps that rounding leaves clear; None where smooth.

    Between g'(z - h/2) and g'(z + h/2) lies h g'' where g is smooth, which falls with h; a kink stays, a cusp grows.
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
    """Return the slopes, of which at least one is infinite, where they part by the same factor at every step."""
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
