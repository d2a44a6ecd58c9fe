import pytest
import torch
from torch import nn

from playground.builtin.optimizers import SGD, Adam
from playground.core.diagnosis import describe_culprit, find_exceeded_bound
from playground.core.function import Function
from playground.core.point import MovingPoint
from playground.core.problem import Batches, Problem
from playground.core.setting import Setting

FUNCTIONS = {
    "bowl": lambda x: (2 * x[..., 0] + 10) ** 2,
    "quadratic": lambda x: x[..., 0] ** 2 + 10 * x[..., 1] ** 2,
    "quartic": lambda x: x[..., 0] ** 4,
    "rosenbrock": lambda x: (1 - x[..., 0]) ** 2 + 100 * (x[..., 1] - x[..., 0] ** 2) ** 2,
}


@pytest.mark.parametrize(
    ("function", "start", "rule", "expected"),
    [
        ("bowl", [1], SGD(lr=0.3), "lr 0.3 > 2/8 = 0.25, the largest stable rate"),
        ("bowl", [1], SGD(lr=0.25), ""),
        ("bowl", [1], SGD(lr=0.5, momentum=0.9), "lr 0.5 > 3.8/8 = 0.475, the largest stable rate"),
        ("quadratic", [1, 1], SGD(lr=0.2), "lr 0.2 > 2/20 = 0.1, the largest stable rate"),
        ("quartic", [1], SGD(lr=0.5), "lr 0.5 > 2/12 = 0.166667, the largest stable rate near the start"),
        ("rosenbrock", [1, 1], SGD(lr=0.5), ""),
        ("bowl", [1], Adam(lr=0.3), ""),
    ],
)
def test_the_bound_is_named_where_there_is_one(function, start, rule, expected) -> None:
    point = MovingPoint(Function(FUNCTIONS[function], len(start), ()), {"x": [float(x) for x in start]}, Setting())
    problem = Problem(point, lambda forward, batch: forward())
    assert str(find_exceeded_bound(problem, {"x": point.x.detach()}, rule) or "") == expected


def test_a_linear_model_under_mse_is_a_quadratic_too() -> None:
    module = nn.Linear(1, 1, bias=False)
    inputs, targets = torch.tensor([[3.0], [4.0]]), torch.tensor([[1.0], [2.0]])
    problem = Problem(
        module, lambda forward, batch: nn.functional.mse_loss(forward(batch[0]), batch[1]), Batches((inputs, targets))
    )
    start = {"weight": module.weight.detach().clone()}
    assert str(find_exceeded_bound(problem, start, SGD(lr=1.0))).startswith("lr 1 > 2/25 = 0.08")


def test_culprit_names_what_is_not_finite_else_the_steepest() -> None:
    fine, broken = torch.ones(2), torch.tensor([1.0, torch.inf])
    assert describe_culprit({"a": fine, "b": broken}, ()) == "not finite: b"
    assert describe_culprit({"a": fine, "b": fine}, (3 * fine, None)) == "the largest gradient is in a (3)"
    assert "in b (nan)" in describe_culprit({"a": fine, "b": fine}, (fine, torch.nan * fine))
