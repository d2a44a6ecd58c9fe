"""Steppers for one run: with an update rule or any `torch.optim.Optimizer`."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from playground.core import gradients
from playground.core.gradients import Clip, Gradients
from playground.core.problem import Problem, require_differentiable
from playground.core.seeding import preserve_torch_stream
from playground.core.torch_compiler import without_torch_compiler
from playground.core.update import State, UpdateRule

Schedule = Callable[[int], float]
"""The factor on the learning rate at each step."""

OptimizerFactory = Callable[[list[Tensor]], torch.optim.Optimizer]
"""A `torch.optim.Optimizer` class with all arguments except the parameters bound."""


class OneRun(ABC):
    """Evaluates a problem with the module's own parameters; subclasses update them.

    :param problem: the loss to minimize.
    :param clip: limits on the gradient.
    """

    def __init__(self, problem: Problem, clip: Clip | None = None) -> None:
        self.problem = problem
        self.evaluations = 0
        self.parameters = list(problem.parameters.values())
        self.gradients: Gradients = ()
        self.loss = torch.tensor(torch.nan)
        self._clip = clip
        self._batches = problem.batches
        problem.module.train()

    @property
    def has_clip(self) -> bool:
        """Whether the gradient is limited."""
        return self._clip is not None

    def evaluate(self, step: int) -> float:
        """Run forward and backward on the batch of `step`; return the loss before the update."""
        self.evaluations += 1
        self.loss = require_differentiable(self.problem.loss(self.problem.module, self._batches.at(step)))
        found: Gradients = torch.autograd.grad(self.loss, self.parameters, allow_unused=True)
        self.gradients = found if self._clip is None else self._clip(found)
        return self.loss.item()

    def gradient_norm(self) -> float:
        """Return the Euclidean norm of the gradient computed by `evaluate`."""
        return gradients.norm(self.gradients).item()

    @abstractmethod
    def update(self, step: int) -> None:
        """Update the parameters with the gradient computed by `evaluate`."""

    def memory(self) -> list[Mapping[str, Any]]:
        """Return the optimizer's state of each parameter, by symbol."""
        return [{} for _ in self.parameters]

    def memory_root(self) -> Any:
        """Return the object that holds what the optimizer remembers between steps; the compiled engine walks it."""
        return None

    def rate(self, step: int) -> float | None:
        """Return the learning rate of a step, including the schedule's factor; None if there is no single rate."""
        return None

    def full_loss(self) -> float:
        """Return the loss of the current parameters over all data; the module is in evaluation mode meanwhile."""
        with preserve_torch_stream(self.parameters[0].device):
            loss = self._evaluate_all()
        self.problem.module.train()
        return loss

    def finish(self) -> float:
        """Return the loss of the current parameters over all data, with the module in evaluation mode."""
        self.evaluations += 1
        return self._evaluate_all()

    def _evaluate_all(self) -> float:
        self.problem.module.eval()
        with torch.no_grad():
            return self.problem.loss(self.problem.module, self._batches.data).item()


class RestingStepper(OneRun):
    """Does not update anything: for problems that are only evaluated."""

    def update(self, step: int) -> None:
        """Leave the parameters unchanged."""


class RuleStepper(OneRun):
    """Updates the parameters by an update rule.

    :param rule: the update rule.
    :param schedule: factor on the rule's learning rate; None for a constant rate.
    """

    def __init__(
        self, problem: Problem, rule: UpdateRule, schedule: Schedule | None = None, clip: Clip | None = None
    ) -> None:
        super().__init__(problem, clip)
        self._rule = rule
        self._schedule = schedule
        self._states: dict[Tensor, State] = {parameter: rule.init(parameter.detach()) for parameter in self.parameters}

    def update(self, step: int) -> None:
        """Update every parameter that has a gradient."""
        rule, states = self._rule, self._states
        lr = self.rate(step)
        with torch.no_grad():
            for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
                if gradient is not None:
                    moved, states[parameter] = rule.update(parameter, gradient, states[parameter], step, lr)
                    parameter.copy_(moved)

    def memory(self) -> list[Mapping[str, Any]]:
        """Return the rule's state of each parameter."""
        return list(self._states.values())

    def memory_root(self) -> Any:
        """Return the states of all parameters."""
        return self._states

    def rate(self, step: int) -> Any:
        """Return the rule's rate times the schedule's factor."""
        return self._rule.lr if self._schedule is None else self._rule.lr * self._schedule(step)


class TorchStepper(OneRun):
    """Updates the parameters by a `torch.optim.Optimizer`, including those that call the closure several times.

    :param factory: creates the optimizer from the parameters.
    :param schedule: factor on each group's own learning rate; None for a constant rate.
    """

    def __init__(
        self, problem: Problem, factory: OptimizerFactory, schedule: Schedule | None = None, clip: Clip | None = None
    ) -> None:
        super().__init__(problem, clip)
        with without_torch_compiler():
            self.optimizer = factory(self.parameters)
        self._takes_closure = bool(inspect.signature(self.optimizer.step).parameters)
        self._schedule = schedule
        self._rates = [group["lr"] for group in self.optimizer.param_groups] if schedule else []
        self._mode("train")

    def update(self, step: int) -> None:
        """Make one step of the optimizer; the first call of its closure returns the loss that is already known."""
        if self._schedule is not None:
            for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * self._schedule(step)
        self._hand_over_gradients()
        known = [self.loss]
        with without_torch_compiler():
            if self._takes_closure:
                self.optimizer.step(partial(self._closure, step, known))  # type: ignore[arg-type]
            else:
                self.optimizer.step()

    def memory(self) -> list[Mapping[str, Any]]:
        """Return the optimizer's own state of each parameter."""
        return [self.optimizer.state.get(parameter, {}) for parameter in self.parameters]

    def memory_root(self) -> Any:
        """Return the optimizer."""
        return self.optimizer

    def rate(self, step: int) -> float | None:
        """Return the first group's rate at the last step."""
        rate = self.optimizer.param_groups[0].get("lr")
        return None if rate is None else float(rate)

    def _closure(self, step: int, known: list[Tensor]) -> Tensor:
        if known:
            return known.pop()
        with torch.enable_grad():
            self.evaluate(step)
        self._hand_over_gradients()
        return self.loss

    def _hand_over_gradients(self) -> None:
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradients.copy_gradient(gradient, parameter)

    def finish(self) -> float:
        """Finish the run; schedule-free optimizers first switch to their averaged parameters."""
        self._mode("eval")
        return super().finish()

    def _mode(self, name: str) -> None:
        if callable(switch := getattr(self.optimizer, name, None)):
            switch()


def make_stepper(
    problem: Problem, optimizer: UpdateRule | OptimizerFactory, schedule: Schedule | None, clip: Clip | None
) -> OneRun:
    """Return the stepper that fits an optimizer."""
    if isinstance(optimizer, UpdateRule):
        return RuleStepper(problem, optimizer, schedule, clip)
    return TorchStepper(problem, optimizer, schedule, clip)
