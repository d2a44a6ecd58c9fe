"""What predictions the end of a model allows, against closed forms."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import nn

from playground.core.outputs import find_floors
from playground.core.problem import Batches, Problem

pytestmark = pytest.mark.usefixtures("one_thread")

X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
HALF = (math.log(2) + math.log(1 + math.exp(-1))) / 2


def floors(loss, target, *layers):
    torch.manual_seed(0)
    model = nn.Sequential(*layers)
    for layer in layers:  # they were drawn when the tests were collected, before any seed
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return find_floors(Problem(model, lambda forward, batch: loss(forward(batch[0]), batch[1]), Batches((X, target))))


@pytest.mark.parametrize(
    ("loss", "target", "layers", "name", "within", "free", "constant"),
    [
        (F.mse_loss, XOR, (nn.Linear(2, 1),), "", 0, 0, 0.25),
        (F.mse_loss, XOR, (nn.Linear(2, 1), nn.Sigmoid()), "sigmoid", 0, 0, 0.25),
        (F.mse_loss, XOR, (nn.Linear(2, 1), nn.ReLU()), "relu", 0, 0, 0.25),
        (F.mse_loss, XOR - 1, (nn.Linear(2, 1), nn.ReLU()), "relu", 0.5, 0, 0.5),
        (F.binary_cross_entropy, XOR, (nn.Linear(2, 1), nn.Sigmoid()), "sigmoid", 0, 0, math.log(2)),
        (F.binary_cross_entropy_with_logits, XOR, (nn.Linear(2, 1), nn.Sigmoid()), "sigmoid", HALF, 0, math.log(2)),
        (F.cross_entropy, XOR.long()[:, 0], (nn.Linear(2, 2), nn.Softmax(1)), "softmax", math.log(1 + math.exp(-1)), 0,
         math.log(2)),
        (F.cross_entropy, XOR.long()[:, 0], (nn.Linear(2, 2), nn.LogSoftmax(1)), "log_softmax", 0, 0, math.log(2)),
    ],
)  # fmt: skip
def test_the_least_loss_of_free_predictions(loss, target, layers, name, within, free, constant):
    found = floors(loss, target, *layers)
    assert found.tail.name == name
    assert found.within == pytest.approx(within, abs=2e-3)
    assert found.free == pytest.approx(free, abs=2e-3)
    assert found.constant == pytest.approx(constant, abs=2e-3)
