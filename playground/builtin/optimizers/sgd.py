"""Gradient descent with momentum."""

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
    is_zero,
    plus,
)
from playground.core.update import Hyperparameter, State, UpdateRule
from playground.errors import ComponentError, Fault


@dataclass(frozen=True)
class SGD(UpdateRule):
    """Step against the gradient, or against a running sum of gradients: momentum.

    :param lr: learning rate: the length of a step per unit of gradient.
    :param momentum: share of the velocity that stays at each step; 0 is plain gradient descent.
    :param dampening: share of each gradient, except the first, that does not enter the velocity; no effect without
        momentum.
    :param nesterov: use the gradient ahead, at the end of the momentum's step; needs momentum, and no dampening.
    :param weight_decay: adds `weight_decay · p` to the gradient.
    :raises ComponentError: `nesterov` without momentum or with dampening.

    Source: Polyak 1964 (momentum); Nesterov 1983 in the form of Sutskever, Martens, Dahl & Hinton 2013. As in
    `torch.optim.SGD`, the learning rate multiplies the velocity, not the gradient that enters it.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay * p",
        "b = momentum * b + (1 - dampening) * g if t > 1 and momentum > 0 else g",
        "d = g + momentum * b if nesterov else b",
        "p = p - lr * d",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "b": "velocity",
        "d": "direction",
        "t": "number of the step, from 1",
        "momentum": "share of the velocity that stays",
        "dampening": "share of the gradient that stays out",
        "nesterov": "whether to look ahead",
        "weight_decay": WEIGHT_DECAY,
    }
    torch_state: ClassVar[Mapping[str, str]] = {"momentum_buffer": "b"}

    lr: NonNegative = 1e-3
    momentum: Decay = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0

    def __post_init__(self) -> None:
        if self.nesterov and (is_zero(self.momentum) or not is_zero(self.dampening)):
            raise ComponentError(Fault("nesterov needs momentum above 0 and dampening 0", path=("nesterov",)))

    def init(self, parameter: Tensor) -> State:
        """Return a velocity of zero, or nothing without momentum."""
        return {} if is_zero(self.momentum) else {"b": torch.zeros_like(parameter)}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter and the velocity after one step."""
        g = add_weight_decay(gradient, parameter, self.weight_decay)
        if not state:
            return plus(parameter, -lr, g), {}
        share = 1.0 if step == 0 else _share(self.momentum, self.dampening)
        b = plus(self.momentum * state["b"], share, g)
        d = plus(g, self.momentum, b) if self.nesterov else b
        return plus(parameter, -lr, d), {"b": b}

    def stability_bound(self, curvature: float) -> float | None:
        """Return the learning rate above which the rule diverges on `curvature / 2 · x²`.

        With c = curvature + weight_decay and μ = momentum: `2 (1 + μ) / ((1 − dampening) c)` (plain: `2 / c`), and `2
        (1 + μ) / ((1 + 2μ) c)` for Nesterov: at this rate, a root of the recurrence's characteristic polynomial leaves
        the unit circle at −1.

        :param curvature: the second derivative; in more dimensions, the largest eigenvalue of the Hessian.
        :returns: the bound; None if there is no single one: μ ≥ 1, c ≤ 0, dampening ≥ 1, or values per run.
        """
        if any(isinstance(value, Tensor) for value in (self.momentum, self.dampening, self.weight_decay)):
            return None
        c, mu = curvature + self.weight_decay, self.momentum
        pull = c if mu == 0 else (1 + 2 * mu) * c if self.nesterov else (1 - self.dampening) * c
        return 2 * (1 + mu) / pull if pull > 0 and mu < 1 else None


def _share(momentum: Hyperparameter, dampening: Hyperparameter) -> Hyperparameter:
    """The share of the gradient that enters the velocity: `1 − dampening`; 1 for runs without momentum."""
    if isinstance(momentum, Tensor) and not is_zero(dampening):
        return 1 - dampening * (momentum != 0).to(momentum.dtype)
    return 1 - dampening
