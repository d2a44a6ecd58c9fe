"""What watching costs: steps of a loop that is watched against the same steps alone, side by side.

    pytest tests/benchmarks/test_watching.py -m benchmark -s

Short stretches alternate, and the least of each kind counts: on a busy machine a long measurement says more about the
other programs. A stretch has as many steps as there are from one that is watched closely to the next.
"""

import time

import pytest
import torch
from torch import nn

import playground as pg
from playground.core.watching.watcher import ATTENTION_INTERVAL
from playground.watching import ChosenSteps

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]

STRETCHES = 150


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


def measure(optimizer):
    """Return the least microseconds of a step alone, watched, and watched and kept."""
    x, y = torch.randn(64, 2), torch.randn(64, 1)
    model, made = make(optimizer)
    descend(model, made, x, y, 200)
    watched = pg.watch(model, made, steps=())
    alone, seen, kept = [], [], []
    for _ in range(STRETCHES):
        alone.append(descend(model, made, x, y, ATTENTION_INTERVAL))
        with watched:
            seen.append(descend(model, made, x, y, ATTENTION_INTERVAL))
        with pg.watch(model, made, steps=range(4)):
            kept.append(descend(model, made, x, y, 4))
    return min(alone), min(seen[1:]), min(kept)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_watching_a_small_network(optimizer):
    alone, watched, kept = measure(optimizer)
    print(
        f"\n2-64-64-1 by {optimizer}: a step takes {alone:.0f} µs alone, {watched:.0f} µs watched "
        f"({watched / alone:.3f}), {kept:.0f} µs if it is kept"
    )
    for steps in (1_000, 10_000, 100_000):
        count = sum(step in ChosenSteps() for step in range(steps))
        total = (steps * watched + count * (kept - watched)) / (steps * alone)
        print(f"  {steps:>7,} steps, {count} kept: {total:.3f}")
