"""What a run that ended badly can be asked, and what names a mistake: a diagnosis is true of these numbers, or absent.

Nothing here happens while a run descends: everything is evaluated afterwards, from the start and the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from playground.engine.chain import Operations
from playground.engine.problem import Problem
from playground.engine.steppers import RuleStepper, TorchStepper
from playground.engine.tape import Tape, recorded
from playground.engine.update import UpdateRule
from playground.result import Status

Point = Mapping[str, Tensor]
"""Parameters, or gradients of them, by name."""


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass over all data.

    :param gradient: by parameter; zero where the loss does not reach one.
    """

    loss: float
    gradient: Point
    tape: Tape


@dataclass(frozen=True)
class Evidence:
    """A run that is over, and what can be measured of it still.

    :param problem: with the final parameters.
    :param optimizer: an update rule, or what makes a `torch.optim.Optimizer`.
    :param start: initial parameters by name.
    :param final: those that the run ended with.
    :param first: the loss before the first step, and `last` that of the final parameters.
    :param steps: updates made.
    :param operations: what is known of torch's functions.
    """

    problem: Problem
    optimizer: Any
    start: Point
    final: Point
    first: float
    last: float
    steps: int
    status: Status
    operations: Operations

    @property
    def rose(self) -> bool:
        """Whether the loss ended above where it began, or is not a number any more."""
        return not self.last <= self.first

    @cached_property
    def at_start(self) -> Pass:
        """The pass from the initial parameters."""
        return self.at(self.start)

    @cached_property
    def at_end(self) -> Pass:
        """The pass from the final parameters."""
        return self.at(self.final)

    def at(self, parameters: Point) -> Pass:
        """Evaluate the loss elsewhere, over all data, in evaluation mode."""
        tape = Tape()
        with self._standing_at(parameters):
            leaves = list(self.problem.parameters.values())
            loss = recorded(self.problem, tape).loss(self.problem.module, self.problem.batches.data)
            found = torch.autograd.grad(loss, leaves, allow_unused=True)
        gradient = {
            name: torch.zeros_like(parameters[name]) if each is None else each.detach()
            for name, each in zip(parameters, found, strict=True)
        }
        return Pass(loss.item(), gradient, tape)

    def answers(self, factors: Sequence[float]) -> list[Tensor]:
        """Return how a fresh optimizer of this kind moves on a linear loss, a flat tensor for each step.

        The parameters are zero at first, so that decay has nothing to act on; the gradient of step k is `factors[k]`
        times that of the run's start.
        """
        module = _Slope(self.at_start.gradient)
        problem = Problem(module, lambda forward, _: forward())
        kind = RuleStepper if isinstance(self.optimizer, UpdateRule) else TorchStepper
        stepper, moves = kind(problem, self.optimizer), []
        for step, factor in enumerate(factors):
            module.factor, before = factor, flat(problem.parameters)
            stepper.evaluate(step)
            stepper.update(step)
            moves.append(flat(problem.parameters) - before)
        return moves

    @contextmanager
    def _standing_at(self, parameters: Point) -> Iterator[None]:
        self._move(parameters)
        try:
            yield
        finally:
            self._move(self.final)

    def _move(self, parameters: Point) -> None:
        with torch.no_grad():
            for name, tensor in self.problem.parameters.items():
                tensor.copy_(parameters[name])


@dataclass(frozen=True)
class Diagnoser:
    """A mistake that has a name.

    :param find: returns one sentence that is true of a run's own numbers; empty where it does not show the mistake.
    :param remedy: what helps, in one sentence.
    """

    find: Callable[[Evidence], str]
    remedy: str


def flat(point: Point) -> Tensor:
    """Return a copy of all numbers in one vector."""
    return torch.cat([tensor.detach().flatten() for tensor in point.values()]).clone()


def finite(point: Point) -> bool:
    """Whether all numbers are finite."""
    return all(bool(tensor.isfinite().all()) for tensor in point.values())


class _Slope(nn.Module):
    """A linear loss: Σ factor · g · p, from p = 0."""

    def __init__(self, gradient: Point) -> None:
        super().__init__()
        self.places = nn.ParameterList(nn.Parameter(torch.zeros_like(each)) for each in gradient.values())
        self.slopes = list(gradient.values())
        self.factor = 1.0

    def forward(self) -> Tensor:
        pairs = zip(self.slopes, self.places, strict=True)
        return torch.stack([(self.factor * slope * place).sum() for slope, place in pairs]).sum()
