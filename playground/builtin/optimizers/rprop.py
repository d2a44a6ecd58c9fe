"""Rprop: step sizes that adapt to the signs of the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from playground.builtin.optimizers.fused import SYMBOLS, NonNegative, Positive
from playground.core.update import Hyperparameter, State, UpdateRule
from playground.errors import ComponentError, Fault


@dataclass(frozen=True)
class Rprop(UpdateRule):
    """Step by a size for each entry: it grows while the gradient keeps its sign and shrinks when the sign flips.

    :param lr: the first step size; a schedule does not change the adapted sizes.
    :param eta_minus: factor on the step size when the sign flips.
    :param eta_plus: factor on the step size while the sign stays.
    :param step_size_min: smallest step size.
    :param step_size_max: largest step size.
    :raises ComponentError: `step_size_min` above `step_size_max`.

    Source: Riedmiller & Braun 1993, in the variant iRprop− of Igel & Hüsken 2000, as in `torch.optim.Rprop`: after a
    flip the entry rests for one step. For full batches only: the noise of mini-batches flips signs.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "a = g * g_last",
        "s = min(max(s * (eta_plus if a > 0 else eta_minus if a < 0 else 1), step_size_min), step_size_max)",
        "g_last = 0 if a < 0 else g",
        "p = p - s * sign(g_last)",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        **SYMBOLS,
        "a": "agreement: above 0 where the sign stayed, below 0 where it flipped",
        "s": "step size of each entry; lr at first",
        "g_last": "the last gradient, 0 where the sign flipped",
        "eta_minus": "factor on the step size after a flip",
        "eta_plus": "factor on the step size otherwise",
        "step_size_min": "smallest step size",
        "step_size_max": "largest step size",
    }
    torch_state: ClassVar[Mapping[str, str]] = {"step_size": "s", "prev": "g_last"}

    lr: NonNegative = 1e-2
    eta_minus: Annotated[float, Gt(0), Lt(1)] = 0.5
    eta_plus: Annotated[float, Gt(1)] = 1.2
    step_size_min: NonNegative = 1e-6
    step_size_max: Positive = 50.0

    def __post_init__(self) -> None:
        bounds = (self.step_size_min, self.step_size_max)
        if not any(isinstance(bound, Tensor) for bound in bounds) and self.step_size_min > self.step_size_max:
            message = f"step_size_min {self.step_size_min:g} is above step_size_max {self.step_size_max:g}"
            raise ComponentError(Fault(message, path=("step_size_min",)))

    def init(self, parameter: Tensor) -> State:
        """Return `lr` for the step sizes and zeros for the last gradient."""
        zeros = torch.zeros_like(parameter)
        return {"s": zeros + self.lr, "g_last": zeros}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter, the step sizes and the last gradient after one step."""
        agreement = gradient * state["g_last"]
        stayed, flipped = agreement > 0, agreement < 0
        s = state["s"]
        s = torch.where(stayed, s * self.eta_plus, torch.where(flipped, s * self.eta_minus, s))
        s = s.clamp(min=self.step_size_min).clamp(max=self.step_size_max)
        g = torch.where(flipped, 0.0, gradient)
        return torch.addcmul(parameter, g.sign(), s, value=-1), {"s": s, "g_last": g}
