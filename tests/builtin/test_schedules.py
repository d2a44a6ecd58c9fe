"""The schedules against torch.optim.lr_scheduler, and the warm-up before each."""

from __future__ import annotations

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from playground.builtin import schedules
from playground.errors import ComponentError


def torch_factors(scheduler_class, steps, **arguments):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.5)
    scheduler, factors = scheduler_class(optimizer, **arguments), []
    for _ in range(steps):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors


def factors(schedule, steps):
    return [schedule(k) for k in range(steps)]


TABLE = [
    (schedules.constant(40), lr_scheduler.ConstantLR, {"factor": 1.0}),
    (schedules.step(40, every=7), lr_scheduler.StepLR, {"step_size": 7}),
    (schedules.step(40, every=1, gamma=0.5), lr_scheduler.StepLR, {"step_size": 1, "gamma": 0.5}),
    (schedules.exponential(40, gamma=0.9), lr_scheduler.ExponentialLR, {"gamma": 0.9}),
    (schedules.cosine(40), lr_scheduler.CosineAnnealingLR, {"T_max": 40}),
    (schedules.cosine(40, floor=0.1), lr_scheduler.CosineAnnealingLR, {"T_max": 40, "eta_min": 0.1}),
    (schedules.polynomial(40), lr_scheduler.PolynomialLR, {"total_iters": 40}),
    (schedules.polynomial(40, power=2.5), lr_scheduler.PolynomialLR, {"total_iters": 40, "power": 2.5}),
    (schedules.linear_warmup(40, warmup=5), lr_scheduler.LinearLR, {}),
    (schedules.linear_warmup(40, 40, start=0.1), lr_scheduler.LinearLR, {"start_factor": 0.1, "total_iters": 40}),
    (schedules.one_cycle(40), lr_scheduler.OneCycleLR, {"max_lr": 1.0, "total_steps": 40}),
    (
        schedules.one_cycle(40, pct_start=0.5, div_factor=10.0, final_div_factor=100.0),
        lr_scheduler.OneCycleLR,
        {"max_lr": 1.0, "total_steps": 40, "pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 100.0},
    ),
]


@pytest.mark.parametrize(("schedule", "scheduler_class", "arguments"), TABLE)
def test_equals_torch(schedule, scheduler_class, arguments):
    steps = 40
    assert factors(schedule, steps) == pytest.approx(
        torch_factors(scheduler_class, steps, **arguments), rel=1e-9, abs=1e-12
    )


# The factories with what they need; each takes a warm-up too.
FACTORIES = [
    (schedules.constant, {}),
    (schedules.step, {"every": 3}),
    (schedules.exponential, {"gamma": 0.8}),
    (schedules.cosine, {"floor": 0.2}),
    (schedules.polynomial, {"power": 2.0}),
    (schedules.one_cycle, {}),
]


@pytest.mark.parametrize(("factory", "arguments"), FACTORIES)
def test_after_a_warmup_the_rest_is_the_schedule_of_the_remaining_steps(factory, arguments):
    warmed, rest = factory(30, warmup=10, **arguments), factory(20, **arguments)
    assert factors(warmed, 30)[10:] == factors(rest, 20)
    rise = [rest(0) * share / 11 for share in range(1, 11)]
    assert factors(warmed, 10) == pytest.approx(rise)


def test_the_warmup_is_the_straight_line_of_torch():
    expected = torch_factors(lr_scheduler.LinearLR, 20, start_factor=1 / 9, total_iters=8)
    assert factors(schedules.constant(20, warmup=8), 20) == pytest.approx(expected)


@pytest.mark.parametrize(
    "factory",
    [*(partial for partial, _ in FACTORIES), schedules.linear_warmup],
)
def test_a_warmup_longer_than_the_run_is_refused(factory):
    needed = {name: 2 for name, p in inspect.signature(factory).parameters.items() if p.default is p.empty}
    with pytest.raises(ComponentError, match="a warm-up of 11 steps is longer than the run; expected at most 10") as e:
        factory(**needed | {"steps": 10, "warmup": 11})
    assert e.value.faults[0].path == ("warmup",)
    factory(**needed | {"steps": 0, "warmup": 11})  # a forward pass alone: nothing is scheduled


@settings(deadline=None)
@given(
    st.sampled_from(FACTORIES),
    st.integers(0, 12),
    st.integers(0, 12),
    st.floats(0, 1),
)
def test_factors_stay_between_zero_and_one(case, steps, warmup, share):
    factory, arguments = case
    if factory is schedules.one_cycle:
        arguments = {"pct_start": share}
    schedule = factory(steps, warmup=min(steps, warmup), **arguments)
    assert all(0 <= factor <= 1 + 1e-12 for factor in factors(schedule, steps + 2))


def test_one_cycle_begins_peaks_and_ends_where_it_says():
    schedule = schedules.one_cycle(100, pct_start=0.3, div_factor=20.0, final_div_factor=50.0)
    assert schedule(0) == pytest.approx(1 / 20)
    assert schedule(29) == 1
    assert schedule(99) == pytest.approx(1 / 1000)
    assert max(factors(schedule, 100)) == 1
