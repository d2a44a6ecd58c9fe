"""Wrong backwards planted into random modules and losses are caught and named; right ones raise no alarm.

A case is drawn from its seed alone: a small module around one operation with a hand-written backward, and a loss. The
faults are planted into what that backward receives, uses or returns.
"""

import random
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from playground.core.derivatives import (
    Cause,
    Coordinate,
    check_derivatives,
    flat_loss,
    judge_entry,
    list_parameter_coordinates,
    restrict_to_line,
)
from playground.core.problem import Batches, Problem
from playground.core.setting import one_thread


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


def of_function(forward, backward):
    """A custom operation of a matrix x and a weight w, as a callable."""

    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return forward(x, w)

        @staticmethod
        def backward(ctx, grad):
            return backward(*ctx.saved_tensors, grad)

    return Custom.apply


OPERATIONS = {
    "linear": (lambda x, w: x @ w.T, lambda x, w, g: (g @ w, g.T @ x)),
    "scaled": (lambda x, w: x * w[0], lambda x, w, g: (g * w[0], _row(w, (g * x).sum(0)))),
    "cube": (lambda x, w: x**3 @ w.T, lambda x, w, g: ((g @ w) * 3 * x**2, g.T @ x**3)),
    "gate": (
        lambda x, w: torch.tanh(x @ w.T),
        lambda x, w, g: ((g * (1 - torch.tanh(x @ w.T) ** 2)) @ w, (g * (1 - torch.tanh(x @ w.T) ** 2)).T @ x),
    ),
}
"""Forward, and the right backward: gradients by x and by w."""


def _row(w, first):
    """A gradient like w whose first row is given and whose others are zero."""
    result = torch.zeros_like(w)
    result[0] = first
    return result


FAULTS = {
    "factor": lambda right: lambda x, w, g: tuple(2 * part for part in right(x, w, g)),
    "sign": lambda right: lambda x, w, g: tuple(-part for part in right(x, w, g)),
    "missing term": lambda right: lambda x, w, g: (right(x, w, g)[0], right(x[:1], w, g[:1])[1]),
    "transposed matrix": lambda right: lambda x, w, g: (right(x, w, g)[0], right(x, w, g)[1].T.contiguous()),
    "wrong reduction": lambda right: lambda x, w, g: (right(x, w, g)[0], right(x, w, g)[1] / len(x)),
    "stale tensor": lambda right: lambda x, w, g: right(0.5 + 0 * x, w, g),
    "detached branch": lambda right: lambda x, w, g: (right(x, w, g)[0], 0 * right(x, w, g)[1]),
    "wrong broadcasting": lambda right: (
        lambda x, w, g: (
            right(x, w, g)[0],
            right(x, w, g)[1].sum(0, keepdim=True).expand(w.shape),
        )
    ),
    "index off by one": lambda right: lambda x, w, g: (right(x, w, g)[0], right(x, w, g)[1].roll(1, dims=1)),
    "ignores grad_output": lambda right: lambda x, w, g: right(x, w, torch.ones_like(g)),
    "infinite": lambda right: lambda x, w, g: (right(x, w, g)[0], right(x, w, g)[1] + torch.inf),
    "NaN": lambda right: lambda x, w, g: (right(x, w, g)[0], right(x, w, g)[1] * torch.nan),
}
"""What makes a wrong backward of a right one."""


class Planted(nn.Module):
    """Layers before and after the operation, whose weight is a parameter."""

    def __init__(self, operation, width, before, after, activation, generator):
        super().__init__()
        self.operation = operation
        self.weight = nn.Parameter(0.8 * torch.randn(width, width, generator=generator, dtype=torch.float64))
        self.before = _linear(width, generator) if before else nn.Identity()
        self.after = _linear(width, generator) if after else nn.Identity()
        self.activation = activation

    def forward(self, x):
        return self.after(self.activation(self.operation(self.before(x), self.weight)))


def _linear(width, generator):
    layer = nn.Linear(width, width, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return layer


ACTIVATIONS = (nn.Identity(), torch.tanh, torch.sigmoid, nn.functional.softplus, torch.sin)
LOSSES = {
    "sum": lambda prediction, target: (prediction * target.detach()).sum(),
    "plain sum": lambda prediction, target: prediction.sum(),
    "mse": lambda prediction, target: ((prediction - target) ** 2).mean(),
    "log_cosh": lambda prediction, target: (prediction - target).cosh().log().sum(),
    "cross_entropy": lambda prediction, target: nn.functional.cross_entropy(prediction, target.argmax(1)),
}


@dataclass(frozen=True)
class Case:
    """One planted problem."""

    fault: str
    seed: int

    def problem(self):
        """Draw the problem."""
        draw = random.Random(f"{self.fault} {self.seed}")
        generator = torch.Generator().manual_seed(draw.randrange(2**31))
        forward, right = OPERATIONS[draw.choice(list(OPERATIONS))]
        backward = FAULTS[self.fault](right) if self.fault in FAULTS else right
        width, samples = draw.choice((2, 3)), draw.choice((3, 4))
        module = Planted(
            of_function(forward, backward),
            width,
            before=draw.random() < 0.5,
            after=draw.random() < 0.5,
            activation=draw.choice(ACTIVATIONS),
            generator=generator,
        )
        loss = LOSSES[draw.choice(list(LOSSES))]
        data = tuple(torch.randn(samples, width, generator=generator, dtype=torch.float64) for _ in range(2))
        return Problem(module, lambda model, batch: loss(model(batch[0]), batch[1]), Batches(data))


EACH, SOME = 25, 2
"""Cases of each fault; the first few of them belong to the quick tests."""

RIGHT = "right"


def cases(faults, each, some):
    return [
        pytest.param(Case(fault, seed), id=f"{fault}-{seed}", marks=[pytest.mark.slow] if seed >= some else [])
        for fault in faults
        for seed in range(each)
    ]


def findings(case, dtype=torch.float64):
    """What is found by the parameters of a case, and along a direction through all of them."""
    problem = case.problem()
    g, z = flat_loss(problem, problem.parameters)
    direction = torch.randn(len(z), dtype=torch.float64, generator=torch.Generator().manual_seed(case.seed))
    line = restrict_to_line(g, z.to(dtype), direction / direction.norm())
    checks = [
        check_derivatives(g, z.to(dtype), list_parameter_coordinates(problem.parameters)),
        check_derivatives(*line, [Coordinate("direction")]),
    ]
    return [judge_entry(entry, torch.finfo(dtype).eps) for each in checks for entry in each.entries]


@pytest.mark.product(48)
@pytest.mark.sampled(10)
@pytest.mark.parametrize("case", cases(FAULTS, EACH, SOME))
def test_a_wrong_backward_is_caught_and_named(case):
    found = [each for each in findings(case) if each is not None]
    assert found
    assert {each.cause for each in found} == {Cause.BACKWARD}, found


@pytest.mark.product(30)
@pytest.mark.sampled(10)
@pytest.mark.parametrize("case", cases([RIGHT], EACH * len(FAULTS), SOME * len(FAULTS)))
def test_a_right_backward_raises_no_alarm(case):
    assert [each for each in findings(case, (torch.float64, torch.float32)[case.seed % 2]) if each is not None] == []
