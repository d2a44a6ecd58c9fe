"""Runs whose step is a loop over samples and one over parameters: the same as each run alone."""

from functools import partial

import pytest
import torch

from playground.builtin import losses, models, optimizers
from playground.core.compiled import CannotCompileError, CompiledReplicas, compiled_program
from playground.core.compiled.loop_layout import LoopProgram
from playground.core.gradients import Clip
from playground.core.movers import make_mover
from playground.core.problem import Batches, Problem
from playground.core.setting import one_thread
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


@pytest.fixture(autouse=True)
def one():
    with one_thread():
        yield


@pytest.fixture
def always_loops(monkeypatch):
    """Take every step apart."""
    monkeypatch.setattr(compiled_program, "MAX_UNROLLED_PRODUCTS", 0)


def make_problem(samples=21, size=None, dtype=torch.float64, loss=losses.bce_with_logits, hidden=(5,)):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(samples, 2, generator=generator, dtype=torch.float64).to(dtype)
    targets = (inputs[:, :1] * inputs[:, 1:] > 0).to(dtype)
    torch.manual_seed(1)
    module = models.mlp(2, 1, hidden=hidden, activation="tanh").to(dtype)
    return Problem(module, lambda forward, batch: loss(forward(batch[0]), batch[1]), Batches((inputs, targets), size))


def require_loops(found):
    for _, stepper, _ in found:
        assert isinstance(stepper.kernel_program, LoopProgram)


CASES = {
    "adam": (partial(optimizers.Adam), {}, {}),
    "mini-batches": (partial(optimizers.SGD, momentum=0.9), {"size": 6}, {}),
    "mini-batches that divide the samples": (optimizers.NAdam, {"size": 7}, {}),
    "two phases": (optimizers.RAdam, {}, {}),
    "torch": (partial(torch.optim.AdamW, weight_decay=0.1), {}, {}),
    "torch in single precision": (torch.optim.ASGD, {"dtype": torch.float32}, {}),
    "a schedule": (optimizers.Lion, {}, {"schedule": lambda step: 0.98**step}),
    "clipped by value": (optimizers.SGD, {}, {"clip": Clip(value=0.02)}),
    "clipped by norm": (optimizers.SGD, {"dtype": torch.float32, "size": 6}, {"clip": Clip(norm=0.05)}),
    "clipped by both": (optimizers.SGD, {}, {"clip": Clip(value=0.02, norm=0.05)}),
    "ends by the loss": (partial(optimizers.SGD, momentum=0.9), {}, {"loss": 0.6}),
    "ends by the gradient": (partial(optimizers.SGD, momentum=0.9), {}, {"gradient": 0.05}),
    "stalls": (optimizers.SGD, {"dtype": torch.float32}, {"patience": 4, "improvement": 0.01}),
    "a sum": (optimizers.Adam, {"loss": lambda p, t: (p - t).square().sum()}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_runs_are_those_alone(require_same, always_loops, case) -> None:
    factory, problem, options = CASES[case]
    factories = [partial(factory, lr=rate) for rate in (0.003, 0.01, 0.03, 0.1, 0.02)]
    if issubclass(getattr(factory, "func", factory), torch.optim.Optimizer):
        rules = factories
    else:
        rules = [each() for each in factories]
    require_loops(require_same(rules, problem=make_problem(**problem), steps=60, **options))


class Averages(torch.optim.SGD):
    """Ends at the average of all places, which `eval` moves the parameters to."""

    def step(self, closure=None):
        super().step(closure)
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            new = parameter.detach().clone()
            state["average"] = new if "average" not in state else 0.9 * state["average"] + 0.1 * new

    def train(self):
        pass

    @torch.no_grad()
    def eval(self):
        for parameter in self.param_groups[0]["params"]:
            parameter.copy_(self.state[parameter].get("average", parameter))


def test_an_optimizer_that_moves_parameters_at_the_end(require_same, always_loops, each_rate) -> None:
    require_loops(require_same(each_rate(Averages), problem=make_problem(), steps=30))


def build(problem, optimizer=None, steps=20, **options):
    optimizer = optimizer or optimizers.Adam(lr=torch.tensor([0.01, 0.02, 0.05], dtype=torch.float64))
    generator = torch.Generator().manual_seed(3)
    starts = {
        name: torch.randn(3, *each.shape, generator=generator, dtype=each.dtype)
        for name, each in problem.parameters.items()
    }
    return CompiledReplicas(problem, starts, range(3), make_mover([optimizer]), steps, StopRules(), **options)


def test_small_steps_are_one_program() -> None:
    assert not isinstance(build(make_problem(4)).kernel_program, LoopProgram)
    assert isinstance(build(make_problem(100)).kernel_program, LoopProgram)


def test_steps_that_are_too_large_for_one_program() -> None:
    """Two hundred samples of a network with two hidden layers: refused without loops."""
    problem = make_problem(200, hidden=(16, 16), dtype=torch.float32)
    stepper = build(problem)
    assert stepper.kernel_program.operations > 200_000
    assert stepper.kernel_program.code_operations < 2_000
    assert "337 parameters" in stepper.account


def test_the_program_as_text(always_loops) -> None:
    text = build(make_problem(4, hidden=(2,))).program()
    assert text.startswith("for each sample:\n")
    head, _, tail = text.partition("\nfor each entry:\n")
    assert "loss = " in head
    assert "d loss / d " in head
    assert "gradient" in tail
    assert "entry = " in tail


@pytest.mark.parametrize("size", [None, 6], ids=["all data", "mini-batches"])
def test_losses_over_all_data(always_loops, monkeypatch, size) -> None:
    """The kept losses are those of the same runs without loops."""
    kept = []
    for products in (0, 10**9):
        monkeypatch.setattr(compiled_program, "MAX_UNROLLED_PRODUCTS", products)
        stepper = build(make_problem(size=size), over_all_data=True)
        assert isinstance(stepper.kernel_program, LoopProgram) is (products == 0)
        traces = ReplicaTraces(stepper, 20, StopRules(), 3)
        stepper.descend(traces)
        kept.append(stepper.arrays.rows(stepper.arrays.kept))
    torch.testing.assert_close(*kept)


def test_what_is_coupled_stays_one_program(always_loops) -> None:
    def root(prediction, target):
        return (prediction - target).square().mean().sqrt()

    assert not isinstance(build(make_problem(6, loss=root)).kernel_program, LoopProgram)
    with pytest.raises(CannotCompileError, match="scalar operations, more than"):
        build(make_problem(200, loss=root, hidden=(16,)))


@DTYPES
@pytest.mark.slow
@pytest.mark.parametrize("rule", optimizers.__all__)
def test_every_rule(require_same, always_loops, rule, dtype) -> None:
    kind = getattr(optimizers, rule)
    rules = [kind(lr=rate) for rate in (0.001, 0.01)]
    require_loops(require_same(rules, problem=make_problem(9, dtype=dtype), steps=40, may_be_sensitive=True))
