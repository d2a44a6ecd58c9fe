"""Where autograd's gradient is not the slope, and where only the function is rough."""

import pytest
import torch
from torch import nn

from playground.core.problem import Problem
from playground.core.slopes import find_mismatches

pytestmark = pytest.mark.usefixtures("one_thread")


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(0.7)), nn.Parameter(torch.tensor(-1.3))

    def forward(self):
        return self.a, self.b


@pytest.mark.parametrize(
    ("f", "named"),
    [
        (lambda a, b: a**2 + b**2, []),
        (lambda a, b: a.detach() ** 2 + b**2 + 0 * a, ["a"]),
        (lambda a, b: a.detach() ** 2 + b.detach() ** 2 + 0 * a, ["a", "b"]),
        (lambda a, b: a * a.detach() + b**2, ["a"]),
        (lambda a, b: a.round() + b.sign() + 0 * a, []),
        (lambda a, b: a + (a.round() - a).detach() + b, []),
        (lambda a, b: (a - 0.7).abs() + b, []),
        (lambda a, b: 100 * (b - a**2) ** 2 + (1 - a) ** 2, []),
    ],
    ids=["smooth", "a cut", "both cut", "a factor cut", "jumps", "straight through", "kink", "rosenbrock"],
)
def test_a_slope_that_autograd_does_not_see_is_found(f, named):
    pair = Pair()
    problem = Problem(pair, lambda forward, _: f(*forward()))
    assert [each.parameter for each in find_mismatches(problem, problem.parameters)] == named
