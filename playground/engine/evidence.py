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
from playground.engine.steppers import OneRun, RuleStepper, Schedule, TorchStepper
from playground.engine.tape import Tape, recorded
from playground.engine.update import UpdateRule
from playground.result import Status

Point = Mapping[str, Tensor]
"""Parameters, or gradients of them, by name."""


BOWL_STEPS = 200
"""After which it is told whether an optimizer comes nearer to the minimum of a bowl."""


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
        stepper, moves = self._fresh(problem), []
        for step, factor in enumerate(factors):
            module.factor, before = factor, flat(problem.parameters)
            stepper.evaluate(step)
            stepper.update(step)
            moves.append(flat(problem.parameters) - before)
        return moves

    @property
    def rate(self) -> float | None:
        """The learning rate before any schedule; None for an optimizer without one."""
        return self._fresh(Problem(_Bowl(1.0), lambda forward, _: forward())).rate(0)

    def growth(self, curvature: float, factor: float = 1.0) -> float:
        """Return by what a fresh optimizer multiplies its distance from the minimum of `curvature / 2 · x²` at a step.

        From x = 1, over the second half of 200 steps, or until the distance is beyond 1e±100.

        :param factor: on its learning rate.
        """
        place = _Bowl(curvature)
        stepper = self._fresh(Problem(place, lambda forward, _: forward()), lambda _: factor)
        distances = [1.0]
        while len(distances) <= BOWL_STEPS and 1e-100 < distances[-1] < 1e100:
            stepper.evaluate(len(distances) - 1)
            stepper.update(len(distances) - 1)
            distances.append(abs(place.x.item()))
        early, late = (_farthest(distances, quarter) for quarter in (1, 3))
        return float((distances[late] / distances[early]) ** (1 / (late - early)))

    def _fresh(self, problem: Problem, schedule: Schedule | None = None) -> OneRun:
        """Return a stepper with a new optimizer of the run's kind."""
        kind = RuleStepper if isinstance(self.optimizer, UpdateRule) else TorchStepper
        return kind(problem, self.optimizer, schedule)

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


class _Bowl(nn.Module):
    """The loss `curvature / 2 · x²`, from x = 1."""

    def __init__(self, curvature: float) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self._curvature = curvature

    def forward(self) -> Tensor:
        return self._curvature / 2 * self.x.square()


def _farthest(distances: Sequence[float], quarter: int) -> int:
    """Return where in a quarter, counted from 0, the distance is largest: between two of them it swings as well."""
    first, end = (len(distances) * each // 4 for each in (quarter, quarter + 1))
    return max(range(min(first, end - 1), end), key=distances.__getitem__)
