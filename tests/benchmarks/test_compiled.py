"""What one of many compiled runs costs, against JAX in the same sitting where it is installed. Gates nothing.

Run with `pytest tests/benchmarks -m benchmark -s`. JAX runs in a process of its own: set PEER_PYTHON to an interpreter
that has jax and optax, and PEER_SWEEP to the script (runs, kind) that prints its seconds as JSON.
"""

import json
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
from playground.builtin.functions import classic as functions
from playground.builtin.optimizers import Adam
from playground.builtin.tasks.minimize import Minimize
from playground.core.compiled import CannotCompileError, CompiledReplicas, compiled_program
from playground.core.descent import DescentTrace, descend
from playground.core.movers import RuleMover
from playground.core.problem import Batches, Problem
from playground.core.replicas import RuleReplicas
from playground.core.setting import Setting, one_thread
from playground.core.steppers import RuleStepper
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PEER = [os.environ.get("PEER_PYTHON", "python"), os.environ.get("PEER_SWEEP", "jax_sweep.py")]
STEPS, RUNS = 1000, 10_000
INPUTS = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0]])
TARGETS = torch.tensor([[1.0], [0], [0], [0]])


def training(build):
    return Problem(build(), lambda forward, batch: losses.mse(forward(batch[0]), batch[1]), Batches((INPUTS, TARGETS)))


def rosenbrock():
    return Minimize(functions.rosenbrock(), {"x": [-1.2, 1.0]}).problem(Setting())


PROBLEMS = {
    "gate": partial(training, lambda: models.Perceptron(2, 1)),
    "mlp8": partial(training, lambda: models.mlp(2, 1, hidden=(8,), output="sigmoid")),
    "rosenbrock": rosenbrock,
}


def ready(problem, runs, steps=STEPS):
    torch.manual_seed(0)
    parameters = {name: torch.rand(runs, *tensor.shape) * 2 - 1 for name, tensor in problem.parameters.items()}
    rule = Adam(lr=torch.logspace(-3, 0, runs, dtype=torch.float64))
    return CompiledReplicas(problem, parameters, range(runs), RuleMover(rule), steps, StopRules())


def computing(problem, runs, steps=STEPS):
    """The seconds of the descent alone."""
    stepper = ready(problem, runs, steps)
    traces = ReplicaTraces(stepper, steps, StopRules(), runs)
    start = time.perf_counter()
    stepper.descend(traces)
    return time.perf_counter() - start


def peer(kind, runs=RUNS):
    """What JAX takes, warm and as a whole process."""
    done = subprocess.run([*PEER, str(runs), kind], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no JAX beside us: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_computing_alone(kind, capsys) -> None:
    rounds = [(computing(PROBLEMS[kind](), RUNS), peer(kind)["seconds"]) for _ in range(3)]
    ours, theirs = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b in rounds)
    with capsys.disabled():
        print(f"\n{kind}, {RUNS:,} runs: {ours / RUNS * 1e6:.1f} µs each, JAX {theirs / RUNS * 1e6:.1f}, ", end="")
        print(f"ratio {ratio:.2f}")


def sweep(folder, *words):
    """The seconds of a process whose modules are compiled to bytecode, as pip does when it installs them."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "playground", "sweep", *words, "--fresh"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return time.perf_counter() - start


def test_whole_process(tmp_path, capsys) -> None:
    """10,000 AND runs from nothing to the table, stored; against JAX's bare script."""
    words = (str(ROOT / "scenarios/and_gate.yaml"), "--over", "optimizer.lr=log:1e-4:1:20", "--seeds", "500")
    sweep(tmp_path, *words)
    rounds = [(sweep(tmp_path, *words), peer("gate")["seconds_cold"]) for _ in range(5)]
    ours, theirs = (statistics.median(times) for times in zip(*rounds, strict=True))
    with capsys.disabled():
        print(f"\nwhole process: {ours:.2f} s, JAX {theirs:.2f} s, ratio {ours / theirs:.2f}")


