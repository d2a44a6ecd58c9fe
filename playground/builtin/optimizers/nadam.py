"""NAdam: Adam with Nesterov momentum."""

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
    average_square,
    plus_ratio,
)
from playground.core.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class NAdam(UpdateRule):
    """Adam with Nesterov momentum: uses the first moment of the next step, with a momentum that warms up.

    :param lr: learning rate; no step is much longer.
    :param beta1: share of the first moment (average gradient) that stays at each step.
    :param beta2: share of the second moment (average squared gradient) that stays at each step.
    :param eps: keeps the division finite.
    :param weight_decay: adds `weight_decay · p` to the gradient.
    :param momentum_decay: how fast the momentum `mu` rises from `beta1 / 2` to `beta1`.

    Source: Dozat 2016, Algorithm 2, with its recommended schedule for `mu`; as in `torch.optim.NAdam`, the moment
    itself decays by `beta1`, and `mu` only weights it. The product of the momenta has the precision of the parameters.
    torch keeps it in its default dtype, float32, so that its float64 runs differ from these by about 1e-10, and by more
    where the loss amplifies rounding.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay * p",
        "m = beta1 * m + (1 - beta1) * g",
        "v = beta2 * v + (1 - beta2) * g**2",
        "mu = beta1 * (1 - 0.96**(t * momentum_decay) / 2)",
        "mu_next = beta1 * (1 - 0.96**((t + 1) * momentum_decay) / 2)",
        "mu_product = mu_product * mu",
        "m_hat = mu_next * m / (1 - mu_product * mu_next) + (1 - mu) * g / (1 - mu_product)",
        "v_hat = v / (1 - beta2**t)",
        "p = p - lr * m_hat / (sqrt(v_hat) + eps)",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "m": "first moment: average of the gradient",
        "v": "second moment: average of the squared gradient",
        "mu": "momentum at this step",
        "mu_next": "momentum at the next step",
        "mu_product": "product of the momenta so far",
        "m_hat": "first moment one step ahead, corrected for its start at zero",
        "v_hat": "second moment, corrected for its start at zero",
        "t": "number of the step, from 1",
        "beta1": "share of the first moment that stays",
        "beta2": "share of the second moment that stays",
        "momentum_decay": "how fast the momentum warms up",
        "weight_decay": WEIGHT_DECAY,
        "eps": "keeps the division finite",
    }
    torch_state: ClassVar[Mapping[str, str]] = {"exp_avg": "m", "exp_avg_sq": "v", "mu_product": "mu_product"}

    lr: NonNegative = 2e-3
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    momentum_decay: NonNegative = 4e-3

    def init(self, parameter: Tensor) -> State:
        """Return zeros for the moments and ones for the product of the momenta, which has no closed form."""
        m, v = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return {"m": m, "v": v, "mu_product": torch.ones_like(parameter)}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter, the moments and the product of the momenta after one step."""
        t = step + 1
        g = add_weight_decay(gradient, parameter, self.weight_decay)
        m = average(state["m"], g, self.beta1)
        v = average_square(state["v"], g, self.beta2)
        mu, mu_next = self._momentum(t), self._momentum(t + 1)
        product = state["mu_product"] * mu
        m_hat = plus_ratio(mu_next * m / (1 - product * mu_next), 1 - mu, g, 1 - product)
        deviation = (v / (1 - self.beta2**t)).sqrt() + self.eps
        return plus_ratio(parameter, -lr, m_hat, deviation), {"m": m, "v": v, "mu_product": product}

    def _momentum(self, t: int) -> Hyperparameter:
        """The momentum at step number `t`."""
        missing: Hyperparameter = 0.96 ** (t * self.momentum_decay)
        return self.beta1 * (1 - missing / 2)
