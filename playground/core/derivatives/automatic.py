"""Derivatives by automatic differentiation: reverse mode, and forward mode as an independent route.

Reverse mode is the route under test: it runs the backward functions that training uses. Forward mode uses other
formulas for the same operations, so a wrong backward rarely has a matching wrong forward derivative.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad

from playground.core.derivatives.points import VectorFunction, evaluate_or_nan


class UnavailableError(Exception):
    """The function has no derivative by this route; the message says why."""


def gradient(g: VectorFunction, z: Tensor, upstream: float = 1.0) -> Tensor:
    """Return upstream · ∂g/∂zᵢ by reverse-mode automatic differentiation, shape `(n,)`.

    :param upstream: the gradient of a later operation with respect to the value of g.
    """
    z = z.detach().requires_grad_()
    value = g(z)
    if not value.requires_grad:  # the value does not depend on z
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
    if not first.requires_grad:  # a linear function: its gradient does not depend on z
        return torch.zeros(len(z), len(z), dtype=z.dtype, device=z.device)
    rows = [
        torch.autograd.grad(entry, z, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
        for entry in first
    ]
    return torch.stack(rows)


def forward_gradient(g: VectorFunction, z: Tensor) -> Tensor:
    """Return ∂g/∂zᵢ by forward-mode automatic differentiation, one pass per entry, shape `(n,)`.

    :raises UnavailableError: an operation in g has no forward derivative, like most custom functions.
    """
    return torch.stack([_tangent(g, z, row) for row in torch.eye(len(z), dtype=z.dtype, device=z.device)])


def forward_hessian(g: VectorFunction, z: Tensor) -> Tensor:
    """Return ∂²g/∂zᵢ∂zⱼ by forward mode over the gradient, shape `(n, n)`.

    :raises UnavailableError: an operation in g has no forward derivative, or its gradient has none.
    """

    def slope(point: Tensor) -> Tensor:
        (first,) = torch.autograd.grad(g(point), point, create_graph=True, allow_unused=True, materialize_grads=True)
        return first

    rows = torch.eye(len(z), dtype=z.dtype, device=z.device)
    return torch.stack([_tangent(slope, z, row, differentiable=True) for row in rows])


def _tangent(f: Callable[[Tensor], Tensor], z: Tensor, direction: Tensor, differentiable: bool = False) -> Tensor:
    """Return the directional derivative of f; zero if f does not depend on z.

    :raises UnavailableError: the result has no tangent although it is connected with z in autograd's graph.
    """
    # `forward_ad.make_dual` would first compile decompositions of rare operations, which takes two seconds.
    with forward_ad.dual_level(), warnings.catch_warnings():
        # For an operation without a forward derivative, torch compiles a decomposition, and its compiler emits
        # warnings.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            result = f(torch._VF._make_dual(z.detach().requires_grad_(differentiable), direction, level=0))
        except Exception as error:  # functions refuse forward mode by many different exceptions
            raise UnavailableError(str(error).strip().partition("\n")[0]) from error
        tangent: Tensor | None = torch._VF._unpack_dual(result, level=0).tangent
    if tangent is not None:
        return tangent.detach()
    # torch returns no tangent for a constant as well as for an operation that lost it; autograd's graph tells which.
    if not differentiable and f(z.detach().requires_grad_()).requires_grad:
        raise UnavailableError("an operation has no forward derivative and lost the tangent")
    return torch.zeros_like(result).detach()


def rounding_sensitivity(
    derivative: Callable[[VectorFunction, Tensor], Tensor], g: VectorFunction, z: Tensor
) -> Tensor:
    """Return how fast a derivative D changes with the relative size of each coordinate: Σⱼ |∂D/∂zⱼ| max(0.01, |zⱼ|).

    Rounding moves a point by about ε |zⱼ| and therefore the derivative by about ε times this number, even on an exact
    route. The slope of D is measured on both sides of the point and the smaller one counts, so that a kink at the point
    does not enlarge the tolerance.

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
