"""What watching costs: a step of a loop that is watched against the same step alone, side by side.

pytest tests/benchmarks/test_watching.py -m benchmark -s
"""

import statistics
import time

import pytest
import torch
from torch import nn

import playground as pg

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]

STEPS, ROUNDS = 1000, 15


def make(optimizer):
    torch.manual_seed(0)
    layers = [nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)]
    model = nn.Sequential(*layers)
    return model, getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)


def descend(model, optimizer, x, y, steps):
    began = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - began) / steps * 1e6


def measure(optimizer, **options):
    """Return microseconds of a step, alone and watched, alternately: the least and the median of each."""
    x, y = torch.randn(64, 2), torch.randn(64, 1)
    model, made = make(optimizer)
    descend(model, made, x, y, 200)
    alone, watched = [], []
    for _ in range(ROUNDS):
        alone.append(descend(model, made, x, y, STEPS))
        with pg.watch(model, made, **options):
            watched.append(descend(model, made, x, y, STEPS))
    return alone, watched


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_watching_a_small_network(optimizer):
    for name, options in {
        "default": {},
        "no kept step": {"steps": ()},
        "every step kept": {"steps": range(40)},
    }.items():
        alone, watched = measure(optimizer, **options)
        least, middle = min(watched) / min(alone), statistics.median(watched) / statistics.median(alone)
        print(
            f"\n2-64-64-1 by {optimizer}, {name}: alone {min(alone):.0f} µs, watched {min(watched):.0f} µs, "
            f"ratio {least:.3f} (least), {middle:.3f} (median)"
        )
