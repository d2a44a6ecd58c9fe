"""Tells whether two computations of the same few steps agree to rounding.

The tolerance comes from twins: the same run from initial values changed by one ulp. What the twins differ by is the
size of effect that a single rounding can have in this run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from playground.core.problem import Problem
from playground.core.sensitivity import TOLERANCE_BY_DTYPE, append_twins
from playground.core.setting import flush_denormals
from playground.core.steppers import OneRun
from playground.core.stopping import StopMonitor, StopRules

COMPARED_STEPS = 3
"""The number of compared steps.

An error in the optimizer's state shows in the parameters at the second step, and in the loss at the third.
"""

MAX_TWIN_DEVIATIONS = 100
"""The tolerance in multiples of the twins' deviation: many operations round, the twins differ by one rounding."""


@dataclass(frozen=True)
class ComparedSteps:
    """The result of some steps of one run: the loss before the last step, the parameters and the final loss."""

    loss: Tensor
    parameters: dict[str, Tensor]
    last: Tensor
    steps: int = 0

    @property
    def numbers(self) -> list[Tensor]:
        """The numbers to compare."""
        return [self.loss, self.last, *self.parameters.values()]


@dataclass(frozen=True)
class SingleRun:
    """How to make the steps of one run in plain PyTorch.

    :param problem: of any one run.
    :param seed: of this run, for the order of its mini-batches.
    :param make: creates its stepper.
    """

    problem: Problem
    seed: int
    make: Callable[[Problem], OneRun]

    @contextmanager
    def begin(self, start: Mapping[str, Tensor]) -> Iterator[OneRun]:
        """Give the module these parameters within a `with` block, and return the stepper.

        :param start: initial parameters by name.
        """
        batches = self.problem.batches.with_seed(self.seed)
        before = {name: tensor.detach().clone() for name, tensor in self.problem.parameters.items()}
        try:
            assign_parameters(self.problem, start)
            yield self.make(replace(self.problem, batches=batches))
        finally:
            assign_parameters(self.problem, before)

    @flush_denormals()
    def compute(self, start: Mapping[str, Tensor], steps: int, rules: StopRules) -> ComparedSteps:
        """Make the first steps from a start.

        :param start: initial parameters by name.
        """
        with self.begin(start) as stepper:
            loss, watch, made = torch.nan, StopMonitor(rules), steps
            for step in range(steps):
                loss = stepper.evaluate(step)
                if watch.ends(step, loss, stepper.gradient_norm):
                    made = step
                    break
                stepper.update(step)
            last = stepper.finish()
            parameters = {name: tensor.detach().clone() for name, tensor in self.problem.parameters.items()}
        dtype = next(iter(parameters.values())).dtype  # which determines the rounding error
        return ComparedSteps(torch.tensor(loss, dtype=dtype), parameters, torch.tensor(last, dtype=dtype), made)


def assign_parameters(problem: Problem, values: Mapping[str, Tensor]) -> None:
    """Copy values into a module's parameters.

    :param values: by name.
    """
    with torch.no_grad():
        for name, tensor in problem.parameters.items():
            tensor.copy_(values[name])


def make_twins(start: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return two twins of a start: every number changed by one ulp, once up and once down in size."""
    three = append_twins({name: tensor[None] for name, tensor in start.items()})
    return [{name: tensor[i] for name, tensor in three.items()} for i in (1, 2)]


def agree_to_rounding(mine: ComparedSteps, plain: ComparedSteps, twins: Sequence[ComparedSteps]) -> bool:
    """Tell whether two results are equal up to rounding, as measured by the twins."""
    return all(
        _close(*numbers) for numbers in zip(mine.numbers, plain.numbers, *(twin.numbers for twin in twins), strict=True)
    )


def _close(mine: Tensor, plain: Tensor, *twins: Tensor) -> bool:
    tolerance = TOLERANCE_BY_DTYPE[plain.dtype]
    mine, plain = mine.double(), plain.double()
    moved = torch.stack([(twin.double() - plain).abs() for twin in twins]).amax(0).nan_to_num(nan=math.inf)
    allowed = tolerance * (1 + plain.abs()) + MAX_TWIN_DEVIATIONS * moved
    same = (mine == plain) | (mine.isnan() & plain.isnan())
    return bool((same | ((mine - plain).abs() <= allowed)).all())
