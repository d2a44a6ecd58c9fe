"""Derivatives by central differences, extrapolated to a step of zero, with an estimate of their error.

All values are computed in float64 on the CPU, whatever the point's dtype: in float32, a difference would be less exact
than the derivative that it checks.

A long step has a large truncation error, a short one a large rounding error, and the best step depends on the function.
Therefore differences are taken at a ladder of steps, extrapolated in pairs, and for each entry the value with the least
estimated error is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from playground.core.derivatives.points import VectorFunction, evaluate_or_nan

STEP_RATIO = 4.0
"""The ratio of each step to the next shorter one."""

RELATIVE_STEPS = tuple(0.2347 * STEP_RATIO**-power for power in range(16))
"""The steps, in units of √max(1, |zᵢ|), from long to short.

At the longest step, few functions are well approximated by their Taylor series; at the shortest, rounding dominates.
The first step is not a simple fraction; otherwise a function whose period is a simple fraction could look constant at
all steps.
"""

FIRST_LOCAL_STEP = 4
"""The index of the first local step, a thousandth or less.

Local steps reveal ripples that are shorter than the long steps.
"""

ROUGHNESS_DISTANCES_ULP = (7.3, 19.7, 37.1, 71.9, 10**8 + 7.6)
"""Distances over which a function shows its rounding, in units in the last place.

They are not powers of two, which show no rounding, and not integers: in `log(1 + x)` near 0, every sum would be rounded
by the same amount. For a sum of saturated terms, only the longest distance changes the value at all.
"""

SMOOTH_GROWTH = (5.0, 40.0)
"""The growth of third differences with twice the distance where a function is steep instead of rough.

It is 8 in general and 16 at a symmetry.
"""

MAX_ERROR_SHARE = 0.03
"""The largest estimated error, as a share of a derivative, at which the derivative is used."""

FLAT_ERROR_SHARE = 1e-3
"""The same as a share of the steepest long difference, for a derivative that is itself small."""

ERROR_FLOOR_ULP = 1e4
"""The same in units of what one ulp of the value, and of 10, contributes to the longest difference."""


@dataclass(frozen=True)
class Estimate:
    """Derivatives with an estimate of their error, entry by entry.

    :param value: the derivative, extrapolated; NaN if its estimated error is too large at every step.
    :param error: the estimated error; infinite where there is no value.
    :param steps: h, from long to short, shape `(steps,)`, in units of √max(1, |zᵢ|).
    :param raw: the plain central difference at each step, shape `(steps, *shape of value)`. Its error against the exact
        derivative is the V-curve: truncation falls on one side, rounding rises on the other.
    """

    value: Tensor
    error: Tensor
    steps: Tensor
    raw: Tensor


@dataclass(frozen=True)
class Probe:
    """A function's values on both sides of a point.

    :param steps: the steps that were actually added to each coordinate, shape `(steps, n)`.
    :param ahead: g(z + h eᵢ), shape `(steps, n)`.
    :param behind: g(z - h eᵢ), shape `(steps, n)`.
    :param here: g(z).
    :param noise: the rounding error of one value along each coordinate, shape `(steps, n)`.
    """

    steps: Tensor
    ahead: Tensor
    behind: Tensor
    here: Tensor
    noise: Tensor

    def gradient(self) -> Estimate:
        """Return (g(z + h eᵢ) - g(z - h eᵢ)) / 2h, extrapolated to h = 0."""
        return _extrapolate(
            (self.ahead - self.behind) / (2 * self.steps), self.noise / self.steps, _unit(self.here) / self.steps
        )


def probe(g: VectorFunction, z: Tensor) -> Probe:
    """Evaluate g at steps to both sides of each coordinate of z, shape `(n,)`."""
    z = z.detach().to("cpu", torch.float64)
    with torch.no_grad():
        here = g(z)
        g = partial(evaluate_or_nan, g, here=here)
        steps = torch.stack([_step(z, scale) for scale in RELATIVE_STEPS])
        ahead, behind = (
            torch.stack([torch.stack([g(z + sign * row) for row in torch.diag(step)]) for step in steps])
            for sign in (1, -1)
        )
        return Probe(steps, ahead, behind, here, _noise(g, z, torch.cat([ahead, behind], dim=1)))


def central_gradient(g: VectorFunction, z: Tensor) -> Estimate:
    """Return ∂g/∂zᵢ by central differences; see `Probe.gradient`.

    :param z: shape `(n,)`.
    """
    return probe(g, z).gradient()


def central_hessian(g: VectorFunction, z: Tensor) -> Estimate:
    """Return (g(+,+) - g(+,-) - g(-,+) + g(-,-)) / 4 hᵢhⱼ, where the signs move i and j, extrapolated to h = 0.

    :param z: shape `(n,)`.
    """
    z = z.detach().to("cpu", torch.float64)
    with torch.no_grad():
        here = g(z)
        g = partial(evaluate_or_nan, g, here=here)
        differences, sizes = zip(*(_second_difference(g, z, _step(z, scale)) for scale in RELATIVE_STEPS), strict=True)
        noise = _noise(g, z, torch.stack(sizes))
        noise = torch.maximum(noise.unsqueeze(1), noise.unsqueeze(2))
        products = torch.stack([torch.outer(step, step) for step in (_step(z, scale) for scale in RELATIVE_STEPS)])
        parts = torch.stack(differences) / (4 * products), noise / products, _unit(here) / products
        diagonal = _extrapolate(*parts).value.diagonal().abs().nan_to_num(0.0)
        return _extrapolate(*parts, size=torch.outer(diagonal, diagonal).sqrt())


def _step(z: Tensor, scale: float) -> Tensor:
    """Return the step that is actually added to each coordinate, after rounding."""
    return (z + scale * z.abs().clamp(min=1).sqrt()) - z


def _second_difference(g: VectorFunction, z: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mixed differences at one step, shape `(n, n)`, and all values used in them."""
    rows = torch.diag(step)
    corners = [
        [torch.stack([g(z + p * a + q * b) for p, q in ((1, 1), (1, -1), (-1, 1), (-1, -1))]) for b in rows]
        for a in rows
    ]
    values = torch.stack([torch.stack(row) for row in corners])
    return values[..., 0] - values[..., 1] - values[..., 2] + values[..., 3], values.flatten()


