import functools

import pytest
import torch
from torch import nn

from playground.core.losses import LossTraits, declares, loss_traits, require_same_shape
from playground.errors import ComponentError


def plain(prediction, target, weight=1.0):
    return weight * (prediction - target).sum()


@declares(threshold=0.0, class_indices=True)
def declared(prediction, target, weight=1.0):
    return weight * (prediction - target).sum()


@declares(threshold=-1.0)
class Module(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).sum()


LOGITS = LossTraits(threshold=0.0, class_indices=True)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (plain, LossTraits(threshold=None, class_indices=False, same_shape=True)),
        (functools.partial(plain, weight=2.0), LossTraits()),
        (declared, LOGITS),
        (functools.partial(declared, weight=2.0), LOGITS),
        (functools.partial(functools.partial(declared), weight=2.0), LOGITS),
        (Module(), LossTraits(threshold=-1.0)),
        (nn.MSELoss(), LossTraits(minimum=0.0)),
        (nn.CrossEntropyLoss(), LossTraits(class_indices=True, minimum=0.0)),
        (nn.functional.binary_cross_entropy_with_logits, LossTraits(threshold=0.0, minimum=0.0)),
        (declares(minimum=-2.0)(lambda prediction, target: prediction), LossTraits(minimum=-2.0)),
    ],
)
def test_traits_are_those_declared(loss, expected):
    assert loss_traits(loss) == expected


def test_declaring_changes_nothing_else():
    def loss(prediction, target): ...

    assert declares(threshold=0.0)(loss) is loss
    assert declared(torch.tensor(3.0), torch.tensor(1.0), weight=2.0) == 4.0


def test_an_attribute_of_the_same_name_is_not_believed():
    def loss(prediction, target): ...

    loss.__playground_loss__ = {"threshold": 0.0}
    assert loss_traits(loss) == LossTraits()


@pytest.mark.parametrize(("left", "right"), [((4, 1), (4,)), ((4, 1), (4, 2)), ((4, 1), (1, 1)), ((), (1,))])
def test_shapes_that_would_broadcast_are_refused(left, right):
    with pytest.raises(ComponentError) as caught:
        require_same_shape(torch.zeros(left), torch.zeros(right))
    (fault,) = caught.value.faults
    assert fault.message == f"prediction has shape {left} but target has shape {right}; expected equal shapes"


@pytest.mark.parametrize("shape", [(), (0,), (4, 1), (2, 3, 4)])
def test_equal_shapes_pass(shape):
    require_same_shape(torch.zeros(shape), torch.ones(shape))


def test_under_vmap_the_shape_is_that_of_one_replica():
    targets = torch.zeros(4, 1)

    def one(prediction):
        require_same_shape(prediction, targets)
        return prediction.sum()

    assert torch.func.vmap(one)(torch.ones(3, 4, 1)).tolist() == [4.0, 4.0, 4.0]
    with pytest.raises(ComponentError, match=r"prediction has shape \(4,\)"):
        torch.func.vmap(one)(torch.ones(3, 4))
