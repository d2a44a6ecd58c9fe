"""Fixed changes of the coordinates of a function: a shift, a rotation, and a scale for each coordinate."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from playground.core.function import Function, Minimum
from playground.core.seeding import make_generator


def draw_rotation(dim: int, seed: int) -> Tensor:
    """Draw a rotation uniformly: an orthogonal matrix of determinant 1, shape `(dim, dim)`, float64.

    :param dim: number of coordinates.
    :param seed: determines the matrix.

    Source: Mezzadri, How to generate random matrices from the classical compact groups, 2007, section 5: the Q of a
    normal matrix, with the signs that make the diagonal of R positive.
    """
    normal = torch.randn(dim, dim, dtype=torch.float64, generator=make_generator(seed, "rotation"))
    q, r = torch.linalg.qr(normal)
    rotation: Tensor = q * r.diagonal().sign()
    rotation[:, 0] *= torch.linalg.det(rotation).sign()
    return rotation


def spread_scales(dim: int, ratio: float) -> Tensor:
    """Return scales from 1/√ratio to √ratio, evenly spaced on a logarithmic scale, shape `(dim,)`, float64."""
    exponents = torch.linspace(-0.5, 0.5, dim, dtype=torch.float64) if dim > 1 else torch.zeros(1, dtype=torch.float64)
    return (math.log(ratio) * exponents).exp()


class CoordinateChange:
    """The change of coordinates x = Q · diag(s) · (z − c) with a rotation Q, scales s and an offset c = (d, −d, d, …).

    :param dim: number of coordinates.
    :param rotation: seed of Q; None for the identity.
    :param stretch: largest over smallest entry of s; 1 for no change.
    :param shift: d; 0 for no change.
    """

    def __init__(self, dim: int, rotation: int | None, stretch: float, shift: float) -> None:
        q = torch.eye(dim, dtype=torch.float64) if rotation is None else draw_rotation(dim, rotation)
        scales = spread_scales(dim, stretch)
        self.matrix = q * scales
        self.scales = scales
        self.is_rotated = rotation is not None
        self.offset = shift * (1.0 - 2.0 * (torch.arange(dim, dtype=torch.float64) % 2))
        self._inverse = q.T / scales[:, None]

    def invert(self, x: Tensor) -> Tensor:
        """Return the coordinates z of points x, shape `(..., dim)`."""
        return x @ self._inverse.T + self.offset

    def apply(self, function: Function) -> Function:
        """Return z ↦ f(Q · diag(s) · (z − c)), with its minima in the new coordinates and without a domain."""
        matrix, scales, offset = self.matrix, self.scales, self.offset

        def change(z: Tensor) -> Tensor:
            moved = z - offset.to(dtype=z.dtype, device=z.device)
            if not self.is_rotated:
                return moved * scales.to(dtype=z.dtype, device=z.device)
            # not z @ matrix.T, which torch computes with an in-place view that the compiler has no rule for
            return (moved.unsqueeze(-2) * matrix.to(dtype=z.dtype, device=z.device)).sum(-1)

        points = [torch.tensor(minimum.point, dtype=torch.float64) for minimum in function.minima]
        terms = function.terms
        return Function(
            lambda z: function.formula(change(z)),
            function.dim,
            domain=(),
            minima=tuple(
                Minimum(tuple(self.invert(point).tolist()), minimum.value)
                for point, minimum in zip(points, function.minima, strict=True)
            ),
            source=function.source,
            terms=None if terms is None else lambda z: terms(change(z)),
        )
