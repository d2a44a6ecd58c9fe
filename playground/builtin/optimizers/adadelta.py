"""Adadelta: steps in the parameter's own unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from playground.builtin.optimizers.fused import (
    SYMBOLS,
    WEIGHT_DECAY,
    Fraction,
    NonNegative,
    add_weight_decay,
    average_square,
    plus,
)
from playground.core.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class Adadelta(UpdateRule):
    """Scale the gradient by the recent size of the steps over the recent size of the gradients.

    :param lr: factor on each step; 1 in the paper, which has no learning rate.
    :param rho: share of the averages that stays at each step.
    :param eps: makes the first steps different from zero.
    :param weight_decay: adds `weight_decay · p` to the gradient.

    Source: Zeiler 2012, Algorithm 1.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay * p",
        "v = rho * v + (1 - rho) * g**2",
        "d = sqrt(u + eps) / sqrt(v + eps) * g",
        "u = rho * u + (1 - rho) * d**2",
        "p = p - lr * d",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "v": "average of the squared gradient",
        "u": "average of the squared step",
        "d": "direction",
        "rho": "share of the averages that stays",
        "weight_decay": WEIGHT_DECAY,
        "eps": "lets the first steps be other than zero",
    }
    torch_state: ClassVar[Mapping[str, str]] = {"square_avg": "v", "acc_delta": "u"}

    lr: NonNegative = 1.0
    rho: Fraction = 0.9
    eps: NonNegative = 1e-6
    weight_decay: NonNegative = 0.0

    def init(self, parameter: Tensor) -> State:
        """Return zeros for both averages."""
        return {"v": torch.zeros_like(parameter), "u": torch.zeros_like(parameter)}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter and both averages after one step."""
        g = add_weight_decay(gradient, parameter, self.weight_decay)
        v = average_square(state["v"], g, self.rho)
        d = (state["u"] + self.eps).sqrt() / (v + self.eps).sqrt() * g
        u = average_square(state["u"], d, self.rho)
        return plus(parameter, -lr, d), {"v": v, "u": u}
