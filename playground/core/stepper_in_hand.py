"""Makes steps with a `torch.optim.Optimizer` that may have made steps before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from playground.core.problem import Problem
from playground.core.steppers import TorchStepper
from playground.core.update import UpdateRule


class StepperInHand(TorchStepper):
    """Continues an optimizer from its present state.

    :param optimizer: holds parameters of the problem.
    :param rule: the update rule that equals the optimizer, whose symbols name its state; None if none is known.
    """

    def __init__(self, problem: Problem, optimizer: torch.optim.Optimizer, rule: UpdateRule | None = None) -> None:
        with keep_modes(problem.module):
            super().__init__(problem, lambda _: optimizer)
        self._rule = rule

    def memory(self) -> list[Mapping[str, Any]]:
        """Return the optimizer's state of each parameter, by the rule's symbols if there is a rule."""
        states = super().memory()
        if (rule := self._rule) is None:
            return states
        named = [{rule.torch_state[key]: state[key] for key in state if key in rule.torch_state} for state in states]
        return [{**rule.init(p.detach()), **state} for p, state in zip(self.parameters, named, strict=True)]

    def rate(self, step: int) -> float | None:
        """Return the rate that all groups share; None if they differ."""
        rates = {float(group["lr"]) for group in self.optimizer.param_groups if group.get("lr") is not None}
        return rates.pop() if len(rates) == 1 else None


@contextmanager
def keep_modes(module: nn.Module) -> Iterator[None]:
    """Restore the training or evaluation mode of each part of a module at the end of a `with` block."""
    modes = [(part, part.training) for part in module.modules()]
    yield
    for part, mode in modes:
        part.training = mode


def count_steps(state: Mapping[str, Any]) -> int:
    """Return how many steps an optimizer has made with a parameter: what its state counts, or whether it has a state.

    :param state: the optimizer's of this parameter.
    """
    count = state.get("step", int(bool(state)))
    return int(count) if isinstance(count, int | float | Tensor) else 0
