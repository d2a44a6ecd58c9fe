"""Why a descent went wrong, in words that are true of its own numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from playground.engine.derivatives import hessian
from playground.engine.gradients import Gradients
from playground.engine.problem import Problem
from playground.engine.update import UpdateRule

LARGEST = 64
"""Parameters up to which the curvature is computed: it takes one backward pass for each."""


def culprit(parameters: dict[str, Tensor], gradients: Gradients) -> str:
    """Name the parameters that are not finite, or, while all are, the one with the largest gradient.

    :param parameters: as they were when the run ended, by name.
    :param gradients: of those parameters, in the same order; empty before the first step.
    """
    broken = [name for name, tensor in parameters.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        return f"not finite: {', '.join(broken)}"
    sizes = {
        name: gradient.abs().max().item()
        for name, gradient in zip(parameters, gradients, strict=False)
        if gradient is not None
    }
    if not sizes:
        return ""
    # A gradient that is not a number is larger than any other for this purpose.
    name = max(sizes, key=lambda key: math.inf if math.isnan(sizes[key]) else sizes[key])
    return f"the largest gradient is in {name} ({sizes[name]:.3g})"


def exceeded_bound(problem: Problem, start: dict[str, Tensor], rule: UpdateRule) -> str:
    """Say which bound the learning rate exceeded, where the rule knows one for a quadratic.

    The bound belongs to the largest eigenvalue of the Hessian at the start. It is a fact about the whole descent when
    the Hessian is the same elsewhere, and about the start alone otherwise, which is said for one parameter and left
    unsaid for more.

    :returns: `"lr 0.3 > 2/8 = 0.25"`, or nothing when the rate is within the bound or no bound is known.
    """
    count = sum(tensor.numel() for tensor in start.values())
    if count > LARGEST or not isinstance(rule.lr, float | int):
        return ""
    try:
        here, elsewhere = (_hessian(problem, start, shift) for shift in (0.0, 1.0))
    except RuntimeError:  # an operation without a second derivative: then there is no curvature to speak of
        return ""
    quadratic = torch.allclose(here, elsewhere, rtol=1e-9, atol=1e-9)
    curvature = torch.linalg.eigvalsh(here).max().item() if bool(torch.isfinite(here).all()) else math.nan
    bound = rule.stability_bound(curvature) if curvature > 0 else None
    if bound is None or rule.lr <= bound or not (quadratic or count == 1):
        return ""
    where = "" if quadratic else " near the start"
    return f"lr {rule.lr:g} > {bound * curvature:g}/{curvature:g} = {bound:g}, the largest stable rate{where}"


def _hessian(problem: Problem, start: dict[str, Tensor], shift: float) -> Tensor:
    """Return the Hessian of the loss over all data in float64 at the start, every entry moved by `shift`."""
    shapes = {name: tensor.shape for name, tensor in start.items()}
    z = torch.cat([tensor.double().flatten() for tensor in start.values()]) + shift
    others = {name: tensor.double() for name, tensor in problem.module.state_dict().items() if name not in start}
    batch = tuple(t.double() if t.is_floating_point() else t for t in problem.batches.data)

    def loss(flat: Tensor) -> Tensor:
        pieces = torch.split(flat, [shape.numel() for shape in shapes.values()])
        named = {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
        return problem.loss(problem.forward({**others, **named}), batch)

    return hessian(loss, z)
