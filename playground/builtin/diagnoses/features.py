"""Inputs whose columns differ in size or lie far from 0, so that no single rate suits all parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from playground.builtin.diagnoses.measures import is_close_to, slope_at_start
from playground.core.derivatives import hessian
from playground.core.derivatives.points import VectorFunction, flat_loss
from playground.core.diagnosis import MAX_CURVATURE_PARAMETERS
from playground.core.evidence import Diagnoser, Evidence, to_vector
from playground.core.problem import Batches, Problem

MIN_NARROWING_FACTOR = 100.0
"""The least factor by which unscaled columns make the valley narrower."""

CONVEX_SEEDS = 3
"""The number of points where second derivatives must be positive for the loss to count as convex."""


def unscaled_features() -> Diagnoser:
    """A convex loss of inputs with columns of different sizes; scaling rounds the valley a hundredfold.

    Measured on the data as they are, with each column divided by its root mean square, and with each column centred and
    divided by its standard deviation; the bias counts as a column.
    """
    remedy = "Scale each input column: subtract its mean, divide by its standard deviation."
    return Diagnoser(_unscaled_features, remedy, 2)


@dataclass(frozen=True)
class Valley:
    """The curvature of the loss at one point.

    :param spread: the largest curvature over the smallest one, or over the smallest that float64 can distinguish from
        0.
    :param singular: whether float64 cannot distinguish the smallest one from 0.
    :param least: for a loss of constant curvature, its minimum; otherwise None.
    """

    largest: float
    spread: float
    singular: bool
    least: float | None


def _unscaled_features(run: Evidence) -> str:
    data = run.problem.batches.data
    usable = len(data) == 2 and data[0].dim() == 2 and len(data[0]) > 1 and data[0].is_floating_point()
    if not usable or len(to_vector(run.start)) > MAX_CURVATURE_PARAMETERS or not _follows_the_size(run):
        return ""
    raw = _valley(run, run.problem)
    if raw is None:
        return ""
    scaled = [
        (how, found)
        for how, inputs in _scalings(data[0].double())
        if (found := _valley(run, replace(run.problem, batches=Batches((inputs.to(data[0]), data[1]))))) is not None
        and _is_scaling_useful(run, raw, found)
    ]
    if not scaled:
        return ""
    how, best = min(scaled, key=lambda each: each[1].spread)
    at_least = "at least " if raw.singular else ""
    return (
        f"{_describe_sizes(data[0])}, so the loss curves {at_least}{raw.spread:.2g} times more in one direction than "
        f"another; {how} it would be {best.spread:.2g} times."
    )


def _is_scaling_useful(run: Evidence, raw: Valley, scaled: Valley) -> bool:
    """Whether scaling helps: a hundredfold rounder valley, equally deep, in which this rate is not too large."""
    if scaled.singular or raw.spread < MIN_NARROWING_FACTOR * scaled.spread:
        return False
    if raw.least is not None and scaled.least is not None and not raw.singular:
        deeper = scaled.least - raw.least
        if deeper > 1e-6 * abs(raw.least) + 1e-9:
            return False
    return not run.growth(scaled.largest, run.factor) > 1.01


def _scalings(inputs: Tensor) -> list[tuple[str, Tensor]]:
    """Return the inputs with columns of size 1, and also centred; constant columns are unchanged."""
    sizes, (deviation, mean) = inputs.square().mean(0).sqrt(), torch.std_mean(inputs, 0, correction=0)
    varies = deviation > 1e-9 * sizes
    centred = torch.where(varies, (inputs - mean) / torch.where(varies, deviation, 1.0), inputs)
    return [
        ("with columns of size 1", inputs / torch.where(sizes > 0, sizes, 1.0)),
        ("with columns centred and of deviation 1", centred),
    ]


def _describe_sizes(inputs: Tensor) -> str:
    """Describe the sizes of the columns."""
    sizes = inputs.double().square().mean(0).sqrt()
    if len(sizes) == 1:
        return f"The column of x ranges from {inputs.min():.4g} to {inputs.max():.4g}"
    return f"The columns of x have sizes from {sizes.min():.3g} to {sizes.max():.3g}"


def _follows_the_size(run: Evidence) -> bool:
    """Whether the first step scales with the gradient, unlike that of an adaptive optimizer."""
    if slope_at_start(run) is None:
        return False
    (once,), (tenfold,) = run.probe_optimizer([1.0]), run.probe_optimizer([10.0])
    return bool(once.any()) and is_close_to(tenfold, 10 * once)


def _valley(run: Evidence, problem: Problem) -> Valley | None:
    """Return the curvature of the loss where all parameters are 0; None if it is not convex."""
    loss, z = flat_loss(problem, dict(run.start))
    zero = torch.zeros_like(z, dtype=torch.float64)
    curvatures = hessian(loss, zero)
    values = torch.linalg.eigvalsh(curvatures)
    if not bool(values.isfinite().all()) or not values[-1] > 0:
        return None
    smallest = len(values) * torch.finfo(values.dtype).eps * values[-1]
    generator = torch.Generator().manual_seed(0)
    scale = 1.0 / values[-1].sqrt().clamp(min=1.0)
    if not _is_convex(curvatures):
        return None
    others = [
        hessian(loss, scale * torch.randn(len(zero), generator=generator, dtype=torch.float64))
        for _ in range(CONVEX_SEEDS)
    ]
    if not all(map(_is_convex, others)):
        return None
    constant = all(torch.allclose(each, curvatures, rtol=1e-9, atol=1e-9) for each in others)
    singular = bool(values[0] <= smallest)
    least = _minimum(loss, zero, curvatures) if constant and not singular else None
    return Valley(values[-1].item(), (values[-1] / values[0].clamp(min=smallest)).item(), singular, least)


def _is_convex(curvatures: Tensor) -> bool:
    values = torch.linalg.eigvalsh(curvatures)
    return bool(values[0] >= -1e-9 * values[-1].abs())


def _minimum(loss: VectorFunction, zero: Tensor, curvatures: Tensor) -> float:
    """Return the least value of a loss of constant curvature: g(0) - ½ ∇gᵀ H⁻¹ ∇g."""
    leaf = zero.clone().requires_grad_()
    value = loss(leaf)
    (slope,) = torch.autograd.grad(value, leaf)
    return float((value - 0.5 * slope @ torch.linalg.solve(curvatures, slope)).item())
