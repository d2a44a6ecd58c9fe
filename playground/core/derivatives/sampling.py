"""Checks a function of many numbers: some of them one by one, and all of them along a random direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from playground.core.derivatives.checking import check_derivatives
from playground.core.derivatives.points import (
    Coordinate,
    VectorFunction,
    locate_coordinate,
    restrict_to_entries,
    restrict_to_line,
)
from playground.core.derivatives.verdict import PointDerivatives
from playground.core.seeding import make_generator

MAX_CHECKED_PARAMETERS = {1: 64, 2: 8}
"""The most numbers that are checked one by one, by order of the derivative; the seed selects them."""

RANDOM_DIRECTION = Coordinate("a random direction")


def check_sample(
    g: VectorFunction,
    z: Tensor,
    shapes: Mapping[str, torch.Size],
    order: int,
    seed: int,
    most: int | None = None,
    direction: bool = True,
) -> Iterator[PointDerivatives]:
    """Yield the derivatives by a random sample of entries, and then the one along a direction through all of them.

    :param z: shape `(n,)`, n at least 1.
    :param shapes: of the tensors that z concatenates, by name.
    :param order: 1 for the gradient, 2 for the Hessian.
    :param seed: chooses the entries and the direction.
    :param most: entries that are checked one by one; by default `MAX_CHECKED_PARAMETERS`.
    :param direction: whether to check the direction too.
    """
    chosen = torch.randperm(len(z), generator=make_generator(seed, "derivatives"))
    some = sorted(chosen[: most or MAX_CHECKED_PARAMETERS[order]].tolist())
    names = [locate_coordinate(shapes, index) for index in some]
    yield check_derivatives(*restrict_to_entries(g, z, some), names, order)
    if direction and len(z) > 1:
        line = torch.randn(len(z), generator=make_generator(seed, "direction"), dtype=torch.float64)
        yield check_derivatives(*restrict_to_line(g, z, line / line.norm()), [RANDOM_DIRECTION], order)
