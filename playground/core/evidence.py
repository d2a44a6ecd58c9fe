"""The measurements that a diagnosis of a finished run is based on.

A diagnosis either follows from these numbers or is not made. Nothing here happens during a descent: everything is
computed afterwards from the start and the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from playground.core.chain import Operations
from playground.core.diagnosis import last_factor
from playground.core.experiments import LeastLoss, LeastSearch, Rerunner
from playground.core.gradients import Clip
from playground.core.outputs import Floors, find_floors
from playground.core.problem import Problem
from playground.core.slopes import Mismatch, find_mismatches
from playground.core.steppers import OneRun, RuleStepper, Schedule, TorchStepper
from playground.core.tape import Tape, record_on_tape
from playground.core.update import UpdateRule
from playground.result import Status

NamedTensors = Mapping[str, Tensor]
"""Parameters, or their gradients, by name."""


BOWL_STEPS = 200
"""The number of steps after which an optimizer should be nearer to the minimum of a bowl."""


@dataclass(frozen=True)
class GradientPass:
    """One forward and backward pass over all data.

    :param gradient: by parameter; zero where the loss does not reach one.
    """

    loss: float
    gradient: NamedTensors
    tape: Tape


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A finished run and the measurements that are still possible.

    :param problem: with the final parameters.
    :param optimizer: an update rule, or a factory of a `torch.optim.Optimizer`.
    :param start: initial parameters by name.
    :param final: final parameters by name.
    :param first: the loss before the first step; `last` is that of the final parameters.
    :param steps: updates made.
    :param operations: the known operations of torch.
    :param schedule: the factor on the learning rate at each step; None for a constant rate.
    :param clip: limits on the gradient; None for none.
    :param losses: the loss before each update, as far as known.
    :param budget: the most updates that the run was allowed.
    :param measure: computes the task's metrics from parameters, by name; None without a task.
    """

    problem: Problem
    optimizer: Any
    start: NamedTensors
    final: NamedTensors
    first: float
    last: float
    steps: int
    status: Status
    operations: Operations
    schedule: Schedule | None = None
    clip: Clip | None = None
    losses: Sequence[float] = ()
    budget: int = 0
    measure: Callable[[NamedTensors], Mapping[str, Tensor]] | None = None

    @property
    def rose(self) -> bool:
        """Whether the loss ended above its initial value, or is not a number."""
        return not self.last <= self.first

    @cached_property
    def rerun(self) -> Rerunner:
        """Repeats the same descent with changes; see `core.experiments`."""
        return Rerunner(self)

    @cached_property
    def mismatches(self) -> list[Mismatch]:
        """The parameters whose slope by autograd differs from the measured slope, at the start or else at the end."""
        with self.use_parameters(self.final):
            self.problem.module.eval()
            places = (place for place in (self.start, self.final) if is_finite(place))
            return next((found for place in places if (found := list(find_mismatches(self.problem, place)))), [])

    @cached_property
    def floors(self) -> Floors | None:
        """The least losses that free predictions could reach; None if there are none, or too many."""
        if not is_finite(self.final):
            return None
        with self.use_parameters(self.final):
            self.problem.module.eval()
            return find_floors(self.problem)

    def find_least_loss(self, enough: float) -> LeastLoss | None:
        """Return the least loss that a search over the parameters finds; None if the problem is too large.

        :param enough: a loss below which the search ends; a later call with a lower value continues it.
        """
        return self._search.until(enough)

    @cached_property
    def _search(self) -> LeastSearch:
        return LeastSearch(self)

    @cached_property
    def at_start(self) -> GradientPass:
        """The pass at the initial parameters."""
        return self.evaluate_at(self.start)

    @cached_property
    def at_end(self) -> GradientPass:
        """The pass at the final parameters."""
        return self.evaluate_at(self.final)

    def evaluate_at(self, parameters: NamedTensors) -> GradientPass:
        """Evaluate the loss at other parameters, over all data, in evaluation mode."""
        tape = Tape()
        with self.use_parameters(parameters):
            leaves = list(self.problem.parameters.values())
            loss = record_on_tape(self.problem, tape).loss(self.problem.module, self.problem.batches.data)
            found = torch.autograd.grad(loss, leaves, allow_unused=True)
        gradient = {
            name: torch.zeros_like(parameters[name]) if each is None else each.detach()
            for name, each in zip(parameters, found, strict=True)
        }
        return GradientPass(loss.item(), gradient, tape)

    def probe_optimizer(self, factors: Sequence[float], **changes: float) -> list[Tensor]:
        """Return how a fresh optimizer of this kind moves on a linear loss, as a flat tensor for each step.

        The parameters start at zero, so that weight decay has no effect; the gradient of step k is `factors[k]` times
        that of the run's start.

        :param changes: hyperparameters of the optimizer to change.
        """
        module = _Slope(self.at_start.gradient)
        problem = Problem(module, lambda forward, _: forward())
        stepper, moves = self.make_stepper(problem, changes=changes), []
        for step, factor in enumerate(factors):
            module.factor, before = factor, to_vector(problem.parameters)
            stepper.evaluate(step)
            stepper.update(step)
            moves.append(to_vector(problem.parameters) - before)
        return moves

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The optimizer's numeric hyperparameters by name, including the learning rate."""
        if is_dataclass(self.optimizer):
            found = {each.name: getattr(self.optimizer, each.name) for each in fields(self.optimizer)}
        else:
            stepper = self.make_stepper(Problem(_Bowl(1.0), lambda forward, _: forward()))
            found = dict(stepper.optimizer.param_groups[0])  # type: ignore[attr-defined]
        return {name: value for name, value in found.items() if isinstance(value, float | int) and value is not True}

    @cached_property
    def rate(self) -> float | None:
        """The learning rate before any schedule; None for an optimizer without one."""
        return self.make_stepper(Problem(_Bowl(1.0), lambda forward, _: forward())).rate(0)

    @property
    def factor(self) -> float:
        """The schedule's factor on the rate of the last step made."""
        return last_factor(self.schedule, self.steps)

    def growth(self, curvature: float, factor: float = 1.0) -> float:
        """Return the factor per step on a fresh optimizer's distance from the minimum of `curvature / 2 · x²`.

        It is measured from x = 1 over the second half of 200 steps, or until the distance is beyond 1e±100.

        :param factor: on its learning rate.
        """
        place = _Bowl(curvature)
        stepper = self.make_stepper(Problem(place, lambda forward, _: forward()), lambda _: factor)
        distances = [1.0]
        while len(distances) <= BOWL_STEPS and 1e-100 < distances[-1] < 1e100:
            stepper.evaluate(len(distances) - 1)
            stepper.update(len(distances) - 1)
            distances.append(abs(place.x.item()))
        early, late = (_farthest_quarter(distances, quarter) for quarter in (1, 3))
        return float((distances[late] / distances[early]) ** (1 / (late - early)))

    def make_stepper(
        self,
        problem: Problem,
        schedule: Schedule | None = None,
        clip: Clip | None = None,
        changes: Mapping[str, float] = MappingProxyType({}),
    ) -> OneRun:
        """Return a stepper with a new optimizer of the run's kind.

        :param changes: hyperparameters to change.
        """
        if isinstance(self.optimizer, UpdateRule):
            return RuleStepper(problem, replace(self.optimizer, **changes), schedule, clip)  # type: ignore[type-var]
        stepper = TorchStepper(problem, self.optimizer, schedule, clip)
        for group in stepper.optimizer.param_groups:
            group.update(changes)
        return stepper

    @contextmanager
    def use_parameters(self, parameters: NamedTensors) -> Iterator[None]:
        """Give the module these parameters within a `with` block; afterwards restore it, including buffers and mode."""
        module = self.problem.module
        training, buffers = module.training, [(each, each.detach().clone()) for each in module.buffers()]
        self._move(parameters)
        try:
            yield
        finally:
            self._move(self.final)
            module.train(training)
            for buffer, before in buffers:
                buffer.copy_(before)

    def _move(self, parameters: NamedTensors) -> None:
        with torch.no_grad():
            for name, tensor in self.problem.parameters.items():
                tensor.copy_(parameters[name])


