"""Whether two computations of the same few steps agree to rounding; what rounding is worth, twins of the run tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.engine.sensitivity import TOLERANCE, with_twins

STEPS = 3
"""Steps that are compared: what a step changes for the next shows at the second, what that is worth at the third."""

ROUNDINGS = 100
"""Roundings of some steps against the one of a twin's start."""


@dataclass(frozen=True)
class Outcome:
    """What some steps in plain PyTorch gave one run: the loss before the last of them, its parameters and last loss."""

    loss: Tensor
    parameters: dict[str, Tensor]
    last: Tensor
    steps: int = 0

    @property
    def numbers(self) -> list[Tensor]:
        """All of it."""
        return [self.loss, self.last, *self.parameters.values()]


def twins_of(start: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return two twins of a start, one unit in the last place to either side."""
    three = with_twins({name: tensor[None] for name, tensor in start.items()})
    return [{name: tensor[i] for name, tensor in three.items()} for i in (1, 2)]


def agree(mine: Outcome, plain: Outcome, twins: Sequence[Outcome]) -> bool:
    """Tell whether two outcomes are the same to rounding, of which there is more than a twin's at every operation."""
    return all(
        _close(*numbers) for numbers in zip(mine.numbers, plain.numbers, *(twin.numbers for twin in twins), strict=True)
    )


def _close(mine: Tensor, plain: Tensor, *twins: Tensor) -> bool:
    tolerance = TOLERANCE[plain.dtype]
    mine, plain = mine.double(), plain.double()
    moved = torch.stack([(twin.double() - plain).abs() for twin in twins]).amax(0).nan_to_num(nan=math.inf)
    allowed = tolerance * (1 + plain.abs()) + ROUNDINGS * moved
    same = (mine == plain) | (mine.isnan() & plain.isnan())
    return bool((same | ((mine - plain).abs() <= allowed)).all())
