"""What one of many runs costs, against the hand-written loop in the same sitting. Prints ratios; gates nothing.

Run with `pytest tests/benchmarks -m benchmark -s`.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from playground.builtin import losses, models
from playground.builtin.optimizers import Adam
from playground.core.descent import descend
from playground.core.problem import Batches, Problem
from playground.core.replicas import RuleReplicas, chunk_size, initial_parameters, stack_parameters
from playground.core.setting import one_thread
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

STEPS = 1000
MEMORY = 2 * 10**9
INPUTS = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0]])
TARGETS = torch.tensor([[1.0], [0], [0], [0]])
BUILDS: dict[str, Callable[[], torch.nn.Module]] = {
    "AND gate": lambda: models.Perceptron(2, 1),
    "MLP 2-8-1": lambda: models.mlp(2, 1, hidden=(8,), output="sigmoid"),
}


def problem(build: Callable[[], torch.nn.Module]) -> Problem:
    return Problem(build(), lambda forward, batch: losses.mse(forward(batch[0]), batch[1]), Batches((INPUTS, TARGETS)))


def sweep(build: Callable[[], torch.nn.Module], runs: int) -> None:
    """Twenty rates under so many seeds, in chunks; every seed's initial parameters are drawn once."""
    one = problem(build)
    seeds = [run % (runs // 20) for run in range(runs)]
    drawn = initial_parameters(lambda seed: problem(build), range(runs // 20))
    parameters = stack_parameters([drawn[seed] for seed in seeds])
    rates = torch.logspace(-4, 0, 20, dtype=torch.float64).repeat_interleave(runs // 20)
    size = chunk_size(one, one.parameters, MEMORY)
    for start in range(0, runs, size):
        cut = slice(start, start + size)
        chosen = {name: tensor[cut] for name, tensor in parameters.items()}
        stepper = RuleReplicas(one, chosen, seeds[cut], Adam(lr=rates[cut]))
        descend(stepper, ReplicaTraces(stepper, STEPS, StopRules(), len(seeds[cut])))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def train() -> Callable[[], object]:
    here = str(Path(__file__).parent)
    sys.path.insert(0, here)
    from handwritten import train

    sys.path.remove(here)
    return train


@pytest.mark.parametrize("runs", [1_000, 5_000, 10_000])
@pytest.mark.parametrize("name", BUILDS)
def test_one_of_many_runs(
    name: str, runs: int, train: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    with one_thread():
        pairs = [(seconds(lambda: sweep(BUILDS[name], runs)) / runs, seconds(train)) for _ in range(3)]
    each, alone = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    with capsys.disabled():
        print(f"\n{name}, {runs:,} runs of {STEPS:,} steps: {each * 1e6:.0f} µs each, ", end="")
        print(f"hand-written AND gate {alone * 1e3:.0f} ms, 1/{ratio:,.0f}")


def test_initial_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    build = BUILDS["AND gate"]
    took = statistics.median(
        seconds(lambda: initial_parameters(lambda seed: problem(build), range(500))) for _ in range(5)
    )
    with capsys.disabled():
        print(f"\ninitial parameters of a seed: {took / 500 * 1e6:.0f} µs")
