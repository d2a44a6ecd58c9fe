"""Lion: momentum reduced to its sign."""

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
    NonNegative,
    add_weight_decay,
    average,
    plus,
)
from playground.core.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class Lion(UpdateRule):
    """Step by the sign of a blend of momentum and gradient: every entry moves by exactly `lr`.

    :param lr: learning rate: the length of each entry's step, about 3 to 10 times smaller than Adam's.
    :param beta1: share of the momentum in the blend.
    :param beta2: share of the momentum that stays at each step.
    :param weight_decay: decoupled: subtracts `lr · weight_decay · p` from the parameter.

    Source: Chen, Liang, Huang, Real, Wang, Pham, Dong, Luong, Hsieh, Lu & Le 2023, Algorithm 2.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "c = beta1 * m + (1 - beta1) * g",
        "m = beta2 * m + (1 - beta2) * g",
        "p = p - lr * (sign(c) + weight_decay * p)",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "m": "momentum: average of the gradient",
        "c": "blend of momentum and gradient",
        "beta1": "share of the momentum in the blend",
        "beta2": "share of the momentum that stays",
        "weight_decay": WEIGHT_DECAY,
    }

    lr: NonNegative = 1e-4
    beta1: Decay = 0.9
    beta2: Decay = 0.99
    weight_decay: NonNegative = 0.0

    def init(self, parameter: Tensor) -> State:
        """Return zeros for the momentum."""
        return {"m": torch.zeros_like(parameter)}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter and the momentum after one step."""
        c = average(state["m"], gradient, self.beta1)
        m = average(state["m"], gradient, self.beta2)
        return plus(parameter, -lr, add_weight_decay(c.sign(), parameter, self.weight_decay)), {"m": m}