def _extrapolate(raw: Tensor, rounding: Tensor, unit: Tensor, size: Tensor | float = 0.0) -> Estimate:
    """Extrapolate differences to a step of zero; keep for each entry the value with the least estimated error.

    The error of a central difference is a series in h², h⁴, ... Two steps eliminate the first term, three also the
    second (Richardson). The estimated error of an extrapolated value is its distance from the value of longer steps,
    from the value of lower order, and from the best plain difference at local steps, and at least the rounding error
    (Ridders 1982).

    :param raw: the differences, from long to short steps, shape `(steps, ...)`.
    :param rounding: the contribution of rounding at each step, broadcastable to the same shape.
    :param size: the scale of each entry: √(Hᵢᵢ Hⱼⱼ) for mixed derivatives, which may themselves be zero.
    :param unit: the contribution of one ulp of the value at each step, of the same shape.
    """
    rounding = rounding.expand_as(raw)
    # Truncation falls to 1/16 per step: a third of the change is five times the truncation.
    plain = (raw[1:] - raw[:-1]).abs() / 3 + rounding[1:]
    # The best plain difference at short steps, as a check on the long ones: a long step may jump over ripples.
    local, certain = _select_least_error(
        raw[FIRST_LOCAL_STEP + 1 :], torch.maximum(plain, _contradiction(raw, rounding)[1:])[FIRST_LOCAL_STEP:]
    )
    values, errors = [raw[1:]], [plain]
    lower = raw
    for order in (1, 2):
        column = lower[1:] + (lower[1:] - lower[:-1]) / (STEP_RATIO ** (2 * order) - 1)
        apart = torch.maximum((column[1:] - column[:-1]).abs(), (column[1:] - lower[2:]).abs())
        values.append(column[1:])
        errors.append(apart + rounding[order + 1 :])
        lower = column
    every = torch.cat(values)
    # An extrapolated value that contradicts the local one is doubted by the excess over the local error.
    doubt = ((every - local).abs() - 3 * certain).nan_to_num(0.0)
    best, error = _select_least_error(every, torch.maximum(torch.cat(errors), doubt))
    floor = ERROR_FLOOR_ULP * unit.expand_as(raw).masked_fill(~raw.isfinite(), math.inf).amin(dim=0)
    steepest = raw[:FIRST_LOCAL_STEP].abs().nan_to_num(0.0, posinf=0.0).amax(dim=0).clamp(min=torch.as_tensor(size))
    known = error <= torch.maximum(torch.maximum(MAX_ERROR_SHARE * best.abs(), FLAT_ERROR_SHARE * steepest), floor)
    value, error = torch.where(known, best, math.nan), torch.where(known, error, math.inf)
    return Estimate(value, error, torch.tensor(RELATIVE_STEPS, dtype=torch.float64), raw)


