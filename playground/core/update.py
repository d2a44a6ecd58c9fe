"""Update rules: how a parameter changes, given its gradient. Pure and elementwise.

A rule is a frozen dataclass whose fields are its hyperparameters. `update` only reads, adds and multiplies them, so a
field may also be a tensor that broadcasts against the parameter. The same formula then serves ten thousand runs, each
with its own learning rate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

State = dict[str, Tensor]
"""The state of one parameter between steps, by symbol: `{"m": ..., "v": ...}`."""

Hyperparameter = float | Tensor
"""A number, or a tensor of numbers that broadcasts against the parameter (one per run)."""


class UpdateRule(ABC):
    """How one parameter is updated, given its gradient; subclasses are frozen dataclasses of hyperparameters."""

    formula: ClassVar[tuple[str, ...]]
    """The update, one assignment per line, in the symbols of `symbols`; `p` is the parameter, `g` the gradient."""

    symbols: ClassVar[Mapping[str, str]]
    """The meaning of each symbol in the formula: `{"m": "first moment", "lr": "learning rate", ...}`."""

    torch_state: ClassVar[Mapping[str, str]] = {}
    """For a rule that equals the class of the same name in `torch.optim`: the symbol of each entry of its state."""

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
        """Return the parameter and the state after one step; the arguments are not modified.

        :param parameter: shape S.
        :param gradient: shape S.
        :param state: the result of `init` or of the previous `update`.
        :param step: counts from 0.
        :param lr: the learning rate of this step, including the schedule's factor.
        :returns: the new parameter, shape S, and the new state.
        """

    def stability_bound(self, curvature: float) -> float | None:
        """Return the rate above which the rule diverges on `curvature / 2 · x²`; None if no bound is known."""
        return None


UpdateRuleType = TypeVar("UpdateRuleType", bound=UpdateRule)


def rule_signature(rule: UpdateRule) -> Hashable:
    """Return what rules must share to update runs in one batch: their class, and every non-numeric hyperparameter."""
    return type(rule), tuple((name, value) for name, value in _values(rule).items() if not _is_number(value))


def stack_rules(rules: Sequence[UpdateRuleType]) -> UpdateRuleType:
    """Return one rule for many runs: equal numbers stay numbers, all others become tensors.

    :param rules: one for each run, all with the same `rule_signature`.
    :returns: a rule whose tensors have shape `(runs,)`, float64.
    """
    first = rules[0]
    columns = {
        name: [getattr(rule, name) for rule in rules] for name, value in _values(first).items() if _is_number(value)
    }
    differing = {name: column for name, column in columns.items() if len(set(column)) > 1}
    changes = {name: torch.tensor(column, dtype=torch.float64) for name, column in differing.items()}
    return replace(first, **changes) if changes else first  # type: ignore[type-var]


def _values(rule: UpdateRule) -> dict[str, object]:
    return {field.name: getattr(rule, field.name) for field in fields(rule)}  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
