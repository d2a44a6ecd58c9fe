"""What runs by an unmodified `torch.optim.Optimizer` cost, against our update rule in the same sitting. Gates nothing.

Run with `pytest tests/benchmarks/test_any_optimizer.py -m benchmark -s`. Times are CPU seconds, which other processes
change less than time on the wall.
"""

import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from playground.builtin import losses, models
from playground.builtin.optimizers import Adam
from playground.core.compiled import CompiledReplicas, compiled_program
from playground.core.movers import RuleMover, make_mover
from playground.core.problem import Batches, Problem
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
STEPS, RUNS, FEW = 1000, 10_000, 64
INPUTS = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0]])
TARGETS = torch.tensor([[1.0], [0], [0], [0]])
MODELS = {
    "gate": lambda: models.Perceptron(2, 1),
    "mlp 2-8-1": lambda: models.mlp(2, 1, hidden=(8,), output="sigmoid"),
}


def rule(rates):
    return RuleMover(Adam(lr=torch.tensor(rates, dtype=torch.float64)))


def torch_adam(rates):
    return make_mover([partial(torch.optim.Adam, lr=rate) for rate in rates])


def ready(build, mover, runs):
    torch.manual_seed(0)
    problem = Problem(
        build(), lambda forward, batch: losses.mse(forward(batch[0]), batch[1]), Batches((INPUTS, TARGETS))
    )
    parameters = {name: torch.rand(runs, *tensor.shape) * 2 - 1 for name, tensor in problem.parameters.items()}
    rates = torch.logspace(-3, -1, runs, dtype=torch.float64).tolist()
    began = time.process_time()
    made = CompiledReplicas(problem, parameters, range(runs), mover(rates), STEPS, StopRules())
    return made, time.process_time() - began


def computing(build, mover):
    """CPU seconds of the descent alone."""
    stepper, _ = ready(build, mover, RUNS)
    traces = ReplicaTraces(stepper, STEPS, StopRules(), RUNS)
    began = time.process_time()
    stepper.descend(traces)
    return time.process_time() - began


def making(build, mover):
    """CPU seconds to record, compile and check, with what is on disk."""
    compiled_program._compile_text.cache_clear()
    return ready(build, mover, FEW)[1]


@pytest.mark.parametrize("kind", MODELS)
def test_computing(kind, capsys) -> None:
    rounds = [(computing(MODELS[kind], torch_adam), computing(MODELS[kind], rule)) for _ in range(5)]
    theirs, ours = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b in rounds)
    with capsys.disabled():
        print(f"\n{kind}, {RUNS:,} runs: torch.Adam {theirs:.3f} CPU s, our adam {ours:.3f}, ratio {ratio:.2f}")


@pytest.mark.parametrize("kind", MODELS)
def test_making(kind, tmp_path, monkeypatch, capsys) -> None:
    cold: dict[str, list[float]] = {"torch.Adam": [], "our adam": []}
    warm: dict[str, list[float]] = {"torch.Adam": [], "our adam": []}
    for name, mover in (("torch.Adam", torch_adam), ("our adam", rule)):
        making(MODELS[kind], mover)  # pays for imports
        for i in range(5):
            monkeypatch.setenv("PLAYGROUND_CACHE_DIR", str(tmp_path / f"{name}{i}"))
            cold[name].append(making(MODELS[kind], mover))
            warm[name].append(making(MODELS[kind], mover))
    with capsys.disabled():
        for title, found in (("nothing on disk", cold), ("from disk", warm)):
            theirs, ours = (statistics.median(found[name]) for name in found)
            print(
                f"\n{kind}, {title}: torch.Adam {theirs:.3f} CPU s, our adam {ours:.3f}, ratio {theirs / ours:.1f}",
                end="",
            )


LINES = (
    "torch.Adam",
    "torch.RMSprop",
    "torch.Adafactor",
    "collection.lion",
    "collection.adabelief",
    "collection.prodigy",
)


STACKED = LINES[:2]
"""One optimizer moves all runs of a batch."""


@pytest.mark.parametrize("optimizer", LINES)
def test_whole_process(optimizer, tmp_path, capsys) -> None:
    """1,000 runs of 1,000 steps of the AND gate, from nothing to the table; before: the batched engine."""

    def sweep(engine, seeds):
        words = ["sweep", str(ROOT / "scenarios/and_gate.yaml"), "--set", f"optimizer={optimizer}", "--fresh"]
        words += ["--over", "optimizer.lr=log:1e-4:1:20", "--seeds", str(seeds), "--engine", engine]
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-m", "playground", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    compiled = sweep("compiled", 50)
    if optimizer in STACKED:
        before, how = sweep("batched", 50), "measured"
    else:  # an instance for each run: the time is proportional to the runs
        few, more = sweep("batched", 1), sweep("batched", 5)
        before, how = few + 980 * (more - few) / 80, "from 20 and 100 runs"
    with capsys.disabled():
        print(f"\n{optimizer}: {compiled:.1f} CPU s; as a batch {before:.0f} CPU s ({how})", end="")
