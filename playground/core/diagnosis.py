"""Explains why a descent ended badly, by the run's own numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import vmap

from playground.core.derivatives import flat_loss, hessian
from playground.core.gradients import Gradients
from playground.core.problem import Problem
from playground.core.update import UpdateRule
from playground.figures.numbers import format_distinct

MAX_CURVATURE_PARAMETERS = 64
"""The most parameters for which the curvature is computed: it takes one backward pass per parameter."""

CURVATURE_SHIFT = 1.0
"""The distance, in every parameter, of a second point, which shows whether the curvature is constant."""

MAX_HESSIANS_PER_BATCH = 256
"""Points whose second derivatives are computed at once: 8 MB for the largest number of parameters."""


def describe_culprit(parameters: dict[str, Tensor], gradients: Gradients) -> str:
    """Name the parameters that are not finite, or, if all are finite, the one with the largest gradient.

    :param parameters: by name, as they were when the run ended.
    :param gradients: of those parameters, in the same order; empty before the first step.
    """
    broken = [name for name, tensor in parameters.items() if not bool(torch.isfinite(tensor).all())]
    sizes = {
        name: gradient.abs().max().item()
        for name, gradient in zip(parameters, gradients, strict=False)
        if gradient is not None
    }
    return _format_culprit(broken, sizes)


def _format_culprit(broken: Sequence[str], sizes: Mapping[str, float]) -> str:
    """Format the result.

    :param broken: names of parameters that are not finite.
    :param sizes: the largest entry of each parameter's gradient by name.
    """
    if broken:
        return f"not finite: {', '.join(broken)}"
    if not sizes:
        return ""
    # NaN counts as larger than any number here.
    name = max(sizes, key=lambda key: math.inf if math.isnan(sizes[key]) else sizes[key])
    return f"the largest gradient is in {name} ({sizes[name]:.3g})"


@dataclass(frozen=True)
class Curvature:
    """The second derivatives of a loss at the start of a run.

    :param largest: their largest eigenvalue; NaN if they are not finite.
    :param size: the number of parameters.
    :param constant: whether they are the same at another point.
    """

    largest: float
    size: int
    constant: bool

    @classmethod
    def of(cls, here: Tensor, elsewhere: Tensor) -> Curvature:
        """Compute it from the second derivatives, (size, size), at the start and at a point away from it."""
        constant = torch.allclose(here, elsewhere, rtol=1e-9, atol=1e-9)
        finite = bool(torch.isfinite(here).all())
        return cls(torch.linalg.eigvalsh(here).max().item() if finite else math.nan, len(here), constant)

    @property
    def is_conclusive(self) -> bool:
        """Whether the largest eigenvalue holds for the whole descent: it is constant, or there is one parameter."""
        return self.constant or self.size == 1


@dataclass(frozen=True)
class ExceededBound:
    """A learning rate that exceeds the largest stable rate for a curvature.

    :param constant: whether the curvature is the same everywhere; otherwise it is that of the start.
    """

    rate: float
    bound: float
    curvature: float
    constant: bool

    @property
    def comparison(self) -> str:
        """`lr 0.3 > 2/8 = 0.25`."""
        rate, bound = format_distinct(self.rate, self.bound, 6), format_distinct(self.bound, self.rate, 6)
        return f"lr {rate} > {self.bound * self.curvature:g}/{self.curvature:g} = {bound}"

    def __str__(self) -> str:
        """`lr 0.3 > 2/8 = 0.25, the largest stable rate`."""
        return f"{self.comparison}, the largest stable rate{'' if self.constant else ' near the start'}"


def last_factor(schedule: Callable[[int], float] | None, steps: int) -> float:
    """Return the factor that a schedule put on the rate of the last of `steps` updates; 1 without a schedule."""
    return 1.0 if schedule is None else schedule(max(steps - 1, 0))


def find_exceeded_bound(
    problem: Problem, start: dict[str, Tensor], rule: UpdateRule, factor: float = 1.0
) -> ExceededBound | None:
    """Return the bound that the learning rate exceeded, if the rule knows one for a quadratic.

    The bound belongs to the largest eigenvalue of the Hessian at the start. It holds for the whole descent if the
    Hessian is constant, and otherwise near the start only; then it is reported for a single parameter and omitted for
    more.

    :param factor: the schedule's, on the rule's rate.
    :returns: None if the rate is within the bound or no bound is known.
    """
    found = measure_curvature(problem, start) if isinstance(rule.lr, float | int) else None
    return None if found is None else _check_bound(found, rule, factor)


def measure_curvature(problem: Problem, start: dict[str, Tensor]) -> Curvature | None:
    """Return how a loss curves at the start of a run.

    :returns: None for more than `MAX_CURVATURE_PARAMETERS` parameters, or without a second derivative.
    """
    if sum(tensor.numel() for tensor in start.values()) > MAX_CURVATURE_PARAMETERS:
        return None
    z = torch.cat([tensor.double().flatten() for tensor in start.values()])
    loss, _ = flat_loss(problem, start)
    try:
        return Curvature.of(hessian(loss, z), hessian(loss, z + CURVATURE_SHIFT))
    except RuntimeError:  # an operation has no second derivative
        return None


def describe_culprits(final: Mapping[str, Tensor], steepest: Mapping[str, Tensor]) -> list[str]:
    """Describe for each of many runs what `describe_culprit` describes for one.

    :param final: parameters of n runs by name, as they were when each run ended, shape `(n, *shape)`.
    :param steepest: the largest entry of each parameter's gradient there, shape `(n,)`; negative without a gradient.
    """
    finite = {name: tensor.isfinite().reshape(len(tensor), -1).all(1).tolist() for name, tensor in final.items()}
    sizes = {name: tensor.tolist() for name, tensor in steepest.items()}
    return [
        _format_culprit(
            [name for name, each in finite.items() if not each[run]],
            {name: each[run] for name, each in sizes.items() if not each[run] < 0},
        )
        for run in range(len(next(iter(final.values()))))
    ]


def describe_exceeded_bounds(
    problem: Problem, starts: Mapping[str, Tensor], rules: Sequence[UpdateRule], factors: Sequence[float]
) -> list[str]:
    """Return for each of many runs what `find_exceeded_bound` returns for one; runs with the same start share the work.

    :param starts: initial parameters of n runs by name, shape `(n, *shape)`.
    :param rules: of each run, and `factors` those of its schedule on the rule's rate.
    """
    nothing = [""] * len(rules)
    z = torch.cat([tensor.double().reshape(len(tensor), -1) for tensor in starts.values()], dim=1)
    known = any(rule.stability_bound(1.0) is not None for rule in {id(rule): rule for rule in rules}.values())
    if z.shape[1] > MAX_CURVATURE_PARAMETERS or not known:
        return nothing
    distinct, which = torch.unique(z, dim=0, return_inverse=True)
    loss, _ = flat_loss(problem, {name: tensor[0] for name, tensor in starts.items()})
    curvatures: list[Curvature] = []
    try:
        for some in distinct.split(MAX_HESSIANS_PER_BATCH):
            curvatures += map(Curvature.of, _hessians(loss, some), _hessians(loss, some + CURVATURE_SHIFT))
    except RuntimeError:  # as for one run
        return nothing
    runs = zip(which.tolist(), rules, factors, strict=True)
    return [str(_check_bound(curvatures[index], rule, factor) or "") for index, rule, factor in runs]


def _check_bound(found: Curvature, rule: UpdateRule, factor: float) -> ExceededBound | None:
    largest = found.largest if found.is_conclusive else math.nan
    bound = rule.stability_bound(largest) if largest > 0 and isinstance(rule.lr, float | int) else None
    if bound is None or not isinstance(rule.lr, float | int) or rule.lr * factor <= bound:
        return None
    return ExceededBound(rule.lr * factor, bound, largest, found.constant)


def _hessians(loss: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Return the second derivatives at many points, (points, n, n), with one backward pass per row for all points."""
    z = z.detach().requires_grad_()
    derivative = partial(torch.autograd.grad, inputs=z, allow_unused=True, materialize_grads=True)
    (first,) = derivative(vmap(loss)(z).sum(), create_graph=True)
    if not first.requires_grad:  # a linear function
        return torch.zeros(*z.shape, z.shape[1], dtype=z.dtype, device=z.device)
    rows = [derivative(column.sum(), retain_graph=True)[0] for column in first.unbind(1)]
    return torch.stack(rows, dim=1)
