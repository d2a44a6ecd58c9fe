"""RMSprop: gradients divided by their recent size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from playground.builtin.optimizers.fused import (
    SYMBOLS,
    WEIGHT_DECAY,
    Decay,
    Fraction,
    NonNegative,
    add_weight_decay,
    average,
    average_square,
    is_zero,
    plus,
    plus_ratio,
)
from playground.core.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class RMSprop(UpdateRule):
    """Divide each gradient by the root of the moving average of its square.

    :param lr: learning rate.
    :param alpha: share of the averages that stays at each step.
    :param eps: keeps the division finite; added to the root, as in `torch.optim.RMSprop`, not under it.
    :param weight_decay: adds `weight_decay · p` to the gradient.
    :param momentum: share of the velocity that stays at each step; 0 is none.
    :param centered: divide by the gradient's standard deviation: subtract the square of its moving average. If
        gradients stay the same for thousands of steps, the difference may round below zero, and its root is NaN.

    Source: Tieleman & Hinton 2012, lecture 6.5; centered: Graves 2013.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay * p",
        "v = alpha * v + (1 - alpha) * g**2",
        "m = alpha * m + (1 - alpha) * g if centered else 0",
        "b = momentum * b + g / (sqrt(v - m**2) + eps)",
        "p = p - lr * b",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "v": "average of the squared gradient",
        "m": "average of the gradient",
        "b": "velocity",
        "alpha": "share of the averages that stays",
        "momentum": "share of the velocity that stays",
        "centered": "whether to divide by the standard deviation",
        "weight_decay": WEIGHT_DECAY,
        "eps": "keeps the division finite",
    }
    torch_state: ClassVar[Mapping[str, str]] = {"square_avg": "v", "grad_avg": "m", "momentum_buffer": "b"}

    lr: NonNegative = 1e-2
    alpha: Fraction = 0.99
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    momentum: Decay = 0.0
    centered: bool = False

    def init(self, parameter: Tensor) -> State:
        """Return zeros for the average square, and for the average and the velocity if they are used."""
        used = {"v": True, "m": self.centered, "b": not is_zero(self.momentum)}
        return {symbol: torch.zeros_like(parameter) for symbol, needed in used.items() if needed}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter, the averages and the velocity after one step."""
        g = add_weight_decay(gradient, parameter, self.weight_decay)
        v = average_square(state["v"], g, self.alpha)
        after, variance = {"v": v}, v
        if self.centered:
            m = after["m"] = average(state["m"], g, self.alpha)
            variance = torch.addcmul(v, m, m, value=-1)
        deviation = variance.sqrt() + self.eps
        if is_zero(self.momentum):
            return plus_ratio(parameter, -lr, g, deviation), after
        b = after["b"] = self.momentum * state["b"] + g / deviation
        return plus(parameter, -lr, b), after
