"""Update rules: how a parameter moves, given its gradient. Pure and elementwise.

A rule is a frozen dataclass whose fields are its hyperparameters. Because `update` only reads them, adds and
multiplies, a field may as well hold a tensor that broadcasts against the parameter: the same formula then serves
ten thousand runs with a rate each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

State = dict[str, Tensor]
"""What a rule remembers of one parameter between steps, by symbol: `{"m": ..., "v": ...}`."""

Hyperparameter = float | Tensor
"""A number, or a tensor of numbers that broadcasts against the parameter (one per run)."""


class UpdateRule(ABC):
    """How one parameter moves, given its gradient; subclasses are frozen dataclasses of hyperparameters."""

    formula: ClassVar[tuple[str, ...]]
    """The update in order, an assignment a line, in the symbols of `symbols`; `p` is the parameter, `g` the gradient."""

    symbols: ClassVar[Mapping[str, str]]
    """What each symbol of the formula means: `{"m": "first moment", "lr": "learning rate", ...}`."""

    lr: Hyperparameter
    """The learning rate before any schedule."""

    def init(self, parameter: Tensor) -> State:
        """Return the state before step 0.

        :param parameter: the parameter, any shape; not modified.
        :returns: tensors by symbol; empty for a rule without memory.
        """
        return {}

    @abstractmethod
    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return the parameter and the state after one step; modifies nothing it was given.

        :param parameter: shape S.
        :param gradient: shape S.
        :param state: what `init` or the previous `update` returned.
        :param step: counts from 0.
        :param lr: the learning rate of this step, the schedule's factor included.
        :returns: the new parameter, shape S, and the new state.
        """

    def stability_bound(self, curvature: float) -> float | None:
        """Return the rate beyond which the rule diverges on `curvature / 2 · x²`; None where no bound is known."""
        return None
