"""Adamax: Adam with the largest gradient in place of the average square."""

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
    plus_ratio,
)
from playground.core.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class Adamax(UpdateRule):
    """Step along the average gradient, divided by the largest recent gradient.

    :param lr: learning rate; no step is much longer.
    :param beta1: share of the first moment (average gradient) that stays at each step.
    :param beta2: share of the largest gradient that stays at each step.
    :param eps: keeps the division finite; added to the gradient's size, as in `torch.optim.Adamax`.
    :param weight_decay: adds `weight_decay · p` to the gradient.

    Source: Kingma & Ba 2015, Algorithm 2, which has no eps.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay * p",
        "m = beta1 * m + (1 - beta1) * g",
        "u = max(beta2 * u, abs(g) + eps)",
        "m_hat = m / (1 - beta1**t)",
        "p = p - lr * m_hat / u",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "m": "first moment: average of the gradient",
        "u": "largest recent gradient",
        "m_hat": "first moment, corrected for its start at zero",
        "t": "number of the step, from 1",
        "beta1": "share of the first moment that stays",
        "beta2": "share of the largest gradient that stays",
        "weight_decay": WEIGHT_DECAY,
        "eps": "keeps the division finite",
    }
    torch_state: ClassVar[Mapping[str, str]] = {"exp_avg": "m", "exp_inf": "u"}

    lr: NonNegative = 2e-3
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0

    def init(self, parameter: Tensor) -> State:
        """Return zeros for the first moment and for the largest gradient."""
        return {"m": torch.zeros_like(parameter), "u": torch.zeros_like(parameter)}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter, the first moment and the largest gradient after one step."""
        g = add_weight_decay(gradient, parameter, self.weight_decay)
        m = average(state["m"], g, self.beta1)
        u = torch.maximum(self.beta2 * state["u"], g.abs() + self.eps)
        rate = lr / (1 - self.beta1 ** (step + 1))
        return plus_ratio(parameter, -rate, m, u), {"m": m, "u": u}
