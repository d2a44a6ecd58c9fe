"""Where a loss divides two classes is found out without its name, or demanded."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import nn

from playground.builtin import losses
from playground.core.losses import declares
from playground.core.thresholds import find_threshold, require_floats
from playground.errors import ComponentError


def signs(prediction, target):
    return F.relu(1 - (2 * target - 1) * prediction).mean()


def focal(prediction, target):
    each = F.binary_cross_entropy_with_logits(prediction, target, reduction="none")
    return ((0.25 * target + 0.75 * (1 - target)) * (1 - (-each).exp()) ** 2 * each).mean()


FOUND = {
    "mse": (losses.mse, 0.5),
    "mae": (losses.mae, 0.5),
    "bce": (losses.bce, 0.5),
    "fourth power": (lambda p, t: (p - t).pow(4).mean(), 0.5),
    "bce by hand": (lambda p, t: -(t * p.log() + (1 - t) * (1 - p).log()).mean(), 0.5),
    "bce_with_logits": (losses.bce_with_logits, 0.0),
    "a function around it": (lambda p, t: F.binary_cross_entropy_with_logits(p, t), 0.0),
    "its class": (nn.BCEWithLogitsLoss(), 0.0),
    "weighted": (nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), 0.0),
    "focal": (focal, 0.0),
    "hinge": (losses.hinge, 0.0),
    "hinge of signs": (signs, 0.0),
    "squared distance from signs": (lambda p, t: (p - (2 * t - 1)).square().mean(), 0.0),
    "declared": (declares(threshold=0.25)(lambda p, t: (p - t).mean()), 0.25),
}


@pytest.mark.parametrize(("loss", "threshold"), FOUND.values(), ids=FOUND)
def test_a_threshold_is_found(loss, threshold):
    assert find_threshold(loss, 1) == threshold


UNKNOWN = {
    "softmax of one column": lambda p, t: F.cross_entropy(p, t),
    "signs that are never made": lambda p, t: F.relu(1 - t * p).mean(),
    "soft margin of 0 and 1": nn.SoftMarginLoss(),
    "constant": lambda p, t: 0 * (p - t).sum(),
    "better for the other class": lambda p, t: 1 / (1 + (p - t).square().mean()),
    "raises": lambda p, t: 1 / 0,
}


@pytest.mark.parametrize("loss", UNKNOWN.values(), ids=UNKNOWN)
def test_a_threshold_is_demanded(loss):
    with pytest.raises(ComponentError, match=r"@declares\(threshold=0\.0\) for logits"):
        find_threshold(loss, 1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("squeeze", [False, True])
def test_class_indices_are_demanded(classes, squeeze):
    def loss(prediction, target):
        return F.cross_entropy(prediction, target.squeeze(1).long() if squeeze else target)

    if not squeeze and classes == 3:
        require_floats(loss, classes)  # it takes one column of probabilities for each class
    elif squeeze:
        with pytest.raises(ComponentError, match=r"@declares\(class_indices=True\)"):
            require_floats(loss, classes)


def test_nothing_is_drawn():
    before = torch.get_rng_state()
    with pytest.raises(ComponentError):
        find_threshold(lambda p, t: torch.rand(()) + (p - t).square().mean(), 1)
    assert torch.equal(before, torch.get_rng_state())
