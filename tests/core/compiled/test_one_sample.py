"""Which losses are sums of what single samples contribute: tried, not known by name."""

from dataclasses import replace

import pytest
import torch

from playground.builtin import losses, models, optimizers
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.one_sample import record_sample
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.movers import make_mover
from playground.core.problem import Batches, Problem


def spec_of(problem):
    return DescentSpec(problem, make_mover([optimizers.SGD(lr=0.1)]))


def make_problem(loss, module=None, samples=7):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(samples, 2, generator=generator)
    targets = torch.rand(samples, 1, generator=generator)
    torch.manual_seed(1)
    module = module or models.mlp(2, 1, hidden=(3,), activation="tanh", output="sigmoid")
    return Problem(module, lambda forward, batch: loss(forward, *batch), Batches((inputs, targets)))


def mse(forward, x, t):
    return losses.mse(forward(x), t)


def penalized(forward, x, t):
    return losses.mse(forward(x), t) + 0.1 * forward(torch.ones(1, 2, dtype=x.dtype)).square().mean()


SUMS = {
    "mean": (mse, True),
    "sum": (lambda forward, x, t: (forward(x) - t).square().sum(), False),
    "half a mean": (lambda forward, x, t: 0.5 * (forward(x) - t).abs().mean(), True),
    "a mean and a penalty": (penalized, True),
    "weights by the target": (lambda forward, x, t: (t * (forward(x) - t).square()).mean(), True),
}


@pytest.mark.parametrize("case", SUMS)
def test_the_weight_is_found(case) -> None:
    loss, is_mean = SUMS[case]
    sample = record_sample(spec_of(make_problem(loss)))
    assert sample.is_mean is is_mean
    assert sample.places == (2, 1)
    assert len(sample.gradient) == len(sample.parameters) == 13


def test_the_program_does_not_grow_with_the_samples() -> None:
    small, large = (record_sample(spec_of(make_problem(mse, samples=samples))) for samples in (7, 300))
    assert small.operations == large.operations


COUPLED = {
    "root of a mean": lambda forward, x, t: (forward(x) - t).square().mean().sqrt(),
    "a sum and a penalty": lambda forward, x, t: (forward(x) - t).square().sum() + forward(x[:1] * 0).square().mean(),
    "pairs": lambda forward, x, t: ((forward(x) - forward(x).T) - (t - t.T)).square().mean(),
    "the largest": lambda forward, x, t: (forward(x) - t).square().max(),
    "relative to the batch": lambda forward, x, t: (forward(x - x.mean(0)) - t).square().mean(),
    "a normalized weight": lambda forward, x, t: (t * (forward(x) - t).square()).sum() / t.sum(),
}


@pytest.mark.parametrize("case", COUPLED)
def test_samples_that_depend_on_one_another(case) -> None:
    with pytest.raises(CannotCompileError, match="no mean and no sum"):
        record_sample(spec_of(make_problem(COUPLED[case])))


@pytest.mark.parametrize(
    "layer",
    [torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3, track_running_stats=False), torch.nn.Dropout(0.5)],
    ids=["batch normalization", "without running statistics", "dropout"],
)
def test_layers_that_couple_samples(layer) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), layer, torch.nn.Linear(3, 1))
    with pytest.raises(CannotCompileError):
        record_sample(spec_of(make_problem(mse, module)))


def test_layers_that_normalize_each_sample() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 1))
    assert record_sample(spec_of(make_problem(mse, module))).is_mean


def test_training_and_evaluation_mode_may_differ() -> None:
    class Doubles(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) * (2 if self.training else 1)

    sample = record_sample(spec_of(make_problem(mse, Doubles(2, 1))))
    assert sample.loss != sample.full_loss
    single = record_sample(spec_of(make_problem(mse)))
    assert single.loss == single.full_loss


class Unused(torch.nn.Linear):
    """Has a parameter that no loss depends on."""

    def __init__(self):
        super().__init__(2, 1)
        self.spare = torch.nn.Parameter(torch.zeros(2))


def test_what_is_refused() -> None:
    with pytest.raises(CannotCompileError, match="does not depend on one of the parameters"):
        record_sample(spec_of(make_problem(mse, Unused())))
    with pytest.raises(CannotCompileError, match="no samples"):
        record_sample(spec_of(replace(make_problem(mse), batches=Batches())))


def test_the_module_and_the_default_dtype_stay() -> None:
    problem = make_problem(mse)
    before = {name: each.clone() for name, each in problem.module.state_dict().items()}
    record_sample(spec_of(problem))
    assert all(torch.equal(before[name], each) for name, each in problem.module.state_dict().items())
    assert torch.get_default_dtype() is torch.float32