def test_a_million_runs(tmp_path, capsys) -> None:
    words = (str(ROOT / "scenarios/and_gate.yaml"), "--over", "optimizer.lr=log:1e-4:1:20")
    few, many = sweep(tmp_path, *words, "--seeds", "5000"), sweep(tmp_path, *words, "--seeds", "50000")
    with capsys.disabled():
        print(f"\n100,000 AND runs {few:.1f} s, 1,000,000 {many:.1f} s")


RULES = "sgd,{name: sgd, momentum: 0.9},adam,adamax,adamw,nadam,radam,rmsprop,adagrad,lion"
FUNCTIONS = "rosenbrock,himmelblau,sphere,beale,booth,rastrigin,ackley,matyas,levy,styblinski_tang"


def test_rules_on_functions(tmp_path, capsys) -> None:
    """10 update rules × 10 functions × 20 rates × 50 starts, 1,000 steps each, from nothing to the table."""
    (tmp_path / "many.yaml").write_text("task: minimize\nfunction: rosenbrock\noptimizer: sgd\nsteps: 1000\n")
    over = (f"optimizer={RULES}", f"function={FUNCTIONS}", "optimizer.lr=log:1e-4:1:20")
    words = [word for axis in over for word in ("--over", axis)]
    seconds = sweep(tmp_path, "many.yaml", *words, "--seeds", "50")
    with capsys.disabled():
        print(f"\n100,000 runs of 10 rules on 10 functions: {seconds:.1f} s")


def test_one_long_run(capsys) -> None:
    """1,000,000 steps of one run, compiled against plain."""
    steps = 1_000_000
    compiled = computing(PROBLEMS["gate"](), 1, steps)
    with one_thread():
        start = time.perf_counter()
        descend(RuleStepper(PROBLEMS["gate"](), Adam(lr=0.01)), DescentTrace(steps // 100))
        plain = (time.perf_counter() - start) * 100
    with capsys.disabled():
        print(f"\none run of {steps:,} steps: {compiled:.2f} s, plain {plain:.0f} s (by a hundredth of it)")


def test_compile_time(capsys) -> None:
    with capsys.disabled():
        print()
        for hidden in ((1,), (4,), (8,), (16,), (32,), (64,), (80,), (90,)):
            problem = training(partial(models.mlp, 2, 1, hidden=hidden, output="sigmoid"))
            try:
                print(f"MLP {hidden}: {ready(problem, 16).account}")
            except CannotCompileError as error:
                print(f"MLP {hidden}: {error}")


@pytest.mark.parametrize("kind", PROBLEMS)
def test_loading_time(kind, tmp_path, monkeypatch, capsys) -> None:
    """Seconds until a program is ready: compiled, and loaded from disk."""
    seconds = {"compiled": [], "loaded": []}
    for index in range(5):
        monkeypatch.setenv("PLAYGROUND_CACHE_DIR", str(tmp_path / str(index)))
        for times in seconds.values():
            compiled_program._compile_text.cache_clear()
            times.append(ready(PROBLEMS[kind](), 16).seconds_to_compile)
    with capsys.disabled():
        print(f"\n{kind}: " + ", ".join(f"{name} in {statistics.median(seconds[name]):.3f} s" for name in seconds))


@pytest.mark.parametrize("kind", PROBLEMS)
def test_crossover(kind, capsys) -> None:
    """From how many runs and steps on compiling pays."""
    with capsys.disabled(), one_thread():
        print()
        for steps in (10, 100, 1000):
            for runs in (1, 10, 100, 1000):
                problem = PROBLEMS[kind]()
                start = time.perf_counter()
                stepper = ready(problem, runs, steps)
                stepper.descend(ReplicaTraces(stepper, steps, StopRules(), runs))
                compiled = time.perf_counter() - start
                start = time.perf_counter()
                parameters = {name: torch.rand(runs, *tensor.shape) for name, tensor in problem.parameters.items()}
                batch = RuleReplicas(problem, parameters, range(runs), Adam(lr=0.01))
                descend(batch, ReplicaTraces(batch, steps, StopRules(), runs))
                batched = time.perf_counter() - start
                print(f"{kind}, {runs:5,} runs of {steps:5,} steps: compiled {compiled:.3f} s, batched {batched:.3f} s")
