"""Derivatives by automatic differentiation: reverse mode, and forward mode as an independent route."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad

from playground.core.derivatives.points import VectorFunction, evaluate_or_nan


class UnavailableError(Exception):
    """This function has no derivative by this route; the message says why."""


def gradient(g: VectorFunction, z: Tensor, upstream: float = 1.0) -> Tensor:
    """Return upstream · ∂g/∂zᵢ by reverse-mode automatic differentiation, shape `(n,)`.

    :param upstream: the gradient that comes back to g's value, as if something followed it.
    """
    z = z.detach().requires_grad_()
    value = g(z)
    if not value.requires_grad:  # nothing connects it with z, whatever its number does
        return torch.zeros_like(z)
    back = torch.full_like(value, upstream)
    (result,) = torch.autograd.grad(value, z, back, allow_unused=True, materialize_grads=True)
    return result


def hessian(g: VectorFunction, z: Tensor, upstream: float = 1.0) -> Tensor:
    """Return upstream · ∂²g/∂zᵢ∂zⱼ by differentiating the gradient once more, shape `(n, n)`.

    :param upstream: as for `gradient`.
    """
    z = z.detach().requires_grad_()
    value = g(z)
    if not value.requires_grad:
        return torch.zeros(len(z), len(z), dtype=z.dtype, device=z.device)
    back = torch.full_like(value, upstream)
    (first,) = torch.autograd.grad(value, z, back, create_graph=True, allow_unused=True, materialize_grads=True)
    if not first.requires_grad:  # a linear function: nothing is left to differentiate
        return torch.zeros(len(z), len(z), dtype=z.dtype, device=z.device)
    rows = [
        torch.autograd.grad(entry, z, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
        for entry in first
    ]
    return torch.stack(rows)


def forward_gradient(g: VectorFunction, z: Tensor) -> Tensor:
    """Return ∂g/∂zᵢ by forward-mode automatic differentiation: one pass for each entry, shape `(n,)`.

    :raises UnavailableError: something in g has no forward derivative, as most custom functions.
    """
    return torch.stack([_tangent(g, z, row) for row in torch.eye(len(z), dtype=z.dtype, device=z.device)])


def forward_hessian(g: VectorFunction, z: Tensor) -> Tensor:
    """Return ∂²g/∂zᵢ∂zⱼ by forward mode over the gradient, shape `(n, n)`.

    :raises UnavailableError: something in g has no forward derivative, or its gradient none.
    """

    def slope(point: Tensor) -> Tensor:
        (first,) = torch.autograd.grad(g(point), point, create_graph=True, allow_unused=True, materialize_grads=True)
        return first

    rows = torch.eye(len(z), dtype=z.dtype, device=z.device)
    return torch.stack([_tangent(slope, z, row, differentiable=True) for row in rows])


def _tangent(f: Callable[[Tensor], Tensor], z: Tensor, direction: Tensor, differentiable: bool = False) -> Tensor:
    """Return the directional derivative of f; zero where nothing depends on z.

    :raises UnavailableError: the tangent is lost on the way although autograd knows one.
    """
    # `forward_ad.make_dual` would first compile decompositions of rare operations, which takes two seconds.
    with forward_ad.dual_level(), warnings.catch_warnings():
        # Where an operation has no forward derivative, torch compiles a decomposition, and warns of its own compiler.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            result = f(torch._VF._make_dual(z.detach().requires_grad_(differentiable), direction, level=0))
        except Exception as error:  # as many ways to refuse as there are functions
            raise UnavailableError(str(error).strip().partition("\n")[0]) from error
        tangent: Tensor | None = torch._VF._unpack_dual(result, level=0).tangent
    if tangent is not None:
        return tangent.detach()
    if not differentiable and f(z.detach().requires_grad_()).requires_grad:
        raise UnavailableError("an operation has no forward derivative and lost the tangent")
    return torch.zeros_like(result).detach()


def rounding_sensitivity(
    derivative: Callable[[VectorFunction, Tensor], Tensor], g: VectorFunction, z: Tensor
) -> Tensor:
    """Return how fast a derivative D changes with the relative size of each coordinate: Σⱼ |∂D/∂zⱼ| max(0.01, |zⱼ|).

    Rounding moves a point by some ε |zⱼ|, and the derivative by ε times this, however exact the route to it. It is
    measured on both sides; the smoother one counts, so that a kink at the point excuses nothing.

    :param derivative: `gradient` or `hessian`.
    :param z: shape `(n,)`; its dtype sets how far apart the points are.
    :returns: one number for each entry of the derivative.
    """
    share = torch.finfo(z.dtype).eps ** 0.5
    here = derivative(g, z)
    total = torch.zeros_like(here)
    for reach in torch.diag(z.abs().clamp(min=0.01)):
        near = (evaluate_or_nan(lambda point: derivative(g, point), z + sign * share * reach, here) for sign in (-1, 1))
        sides = [(each - here).abs().cpu() / share for each in near]
        total += torch.minimum(*(side.nan_to_num(math.inf) for side in sides)).to(total)
    return total.nan_to_num(0.0, posinf=0.0)
