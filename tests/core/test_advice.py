"""Outputs that are squashed before a loss of logits are found by numbers, however they are written."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import nn

from playground.builtin import losses
from playground.core.advice import find_double_squashing
from playground.core.losses import ShapeCheckedLoss
from playground.core.problem import Batches, Problem

LAST = {
    "sigmoid": torch.sigmoid,
    "sigmoid, a view": lambda z: z.sigmoid().squeeze(-1).unsqueeze(-1) if z.shape[1] == 1 else z.sigmoid(),
    "sigmoid by hand": lambda z: 1 / (1 + torch.exp(-z)),
    "hardsigmoid": F.hardsigmoid,
    "softmax": lambda z: F.softmax(z, dim=1),
    "softmax by hand": lambda z: (z - z.amax(1, keepdim=True)).exp() / (z - z.amax(1, keepdim=True)).exp().sum(1, True),
    "nothing": lambda z: z,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "log_softmax": lambda z: F.log_softmax(z, dim=1),
}


def advice(last, loss, columns):
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, columns)

        def forward(self, x):
            return LAST[last](self.linear(x))

    inputs = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    targets = torch.tensor([0, 1, 1, 0])
    module = Net()
    compare = ShapeCheckedLoss(loss, module, columns)
    data = inputs, targets if columns > 1 else targets[:, None].float()
    problem = Problem(module, lambda forward, batch: compare(forward(batch[0]), batch[1]), Batches(data))
    return find_double_squashing(problem, compare)


@pytest.mark.parametrize("last", ["sigmoid", "sigmoid, a view", "sigmoid by hand", "hardsigmoid"])
@pytest.mark.parametrize(
    ("loss", "floor"), [(losses.bce_with_logits, "0.5032"), (nn.BCEWithLogitsLoss(), "0.5032"), (losses.hinge, "0.5")]
)
def test_squashed_before_logits(last, loss, floor):
    assert f"cannot fall below {floor};" in advice(last, loss, 1)


@pytest.mark.parametrize("last", ["sigmoid", "softmax", "softmax by hand"])
def test_squashed_before_a_softmax(last):
    assert "applies a softmax itself, and it cannot fall below 0.3133" in advice(last, losses.cross_entropy, 2)


@pytest.mark.parametrize(
    ("last", "loss", "columns"),
    [
        *((last, losses.bce_with_logits, 1) for last in ("nothing", "relu", "tanh")),
        *((last, losses.cross_entropy, 2) for last in ("nothing", "log_softmax", "relu")),
        *(("sigmoid", loss, 1) for loss in (losses.bce, losses.mse, losses.mae)),
    ],
)
def test_nothing_is_said_of_what_is_right(last, loss, columns):
    assert advice(last, loss, columns) == ""
