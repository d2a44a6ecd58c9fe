"""Adagrad: rates that shrink with the gradients seen so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from playground.builtin.optimizers.fused import (
    SYMBOLS,
    WEIGHT_DECAY,
    NonNegative,
    add_weight_decay,
    plus_ratio,
)
from playground.core.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class Adagrad(UpdateRule):
    """Divide each step by the root of the sum of all squared gradients, so that rarely moved parameters move further.

    :param lr: learning rate; the first step is about this long.
    :param lr_decay: makes the rate fall as `lr / (1 + (t − 1) · lr_decay)`.
    :param weight_decay: adds `weight_decay · p` to the gradient.
    :param initial_accumulator_value: initial value of the sum of squares.
    :param eps: keeps the division finite.

    Source: Duchi, Hazan & Singer 2011, diagonal form.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay * p",
        "s = s + g**2",
        "p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "s": "sum of the squared gradients",
        "t": "number of the step, from 1",
        "lr_decay": "how fast the learning rate falls",
        "weight_decay": WEIGHT_DECAY,
        "eps": "keeps the division finite",
    }
    torch_state: ClassVar[Mapping[str, str]] = {"sum": "s"}

    lr: NonNegative = 1e-2
    lr_decay: NonNegative = 0.0
    weight_decay: NonNegative = 0.0
    initial_accumulator_value: NonNegative = 0.0
    eps: NonNegative = 1e-10

    def init(self, parameter: Tensor) -> State:
        """Return the sum of squares, `initial_accumulator_value` everywhere."""
        return {"s": torch.zeros_like(parameter) + self.initial_accumulator_value}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter and the sum of squares after one step."""
        g = add_weight_decay(gradient, parameter, self.weight_decay)
        s = torch.addcmul(state["s"], g, g)
        rate = lr / (1 + step * self.lr_decay)
        return plus_ratio(parameter, -rate, g, s.sqrt() + self.eps), {"s": s}
