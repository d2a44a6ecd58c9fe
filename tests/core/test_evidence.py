"""What can be measured of a run that is over, against closed forms."""

from functools import partial

import pytest
import torch

from playground.builtin.optimizers import SGD, Adam
from playground.core.evidence import Evidence
from playground.core.point import MovingPoint
from playground.core.problem import Problem
from playground.core.setting import Setting
from playground.expression import parse
from playground.result import Status

pytestmark = pytest.mark.usefixtures("one_thread")


def evidence(optimizer):
    point = MovingPoint(parse("x**2"), {"x": 1.0}, Setting())
    start = {"x": point.x.detach().clone()}
    return Evidence(
        problem=Problem(point, lambda forward, _: forward()),
        optimizer=optimizer,
        start=start,
        final=start,
        first=1.0,
        last=1.0,
        steps=0,
        status=Status.BUDGET,
        operations={},
    )


def heavy_ball(rate, momentum, curvature):
    """The largest root of z² − (1 + β − ηλ)z + β."""
    middle = 1 + momentum - rate * curvature
    root = complex(middle**2 - 4 * momentum) ** 0.5
    return max(abs(middle + root), abs(middle - root)) / 2


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", [SGD, lambda **given: partial(torch.optim.SGD, **given)], ids=["ours", "torch"])
@pytest.mark.parametrize(("rate", "momentum"), [(0.1, 0), (0.3, 0), (4.0, 0), (1e40, 0), (0.1, 0.9), (0.6, 0.9)])
def test_growth_on_a_bowl_is_the_root_of_the_characteristic_polynomial(kind, rate, momentum):
    run = evidence(kind(lr=rate, momentum=momentum))
    assert run.growth(8.0) == pytest.approx(heavy_ball(rate, momentum, 8.0), rel=0.02)
    assert run.growth(8.0, 0.5) == pytest.approx(heavy_ball(rate / 2, momentum, 8.0), rel=0.02)
    assert run.rate == rate


def test_growth_of_a_run_that_is_there_in_one_step():
    assert evidence(SGD(lr=0.125)).growth(8.0) == 0


@pytest.mark.parametrize("rate", [0.1, 10.0, 1e6])
def test_adam_never_leaves_a_bowl_for_good(rate):
    assert evidence(Adam(lr=rate)).growth(8.0) < 1.01
