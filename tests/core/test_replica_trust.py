"""Before a batch is trusted, its first steps are compared with the same runs alone."""

import pytest
import torch
from torch import nn

from playground.builtin.optimizers import SGD, Adam
from playground.core.problem import Problem
from playground.core.replicas import DisagreementError, RuleReplicas
from playground.core.replicas.batch_agreement import require_agreement
from playground.core.steppers import RuleStepper
from playground.core.stopping import StopRules

STARTS = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]], dtype=torch.float64)


class Start(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.x = nn.Parameter(torch.zeros(2, dtype=dtype))

    def forward(self):
        return self.x


class Scaled(torch.autograd.Function):
    """x times 3, but times `wrong` where it is mapped."""

    wrong = 3.0

    @staticmethod
    def forward(x):
        return 3.0 * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return 3.0 * gradient

    @staticmethod
    def vmap(info, in_dims, x):
        return Scaled.wrong * x, in_dims[0]


def check(rule=SGD(lr=0.01), dtype=torch.float64, budget=100, rules=StopRules()):  # noqa: B008
    problem = Problem(Start(dtype), lambda forward, batch: (Scaled.apply(forward()) ** 2).sum())
    replicas = RuleReplicas(problem, {"x": STARTS.to(dtype)}, range(3), rule)
    require_agreement(replicas, range(3), lambda one, run: RuleStepper(one, rule), budget, rules)
    assert torch.equal(problem.parameters["x"], torch.zeros(2, dtype=dtype))  # as it was


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("wrong", [3.001, 4.0])
def test_an_operation_that_is_mapped_wrongly_is_found_out(wrong, dtype, monkeypatch):
    monkeypatch.setattr(Scaled, "wrong", wrong)
    with pytest.raises(DisagreementError, match="steps in a batch differ from those of single runs"):
        check(dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rule", [SGD(lr=0.01), Adam(lr=0.5)])
@pytest.mark.parametrize("budget", [0, 1, 100])
def test_rounding_alone_is_no_reason(rule, dtype, budget):
    check(rule, dtype, budget)


@pytest.mark.parametrize("rules", [{"loss": 1e9}, {"gradient": 1e9}, {"divergence": 1e-9}, {"patience": 1}])
def test_runs_that_end_at_once_are_compared_where_they_ended(rules):
    check(rules=StopRules(**rules))
