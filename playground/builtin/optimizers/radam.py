"""RAdam: Adam with a rectified variance."""

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
)
from playground.core.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class RAdam(UpdateRule):
    """Adam whose division is rectified: omitted while too few gradients are known (`rho <= 5`), then phased in by `r`.

    :param lr: learning rate.
    :param beta1: share of the first moment (average gradient) that stays at each step.
    :param beta2: share of the second moment (average squared gradient) that stays at each step.
    :param eps: keeps the division finite; added to the uncorrected root, as in `torch.optim.RAdam`.
    :param weight_decay: adds `weight_decay · p` to the gradient.

    Source: Liu, Jiang, He, Chen, Liu, Gao & Han 2020, Algorithm 2, with the threshold 5 of the authors' program (the
    paper's is 4).
    """

    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay * p",
        "m = beta1 * m + (1 - beta1) * g",
        "v = beta2 * v + (1 - beta2) * g**2",
        "m_hat = m / (1 - beta1**t)",
        "rho_inf = 2 / (1 - beta2) - 1",
        "rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)",
        "r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) if rho > 5 else 1",
        "d = r * sqrt(1 - beta2**t) * m_hat / (sqrt(v) + eps) if rho > 5 else m_hat",
        "p = p - lr * d",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "m": "first moment: average of the gradient",
        "v": "second moment: average of the squared gradient",
        "m_hat": "first moment, corrected for its start at zero",
        "rho": "number of gradients that the second moment averages",
        "rho_inf": "the same after infinitely many steps",
        "r": "rectification: how far the variance is to be trusted",
        "d": "direction",
        "t": "number of the step, from 1",
        "beta1": "share of the first moment that stays",
        "beta2": "share of the second moment that stays",
        "weight_decay": WEIGHT_DECAY,
        "eps": "keeps the division finite",
    }
    torch_state: ClassVar[Mapping[str, str]] = {"exp_avg": "m", "exp_avg_sq": "v"}

    lr: NonNegative = 1e-3
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0

    def init(self, parameter: Tensor) -> State:
        """Return zeros for the moments."""
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter and the moments after one step."""
        t = step + 1
        g = add_weight_decay(gradient, parameter, self.weight_decay)
        m = average(state["m"], g, self.beta1)
        v = average_square(state["v"], g, self.beta2)
        stride = m / (1 - self.beta1**t) * lr
        return parameter - _rectify(stride, v, t, self.beta2, self.eps), {"m": m, "v": v}


def _rectify(stride: Tensor, v: Tensor, t: int, beta2: Hyperparameter, eps: Hyperparameter) -> Tensor:
    """`stride · √(1 − β2ᵗ) / (√v + eps) · r` where `rho > 5`, else the stride unchanged."""
    correction = 1 - beta2**t
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / correction
    if not isinstance(rho, Tensor) and rho <= 5:
        return stride
    r = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
    rectified = stride * (correction**0.5 / (v.sqrt() + eps)) * r
    # With one beta2 per run, some runs may be rectified and others not; r is NaN where it is not used.
    return torch.where(rho > 5, rectified, stride) if isinstance(rho, Tensor) else rectified
