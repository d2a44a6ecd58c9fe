"""Adam and AdamW, which differ in where weight decay enters."""

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
    is_zero,
    plus_ratio,
)
from playground.core.update import Hyperparameter, State, UpdateRule

_STEP = (
    "m = beta1 * m + (1 - beta1) * g",
    "v = beta2 * v + (1 - beta2) * g**2",
    "v_max = max(v_max, v) if amsgrad else v",
    "m_hat = m / (1 - beta1**t)",
    "v_hat = v_max / (1 - beta2**t)",
    "p = p - lr * m_hat / (sqrt(v_hat) + eps)",
)

_SYMBOLS = {
    **SYMBOLS,
    "m": "first moment: average of the gradient",
    "v": "second moment: average of the squared gradient",
    "v_max": "largest second moment so far",
    "m_hat": "first moment, corrected for its start at zero",
    "v_hat": "second moment, corrected for its start at zero",
    "t": "number of the step, from 1",
    "beta1": "share of the first moment that stays",
    "beta2": "share of the second moment that stays",
    "amsgrad": "whether to divide by the largest second moment so far",
    "weight_decay": WEIGHT_DECAY,
    "eps": "keeps the division finite",
}


@dataclass(frozen=True)
class _Moments(UpdateRule):
    """The common part of Adam and AdamW: everything but the weight decay."""

    symbols: ClassVar[Mapping[str, str]] = _SYMBOLS
    torch_state: ClassVar[Mapping[str, str]] = {"exp_avg": "m", "exp_avg_sq": "v", "max_exp_avg_sq": "v_max"}

    lr: NonNegative = 1e-3
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    eps: NonNegative = 1e-8
    amsgrad: bool = False

    def init(self, parameter: Tensor) -> State:
        """Return zeros for the moments."""
        symbols = ("m", "v", "v_max") if self.amsgrad else ("m", "v")
        return {symbol: torch.zeros_like(parameter) for symbol in symbols}

    def _step(self, p: Tensor, g: Tensor, state: State, t: int, lr: Hyperparameter) -> tuple[Tensor, State]:
        """Return the parameter and the moments after step number `t`, counted from 1."""
        m = average(state["m"], g, self.beta1)
        v = average_square(state["v"], g, self.beta2)
        after = {"m": m, "v": v}
        if self.amsgrad:
            v = after["v_max"] = torch.maximum(state["v_max"], v)
        deviation = v.sqrt() / (1 - self.beta2**t) ** 0.5 + self.eps
        return plus_ratio(p, -lr / (1 - self.beta1**t), m, deviation), after


@dataclass(frozen=True)
class Adam(_Moments):
    """Step along the average gradient, divided by the root of the average squared gradient.

    :param lr: learning rate; no step is much longer.
    :param beta1: share of the first moment (average gradient) that stays at each step.
    :param beta2: share of the second moment (average squared gradient) that stays at each step.
    :param eps: keeps the division finite.
    :param amsgrad: divide by the largest second moment so far, so that the rate never rises again.
    :param weight_decay: adds `weight_decay · p` to the gradient.

    Source: Kingma & Ba 2015, Algorithm 1, with eps added to the root of the *corrected* second moment (the variant at
    the end of their section 2 adds it before). AMSGrad: Reddi, Kale & Kumar 2018, corrected for the start at zero as in
    `torch.optim.Adam`.
    """

    formula: ClassVar[tuple[str, ...]] = ("g = g + weight_decay * p", *_STEP)

    weight_decay: NonNegative = 0.0

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter and the moments after one step."""
        g = add_weight_decay(gradient, parameter, self.weight_decay)
        return self._step(parameter, g, state, step + 1, lr)


@dataclass(frozen=True)
class AdamW(_Moments):
    """Adam with decoupled weight decay: the parameter shrinks separately, and the moments do not include the decay.

    :param lr: learning rate; no step is much longer.
    :param beta1: share of the first moment (average gradient) that stays at each step.
    :param beta2: share of the second moment (average squared gradient) that stays at each step.
    :param eps: keeps the division finite.
    :param amsgrad: divide by the largest second moment so far, so that the rate never rises again.
    :param weight_decay: multiplies the parameter by `1 − lr · weight_decay` before each step.

    Source: Loshchilov & Hutter 2019, Algorithm 2; as in `torch.optim.AdamW`, the decay is multiplied by the whole
    learning rate, not only by its schedule.
    """

    formula: ClassVar[tuple[str, ...]] = ("p = p - lr * weight_decay * p", *_STEP)

    weight_decay: NonNegative = 1e-2

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter and the moments after one step."""
        p = parameter if is_zero(self.weight_decay) else parameter * (1 - lr * self.weight_decay)
        return self._step(p, gradient, state, step + 1, lr)
