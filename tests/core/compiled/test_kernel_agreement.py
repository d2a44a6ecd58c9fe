"""Before a program is trusted, some of its steps are compared with plain PyTorch."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from playground.builtin import losses, models
from playground.builtin.optimizers import SGD, Adam
from playground.core.compiled import CannotCompileError, CompiledReplicas, compiled_program
from playground.core.compiled.memory import Snapshot
from playground.core.compiled.program import COUNT, SLOT
from playground.core.compiled.rules import RULES
from playground.core.movers import RuleMover, make_mover
from playground.core.problem import Batches, Problem
from playground.core.stopping import StopRules

INPUTS = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0]])
TARGETS = torch.tensor([[1.0], [0], [0], [0]])


def replicas(rule, count, dtype=torch.float64, **rules):
    torch.manual_seed(0)
    module = models.mlp(2, 1, output="sigmoid").to(dtype)
    data = Batches((INPUTS.to(dtype), TARGETS.to(dtype)))
    problem = Problem(module, lambda forward, batch: losses.mse(forward(batch[0]), batch[1]), data)
    parameters = {name: torch.rand(count, *tensor.shape, dtype=dtype) for name, tensor in problem.parameters.items()}
    return CompiledReplicas(problem, parameters, range(count), RuleMover(rule), 100, StopRules(**rules))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("wrong", ["tanh", "sigmoid_backward", "addmm", "sqrt"])
@pytest.mark.parametrize("count", [1, 2, 20])
def test_a_rule_that_is_wrong_is_found_out(count, wrong, dtype, monkeypatch) -> None:
    right = RULES[wrong]

    def slightly_wrong(recorder, *args, **kwargs):
        found = right(recorder, *args, **kwargs)
        off = recorder.program.constant(1.01)
        return recorder.entrywise(lambda x: recorder.program.apply("mul", x, off), found.dtype, found)

    monkeypatch.setitem(RULES, wrong, slightly_wrong)
    with pytest.raises(CannotCompileError, match="steps differ from plain PyTorch"):
        replicas(Adam(lr=0.1) if wrong == "sqrt" else SGD(lr=torch.linspace(1.0, 2.0, count)), count, dtype)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("seed", range(5))
def test_rounding_alone_is_no_reason(seed) -> None:
    """In float32 at any rate."""
    assert replicas(Adam(lr=torch.logspace(-4, 0, 100, dtype=torch.float64)), 100, torch.float32).arrays.count == 100


def test_a_run_that_raises_alone_is_not_compiled() -> None:
    """In float32 there is no rate of 1e39, and torch says so of a number, while a tensor of them becomes infinite."""
    why = "in plain PyTorch a run raises RuntimeError: value cannot be converted"
    with pytest.raises(CannotCompileError, match=why):
        replicas(SGD(lr=torch.tensor([0.1, 1e39], dtype=torch.float64)), 2, torch.float32)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rules", [{"loss": 10.0}, {"gradient": 10.0}, {"divergence": 1e-9}, {"patience": 1}])
def test_runs_that_end_at_once_are_compared_where_they_ended(rules) -> None:
    assert replicas(SGD(lr=0.1), 3, **rules).arrays.count == 3


# Wrong programs of optimizers of torch


class Stepwise(torch.optim.Optimizer):
    """Moves faster after step 60, and every 30 steps."""

    def __init__(self, params, lr=0.1, inner=1.0):
        super().__init__(params, {"lr": lr, "inner": inner})
        self.t = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.t += 1
        factor = 2.0 if self.t > 60 else 0.5 if self.t % 30 == 0 else 1.0
        for group in self.param_groups:
            for p in group["params"]:
                average = self.state[p].setdefault("average", torch.zeros_like(p))
                average.mul_(0.9).add_(p.grad)
                p.sub_(group["lr"] * factor * average / (1 + 0.01 * self.t))


def require_refused(kind, match):
    with pytest.raises(CannotCompileError, match=match):
        compile_classes(kind)


def compile_classes(kind, rates=(0.01, 0.02, 0.03)):
    torch.manual_seed(0)
    problem = Problem(
        models.Perceptron(2, 1).double(),
        lambda forward, batch: losses.mse(forward(batch[0]), batch[1]),
        Batches((INPUTS.double(), TARGETS.double())),
    )
    parameters = {name: torch.rand(len(rates), *tensor.shape).double() for name, tensor in problem.parameters.items()}
    mover = make_mover([partial(kind, lr=rate) for rate in rates])
    return CompiledReplicas(problem, parameters, range(len(rates)), mover, 130, StopRules())


@pytest.fixture
def change_phases(monkeypatch):
    """Change what was recorded before the kernel is written."""

    def change_phases(change):
        right = compiled_program.record_phases
        monkeypatch.setattr(compiled_program, "record_phases", lambda *given: change(right(*given)))

    return change_phases


KINDS = {"by hand": Stepwise, "Adam": torch.optim.Adam, "RAdam": torch.optim.RAdam, "NAdam": torch.optim.NAdam}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", KINDS)
def test_what_is_right_is_trusted(name) -> None:
    assert compile_classes(KINDS[name]).arrays.count == 3


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", KINDS)
def test_a_count_that_is_off_after_step_60_is_found_out(name, change_phases) -> None:
    def shift(phases):
        return replace(
            phases,
            inputs={
                key: column + (np.arange(len(column)) > 60) if key[0] == COUNT else column
                for key, column in phases.inputs.items()
            },
        )

    change_phases(shift)
    require_refused(KINDS[name], "does not follow from step 60")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", KINDS)
def test_a_count_that_grows_too_fast_is_found_out(name, change_phases) -> None:
    """Consistently, in the program and in advance."""

    def hasten(phases):
        program = phases.program
        counts = {name[1:] for name in phases.inputs if name[0] == COUNT}
        steps = [
            replace(
                step,
                outputs={
                    key: program.apply("add", value, program.constant(1.0)) if key in counts else value
                    for key, value in step.outputs.items()
                },
            )
            for step in phases.steps
        ]
        inputs = {
            key: column + np.arange(len(column)) if key[0] == COUNT else column for key, column in phases.inputs.items()
        }
        return replace(phases, steps=steps, inputs=inputs)

    change_phases(hasten)
    require_refused(KINDS[name], "differs? from plain PyTorch|does not follow")


def swap(which):
    """Another program for some steps."""

    def change(phases):
        numbers = phases.which.copy()
        numbers[which] = (numbers[which] + 1) % len(phases.steps)
        return replace(phases, which=numbers)

    return change


@pytest.mark.sampled(1)
@pytest.mark.parametrize("which", [slice(60, 61), slice(61, None), slice(29, 30), slice(129, 130)], ids=str)
def test_a_wrong_choice_of_the_program_is_found_out(which, change_phases) -> None:
    change_phases(swap(which))
    require_refused(Stepwise, "differs? from plain PyTorch")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", KINDS)
def test_a_slot_that_is_dropped_is_found_out(name, change_phases) -> None:
    def drop(phases):
        """Let the average keep its value for good."""
        key = next(key for step in phases.steps for key in step.outputs if key[0][-1] in ("average", "exp_avg"))
        same = phases.program.input(SLOT, *key)
        steps = [replace(step, outputs={**step.outputs, key: same}) for step in phases.steps]
        return replace(phases, steps=steps)

    change_phases(drop)
    require_refused(KINDS[name], "differs? from plain PyTorch")


def test_a_snapshot_that_restores_nothing_is_found_out(monkeypatch) -> None:
    monkeypatch.setattr(Snapshot, "restore", lambda self: None)
    require_refused(Stepwise, "differs? from plain PyTorch|changes its nature|different decisions")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["add", "mul", "lerp", "addcmul", "addcdiv", "sqrt"])
def test_a_wrong_rule_of_the_optimizer_is_found_out(name, monkeypatch) -> None:
    """Rules of the forward pass are right: the rule is wrong for state alone."""
    right = RULES[name]

    def slightly_wrong(recorder, *args, **kwargs):
        found = right(recorder, *args, **kwargs)
        off = recorder.program.constant(1 + 1e-6)
        return recorder.entrywise(lambda x: recorder.program.apply("mul", x, off), found.dtype, found)

    monkeypatch.setitem(RULES, name, slightly_wrong)
    require_refused(torch.optim.Adam, "differs? from plain PyTorch")