def _contradiction(raw: Tensor, rounding: Tensor) -> Tensor:
    """Return how far shorter steps contradict a difference, beyond their rounding; two steps may agree by accident."""
    found = torch.zeros_like(raw)
    for step in range(len(raw) - 1):
        apart = (raw[step + 1 :] - raw[step]).abs() - 4 * rounding[step + 1 :]
        found[step] = apart.nan_to_num(0.0, posinf=0.0).clamp(min=0).amax(dim=0)
    return found


def _select_least_error(values: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each entry the value with the least error, and that error; NaN and infinity if there is none."""
    errors = errors.nan_to_num(math.inf, posinf=math.inf)
    error, place = errors.min(dim=0)
    value = values.gather(0, place.unsqueeze(0)).squeeze(0)
    return torch.where(error.isinf(), math.nan, value), error


def _unit(here: Tensor) -> Tensor:
    return torch.finfo(here.dtype).eps * (10 + here.abs())


def _noise(g: VectorFunction, z: Tensor, values: Tensor) -> Tensor:
    """Return the rounding error of g at each step, from the size of its values and from its roughness at z.

    :param values: at each step, shape `(steps, values)`.
    :returns: along each coordinate, shape `(steps, n)`.
    """
    eps = torch.finfo(values.dtype).eps
    size = values.abs().nan_to_num(0.0, posinf=0.0).amax(dim=1, keepdim=True)
    return torch.maximum(_roughness(g, z, eps).to(size), eps * size)


def _roughness(g: VectorFunction, z: Tensor, eps: float) -> Tensor:
    """Return the rounding error of g near z along each coordinate, shape `(n,)`.

    It is measured as third differences over distances so short that those of a smooth function vanish. The size of a
    value alone does not tell it: a sum of large terms that cancel is rougher.
    """
    rows = torch.diag(eps * z.abs().clamp(min=1))
    found = torch.stack([_third_differences(g, z, distance * rows) for distance in ROUGHNESS_DISTANCES_ULP])
    longest, half, quarter = (
        found[-1],
        *(_third_differences(g, z, ROUGHNESS_DISTANCES_ULP[-1] / part * rows) for part in (2, 4)),
    )
    growth = torch.stack([longest / half, half / quarter]).nan_to_num(0.0)
    smooth = ((growth >= SMOOTH_GROWTH[0]) & (growth <= SMOOTH_GROWTH[1])).all(dim=0)
    found[-1] = torch.where(smooth, 0.0, longest)
    return found.nan_to_num(0.0, posinf=0.0).amax(dim=0)


def _third_differences(g: VectorFunction, z: Tensor, steps: Tensor) -> Tensor:
    """Return |g(z + 3h) - 3 g(z + 2h) + 3 g(z + h) - g(z)| for each row h of `steps`."""
    return torch.stack([(g(z + 3 * step) - 3 * g(z + 2 * step) + 3 * g(z + step) - g(z)).abs() for step in steps])
