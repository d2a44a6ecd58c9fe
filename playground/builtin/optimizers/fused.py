"""The building blocks of every rule, each in as few tensor operations as possible.

On a small tensor, an operation takes the same few microseconds whatever it computes, so `torch.add(a, b, alpha=s)`
takes half the time of `a + s * b`. torch fuses only with plain numbers; for a hyperparameter that is a tensor, one
value per run, the formula is written out.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor

from playground.core.update import Hyperparameter

NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Decay = Annotated[float, Ge(0), Lt(1)]
"""The share of an average that stays at each step. At 1, nothing new would enter: the bias correction would be 0/0."""

SYMBOLS = {"p": "parameter", "g": "gradient", "lr": "learning rate"}
"""The symbols that every formula uses."""

WEIGHT_DECAY = "pull towards zero, proportional to the parameter"
"""The meaning of `weight_decay` in every rule that has it."""


def is_zero(value: Hyperparameter) -> bool:
    """Tell whether a term with this factor can be omitted; with a number for each of many runs, the term stays."""
    return not isinstance(value, Tensor | torch.SymFloat) and value == 0


def plus(a: Tensor, scale: Hyperparameter, b: Tensor) -> Tensor:
    """`a + scale · b`."""
    if isinstance(scale, Tensor):
        return a + scale * b
    return torch.add(a, b, alpha=scale)


def plus_ratio(a: Tensor, scale: Hyperparameter, b: Tensor, c: Tensor) -> Tensor:
    """`a + scale · b / c`."""
    if isinstance(scale, Tensor):
        return a + scale * b / c
    return torch.addcdiv(a, b, c, value=scale)


def average(old: Tensor, new: Tensor, decay: Hyperparameter) -> Tensor:
    """`decay · old + (1 − decay) · new`: the exponential moving average."""
    return torch.lerp(old, new, 1 - decay)


def average_square(old: Tensor, new: Tensor, decay: Hyperparameter) -> Tensor:
    """`decay · old + (1 − decay) · new²`; not by `lerp`, for which a square that once overflowed becomes NaN."""
    if isinstance(decay, Tensor):
        return decay * old + (1 - decay) * new * new
    return torch.addcmul(decay * old, new, new, value=1 - decay)


def add_weight_decay(gradient: Tensor, parameter: Tensor, weight_decay: Hyperparameter) -> Tensor:
    """`g + weight_decay · p`: the gradient of the loss plus `weight_decay / 2 · |p|²`."""
    return gradient if is_zero(weight_decay) else plus(gradient, weight_decay, parameter)
