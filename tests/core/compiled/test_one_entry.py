"""Which optimizers do the same to each entry of the parameters: tried, not known by name."""

from functools import partial

import numpy as np
import pytest
import torch

from playground.builtin import models, optimizers
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.one_entry import record_rule
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.gradients import Clip
from playground.core.movers import make_mover
from playground.core.problem import Batches, Problem

RULES = [getattr(optimizers, name) for name in optimizers.__all__]
TORCH = ("SGD", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "ASGD")


def spec_of(optimizer, dtype=torch.float32, clip=None, scheduled=False):
    torch.manual_seed(0)
    module = models.mlp(2, 1, hidden=(3,)).to(dtype)
    data = Batches((torch.ones(4, 2, dtype=dtype), torch.ones(4, 1, dtype=dtype)))
    problem = Problem(module, lambda forward, batch: (forward(batch[0]) - batch[1]).square().mean(), data)
    mover = make_mover([optimizer])
    return DescentSpec(problem, mover.with_lanes(tuple(mover.numbers), 1), scheduled, clip)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    "rule", [*RULES, *(getattr(torch.optim, name) for name in TORCH)], ids=lambda rule: rule.__name__
)
def test_everything_that_moves_entry_by_entry(rule, dtype) -> None:
    optimizer = rule(lr=0.01) if rule in RULES else partial(rule, lr=0.01)
    phases = record_rule(spec_of(optimizer, dtype), [1.0] * 40)
    assert len(phases.end) == 1
    assert set(phases.which) == set(range(len(phases.steps)))


def test_schedules() -> None:
    spec = spec_of(optimizers.Adam(lr=0.1), scheduled=True)
    factors = np.linspace(1, 0.1, 30).tolist()
    assert record_rule(spec, factors).inputs["factor",].tolist() == factors


def test_limits_on_the_gradient_stay_outside() -> None:
    plain, clipped = (
        record_rule(spec_of(optimizers.SGD(lr=0.1), clip=clip), [1.0] * 20) for clip in (None, Clip(0.1, 1))
    )
    assert [step.outputs for step in plain.steps] == [step.outputs for step in clipped.steps]


class OfTensors(torch.optim.Optimizer):
    """Moves each tensor by a function of its gradient."""

    def __init__(self, parameters, lr=0.1):
        super().__init__(list(parameters), {"lr": lr})

    def scale(self, parameter):
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * self.scale(parameter) * parameter.grad


class TrustRatio(OfTensors):
    def scale(self, parameter):
        return parameter.norm() / (parameter.grad.norm() + 1e-6)


class ByAxes(OfTensors):
    def scale(self, parameter):
        return 2.0 if parameter.dim() > 1 else 1.0


class BySize(OfTensors):
    def scale(self, parameter):
        return 1 / parameter.numel()


class Centered(OfTensors):
    def scale(self, parameter):
        return (parameter.grad - parameter.grad.mean()) / (parameter.grad.abs() + 1)


class AfterAWhile(OfTensors):
    """Takes the whole tensor into account from step 20 on."""

    def step(self, closure=None):
        self.made = getattr(self, "made", 0) + 1
        super().step(closure)

    def scale(self, parameter):
        return parameter.norm() if self.made > 20 else 1.0


class NeighbouringTensors(torch.optim.SGD):
    """Moves each tensor by the mean gradient of all of them."""

    @torch.no_grad()
    def step(self, closure=None):
        parameters = self.param_groups[0]["params"]
        mean = torch.stack([each.grad.mean() for each in parameters]).mean()
        for each in parameters:
            each -= self.param_groups[0]["lr"] * mean


class ReadsTheLoss(torch.optim.SGD):
    """Moves by a rate that the loss determines."""

    @torch.no_grad()
    def step(self, closure):
        loss = closure()
        for each in self.param_groups[0]["params"]:
            each -= self.param_groups[0]["lr"] * loss * each.grad


class Twice(torch.optim.SGD):
    """Evaluates the loss again after its step."""

    def step(self, closure):
        closure()
        super().step()
        return closure()


COUPLED = [TrustRatio, ByAxes, BySize, Centered, AfterAWhile, NeighbouringTensors, ReadsTheLoss, Twice]
if hasattr(torch.optim, "Adafactor"):
    COUPLED.append(torch.optim.Adafactor)
COUPLED.append(torch.optim.LBFGS)


@pytest.mark.parametrize("kind", COUPLED, ids=lambda kind: kind.__name__)
def test_entries_that_depend_on_one_another(kind) -> None:
    with pytest.raises(CannotCompileError):
        record_rule(spec_of(partial(kind, lr=0.1)), [1.0] * 40)


def test_too_late_to_try() -> None:
    class Late(OfTensors):
        made = 0

        def step(self, closure=None):
            self.made += 1
            super().step(closure)

        def scale(self, parameter):
            return 2.0 if self.made > 900 else 1.0

    with pytest.raises(CannotCompileError, match="something new"):
        record_rule(spec_of(partial(Late, lr=0.1)), [1.0] * 1000)
