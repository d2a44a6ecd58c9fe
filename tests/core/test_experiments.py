"""The run made again, and the least loss, against closed forms."""

import math
from dataclasses import replace

import pytest
import torch

from playground.builtin.optimizers import SGD
from playground.core.evidence import Evidence
from playground.core.experiments import LeastSearch
from playground.core.point import MovingPoint
from playground.core.problem import Problem
from playground.core.setting import Setting
from playground.expression import parse
from playground.result import Status

pytestmark = pytest.mark.usefixtures("one_thread")


def evidence(text, rate, budget=50, **start):
    point = MovingPoint(parse(text), start, Setting())
    begin = {name: tensor.detach().clone() for name, tensor in point.named_parameters()}
    problem = Problem(point, lambda forward, _: forward())
    first = problem.loss(point, ()).item()
    return Evidence(
        problem=problem,
        optimizer=SGD(lr=rate),
        start=begin,
        final=begin,
        first=first,
        last=first,
        steps=budget,
        status=Status.BUDGET,
        operations={},
        budget=budget,
    )


@pytest.mark.parametrize(("rate", "factor"), [(0.1, 1.0), (0.3, 0.1), (0.2, 0.5)])
def test_a_rerun_is_the_descent_at_that_rate(rate, factor):
    found = evidence("x**2", rate, x=1.0).rerun.at(factor, 20)
    assert found.last == pytest.approx((1 - 2 * rate * factor) ** 40)
    assert (found.first, found.steps, found.improved) == (1.0, 20, True)


def test_a_rerun_that_runs_away_is_stopped():
    found = evidence("x**2", 10.0, x=1.0).rerun.at(1.0, 1000)
    assert found.steps < 10
    assert not found.improved


@pytest.mark.parametrize(("rate", "factor"), [(2.0, 0.1), (50.0, 0.01), (1e4, 1e-5)])
def test_the_calmer_rate_is_the_largest_that_improves(rate, factor):
    assert evidence("x**2", rate, x=1.0).rerun.lower_rate_rerun.factor == pytest.approx(factor)


def test_no_rate_is_calmer_at_the_minimum():
    assert evidence("x**2", 2.0, x=0.0).rerun.lower_rate_rerun is None


def test_it_is_found_where_a_run_broke():
    broke = replace(evidence("x - log(x)", 5.0, x=3.0), status=Status.NONFINITE, steps=1).rerun.breakdown
    assert (broke.step, broke.source.operation, broke.source.backward) == (1, "log", False)
    assert str(broke) == "log of -0.3333 gives nan"


def test_an_experiment_leaves_everything_as_it_was():
    run = evidence("x**2 + y**2", 0.1, x=1.0, y=2.0)
    state = torch.get_rng_state()
    run.rerun.at(1.0)
    LeastSearch(run).until(-math.inf)
    assert torch.equal(state, torch.get_rng_state())
    assert {name: tensor.item() for name, tensor in run.problem.parameters.items()} == {"x": 1.0, "y": 2.0}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("text", "least"),
    [("(x - 2)**2 + (y + 1)**2 + 3", 3), ("100*(y - x**2)**2 + (1 - x)**2", 0), ("x**4 - 3*x**2 + x + y**2", -3.5139)],
)
def test_the_least_loss_is_found(text, least):
    found = LeastSearch(evidence(text, 0.1, x=-1.2, y=1.0)).until(-math.inf)
    assert found.loss == pytest.approx(least, abs=1e-3)


def test_a_search_ends_at_a_loss_that_is_enough_and_goes_on_from_there():
    search = LeastSearch(evidence("x**4 - 3*x**2 + x", 0.1, x=1.0))  # a minimum of -1.07 is near, and one of -3.51 far
    near = search.until(-1.0)
    assert (near.starts, near.loss) == (1, pytest.approx(-1.0702, abs=1e-3))
    assert search.until(-1.0) == near
    far = search.until(-3.0)
    assert near.starts < far.starts < search.until(-math.inf).starts
    assert far.loss == pytest.approx(-3.5139, abs=1e-3)


def test_a_search_that_is_nowhere_finite_finds_nothing():
    assert LeastSearch(evidence("log(0*x - 1)", 0.1, x=1.0)).until(-math.inf) is None
