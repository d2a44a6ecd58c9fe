"""Small descents for the optimizer contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

from playground.core.problem import BatchTensors, Forward, Problem
from playground.core.steppers import RuleStepper, TorchStepper
from playground.core.update import UpdateRule
from playground.testing.differentiable import ValuesModule

START: Final = torch.tensor([[1.1, -0.7, 0.3], [-1.3, 0.9, 0.6]], dtype=torch.float64)
"""A matrix, because some optimizers update only matrices."""


def quadratic(low: float, high: float, start: Tensor = START) -> Problem:
    """Return Σ c x²/2 over the entries of x, from `start`, with curvatures c evenly spaced on a log scale."""
    curvatures = torch.logspace(0, 1, start.numel(), base=high / low, dtype=start.dtype).reshape(start.shape) * low

    def loss(module: Forward, batch: BatchTensors) -> Tensor:
        return (curvatures * module() ** 2).sum() / 2

    return Problem(ValuesModule(start), loss)


class _BowlWithUnused(ValuesModule):
    """Has an additional parameter that the loss does not depend on."""

    def __init__(self) -> None:
        super().__init__(START)
        self.unused = nn.Parameter(START.clone())


def bowl_with_unused() -> Problem:
    """Return a bowl with an additional parameter, `unused`."""
    return Problem(_BowlWithUnused(), lambda module, batch: (module() ** 2).sum() / 2)


def descend(problem: Problem, optimizer: UpdateRule | Callable[[Any], torch.optim.Optimizer], steps: int) -> Tensor:
    """Make `steps` updates and return the problem's `values`."""
    paths(problem, optimizer, steps)
    return problem.parameters["values"].detach()


def paths(problem: Problem, optimizer: UpdateRule | Callable[[Any], torch.optim.Optimizer], steps: int) -> Tensor:
    """Make `steps` updates; return the first entry of the problem's `values` before each, shape `(steps,)`."""
    if isinstance(optimizer, UpdateRule):
        stepper: RuleStepper | TorchStepper = RuleStepper(problem, optimizer)
    else:
        stepper = TorchStepper(problem, optimizer)
    seen = []
    for step in range(steps):
        seen.append(problem.parameters["values"].detach().flatten()[0].clone())
        stepper.evaluate(step)
        stepper.update(step)
    return torch.stack(seen)


class SingleDescent:
    """A torch optimizer with its own quadratic, stepped as in torch's tutorials.

    :param factory: makes the optimizer.
    :param start: the initial values.
    """

    def __init__(self, factory: Callable[[Any], torch.optim.Optimizer], start: Tensor = START) -> None:
        self.values = start.clone().requires_grad_()
        self.optimizer = factory([self.values])

    def evaluate(self) -> Tensor:
        """Return the loss, with its gradient in `.grad`."""
        self.optimizer.zero_grad()
        loss = (self.values**4).sum() / 4
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def walk(self, steps: int) -> None:
        """Make `steps` updates."""
        for _ in range(steps):
            self.optimizer.step(self.evaluate)  # type: ignore[arg-type]


def descend_in_groups(factory: Callable[[Any], torch.optim.Optimizer], share: float) -> tuple[Tensor, Tensor]:
    """Update two parameter groups of one optimizer and return their values.

    :param share: the learning rate of the first group, as a share of the usual one.
    """
    one, other = START.clone().requires_grad_(), START.clone().requires_grad_()
    rate = factory([START.clone().requires_grad_()]).param_groups[0]["lr"]
    optimizer = factory([{"params": [one], "lr": share * rate}, {"params": [other]}])
    for _ in range(3):
        optimizer.zero_grad()
        ((one**4).sum() / 4 + (other**4).sum() / 4).backward()  # type: ignore[no-untyped-call]
        optimizer.step(lambda: 0.0)
    return one.detach(), other.detach()
