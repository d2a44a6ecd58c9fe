"""Before a program is trusted, its first steps are compared with plain PyTorch."""

import pytest
import torch

from playground.builtin import losses, models
from playground.builtin.optimizers import SGD, Adam
from playground.core.compiled import CannotCompileError, CompiledReplicas
from playground.core.compiled.rules import RULES
from playground.core.movers import RuleMover
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
