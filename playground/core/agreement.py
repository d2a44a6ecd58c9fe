"""Whether two computations of the same few steps agree to rounding; what rounding is worth, twins of the run tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.core.sensitivity import TOLERANCE_BY_DTYPE, append_twins

COMPARED_STEPS = 3
"""Steps that are compared: what a step changes for the next shows at the second, what that is worth at the third."""

MAX_TWIN_DEVIATIONS = 100
"""Roundings of some steps against the one of a twin's start."""


@dataclass(frozen=True)
class ComparedSteps:
    """What some steps in plain PyTorch gave one run: the loss before the last of them, its parameters and last loss."""

    loss: Tensor
    parameters: dict[str, Tensor]
    last: Tensor
    steps: int = 0

    @property
    def numbers(self) -> list[Tensor]:
        """All of it."""
        return [self.loss, self.last, *self.parameters.values()]


def make_twins(start: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return two twins of a start, one unit in the last place to either side."""
    three = append_twins({name: tensor[None] for name, tensor in start.items()})
    return [{name: tensor[i] for name, tensor in three.items()} for i in (1, 2)]


def agree_to_rounding(mine: ComparedSteps, plain: ComparedSteps, twins: Sequence[ComparedSteps]) -> bool:
    """Tell whether two outcomes are the same to rounding, of which there is more than a twin's at every operation."""
    return all(
        _close(*numbers) for numbers in zip(mine.numbers, plain.numbers, *(twin.numbers for twin in twins), strict=True)
    )


def _close(mine: Tensor, plain: Tensor, *twins: Tensor) -> bool:
    tolerance = TOLERANCE_BY_DTYPE[plain.dtype]
    mine, plain = mine.double(), plain.double()
    moved = torch.stack([(twin.double() - plain).abs() for twin in twins]).amax(0).nan_to_num(nan=math.inf)
    allowed = tolerance * (1 + plain.abs()) + MAX_TWIN_DEVIATIONS * moved
    same = (mine == plain) | (mine.isnan() & plain.isnan())
    return bool((same | ((mine - plain).abs() <= allowed)).all())