@dataclass(frozen=True)
class Diagnoser:
    """A mistake with a name.

    :param find: returns one sentence that follows from a run's own numbers, or "" if they do not show the mistake.
    :param remedy: the fix, in one sentence.
    :param level: 0 for root causes, higher for mistakes that may be effects of others. If a mistake is found, higher
        levels are skipped. None is always checked and hides nothing.
    """

    find: Callable[[Evidence], str]
    remedy: str
    level: int | None = None


def to_vector(point: NamedTensors) -> Tensor:
    """Return a copy of all numbers in one vector."""
    return torch.cat([tensor.detach().flatten() for tensor in point.values()]).clone()


def is_finite(point: NamedTensors) -> bool:
    """Whether all numbers are finite."""
    return all(bool(tensor.isfinite().all()) for tensor in point.values())


class _Slope(nn.Module):
    """A linear loss: Σ factor · g · p, from p = 0."""

    def __init__(self, gradient: NamedTensors) -> None:
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


def _farthest_quarter(distances: Sequence[float], quarter: int) -> int:
    """Return the step of largest distance in a quarter, counted from 0: within a quarter the distance may oscillate."""
    first, end = (len(distances) * each // 4 for each in (quarter, quarter + 1))
    return max(range(min(first, end - 1), end), key=distances.__getitem__)
