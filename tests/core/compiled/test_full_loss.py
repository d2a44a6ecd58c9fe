"""The losses over all data that a compiled descent keeps, compared with the same runs in plain PyTorch."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from playground.core.agreement import SingleRun
from playground.core.compiled import CompiledReplicas
from playground.core.descent import DescentTrace, descend
from playground.core.full_losses import FullLossStepper
from playground.core.movers import make_mover
from playground.core.steppers import make_stepper
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces, thin_steps

RATES = (0.003, 0.03, 0.1)
STEPS = 100


class Averaged(Optimizer):
    """Descends, and ends at the average of all steps."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        self.sums = [p.detach().clone() for p in self.param_groups[0]["params"]]
        self.count = torch.ones(())

    @torch.no_grad()
    def step(self, closure=None):
        self.count += 1
        for p, total in zip(self.param_groups[0]["params"], self.sums, strict=True):
            p.sub_(p.grad, alpha=self.param_groups[0]["lr"])
            total.add_(p)

    def train(self):
        pass

    @torch.no_grad()
    def eval(self):
        for p, total in zip(self.param_groups[0]["params"], self.sums, strict=True):
            p.copy_(0.01 * total)


class Louder(nn.Linear):
    """Doubles its output in training."""

    def forward(self, x):
        return super().forward(x) * (2.0 if self.training else 1.0)


CASES = {
    "mini-batches": (torch.optim.Adam, {"size": 2}, {}),
    "mini-batches in float32": (torch.optim.Adam, {"size": 2, "dtype": torch.float32}, {}),
    "another loss in training": (torch.optim.SGD, {"model": Louder}, {}),
    "a loss of mini-batches that is another in training": (torch.optim.SGD, {"model": Louder, "size": 2}, {}),
    "parameters that move at the end": (Averaged, {"size": 3}, {}),
    "parameters that move at the end, all data": (Averaged, {}, {}),
    "early ends": (torch.optim.Adam, {"size": 2}, {"loss": 0.02}),
    "no improvement": (Averaged, {"size": 2}, {"patience": 9}),
}


def compute_alone(problem, factory, run, start, rules):
    """Return the losses over all data of a run in plain PyTorch, NaN where it had ended."""
    single = SingleRun(problem, run, lambda of_run: make_stepper(of_run, factory, None, None))
    with single.begin(start) as stepper:
        full = FullLossStepper(stepper, STEPS, stepper.full_loss)
        descend(full, DescentTrace(STEPS, rules))
    return [full.losses.get(step, np.nan) for step in thin_steps(STEPS)]


@pytest.mark.parametrize(("kind", "problem", "rules"), CASES.values(), ids=CASES)
def test_kept_losses_are_those_of_plain_runs(kind, problem, rules, problem_of) -> None:
    problem, rules, seeds = problem_of(**problem), StopRules(**rules), range(len(RATES))
    factories = [partial(kind, lr=rate) for rate in RATES]
    generator = torch.Generator().manual_seed(1)
    starts = {
        name: torch.randn(len(RATES), *each.shape, generator=generator, dtype=each.dtype)
        for name, each in problem.parameters.items()
    }
    runs = CompiledReplicas(problem, starts, seeds, make_mover(factories), STEPS, rules, over_all_data=True)
    traces = ReplicaTraces(runs, STEPS, rules, len(RATES))
    runs.descend(traces)
    alone = [
        compute_alone(problem, factories[run], run, {name: each[run] for name, each in starts.items()}, rules)
        for run in seeds
    ]
    np.testing.assert_allclose(traces.kept.numpy(), alone, rtol=1e-5)
    assert np.isfinite(alone[0][0])
    assert np.isnan(alone).any() == (rules != StopRules())


def test_nothing_is_added_where_the_loss_of_a_step_is_that_of_all_data(problem_of) -> None:
    problem = problem_of()
    starts = {name: each.detach()[None] for name, each in problem.parameters.items()}
    mover = make_mover([partial(torch.optim.SGD, lr=0.1)])
    texts = []
    for over_all_data in (False, True):
        runs = CompiledReplicas(problem, starts, [0], mover, STEPS, StopRules(), over_all_data=over_all_data)
        texts.append(runs.kernel_program.full_loss)
    assert texts == [None, None]
