"""What moves many runs: which numbers differ, and the optimizer of each run."""

from functools import partial

import pytest
import torch

from playground.builtin.optimizers import SGD, Adam
from playground.core.movers import RuleMover, factory_signature, make_mover

ADAM = torch.optim.Adam


class Elementwise(torch.optim.SGD):
    elementwise = True


@pytest.mark.parametrize(
    ("options", "lanes"),
    [
        ([{"lr": 0.1}, {"lr": 0.2}], {"lr": [0.1, 0.2]}),
        ([{"lr": 0.1}, {"lr": 0.1}], {}),
        ([{"betas": (0.9, 0.99)}, {"betas": (0.9, 0.999)}], {"betas[1]": [0.99, 0.999]}),
        ([{"lr": 1, "eps": 1e-8}, {"lr": 2, "eps": 1e-6}], {"lr": [1, 2], "eps": [1e-8, 1e-6]}),
    ],
)
def test_the_numbers_that_differ_are_lanes(options, lanes) -> None:
    factories = [partial(ADAM, **each) for each in options]
    mover = make_mover(factories)
    assert {name: column.tolist() for name, column in mover.lanes.items()} == lanes
    for run, each in enumerate(options):
        made = mover.optimizer_of(run)
        assert (made.func, made.keywords) == (ADAM, each)


def test_whole_numbers_stay_whole() -> None:
    mover = make_mover([partial(ADAM, lr=1), partial(ADAM, lr=2)])
    assert mover.is_whole("lr")
    assert type(mover.optimizer_of(1).keywords["lr"]) is int
    assert not make_mover([partial(ADAM, lr=1), partial(ADAM, lr=0.5)]).is_whole("lr")


def test_a_rule_has_a_tensor_for_what_differs() -> None:
    mover = make_mover([Adam(lr=0.1), Adam(lr=0.2)])
    assert isinstance(mover, RuleMover)
    assert mover.lanes["lr"].tolist() == [0.1, 0.2]
    assert mover.optimizer_of(1) == Adam(lr=0.2)
    assert make_mover([SGD(lr=0.1)] * 2).lanes == {}


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        (partial(ADAM, lr=0.1), partial(ADAM, lr=0.2), True),
        (partial(ADAM, amsgrad=True), partial(ADAM, amsgrad=False), False),
        (partial(ADAM, lr=0.1), partial(ADAM, eps=0.1), False),
        (partial(ADAM, lr=0.1), partial(torch.optim.AdamW, lr=0.1), False),
        (partial(ADAM, betas=(0.9, 0.99)), partial(ADAM, betas=(0.8, 0.9)), True),
    ],
)
def test_factories_move_runs_together_if_they_differ_in_numbers_only(a, b, alike) -> None:
    assert (factory_signature(a) == factory_signature(b)) is alike


@pytest.mark.parametrize(
    ("optimizer", "elementwise"),
    [
        (SGD(lr=0.1), True),
        (partial(ADAM, lr=0.1), True),
        (partial(torch.optim.LBFGS), False),
        (partial(Elementwise, lr=0.1), True),
    ],
)
def test_one_optimizer_can_move_a_batch_if_it_is_elementwise(optimizer, elementwise) -> None:
    assert make_mover([optimizer]).is_elementwise is elementwise
