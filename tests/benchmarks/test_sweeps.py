"""What a whole sweep costs, process and store included, from a hundred runs to ten million. Prints; gates nothing.

Run with `pytest tests/benchmarks/test_sweeps.py -m benchmark -s`. Ten million runs take minutes and 1.3 GB of disk.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

GATE = Path(__file__).parents[2] / "scenarios/and_gate.yaml"
RATES = ("--over", "optimizer.lr=log:1e-4:1:20")
POINTS = 20
MEGABYTE = 2**20
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system tells the peak."""

PROBE = """
import atexit, importlib, json, sys, time
seconds = {}

def measure(place, name, label):
    module, _, attribute = place.partition(":")
    owner = importlib.import_module(module)
    owner = getattr(owner, attribute) if attribute else owner
    function = getattr(owner, name)
    def measured(*arguments, **named):
        start = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            seconds[label] = seconds.get(label, 0.0) + time.perf_counter() - start
    setattr(owner, name, measured)

measure("playground.core.compiled.compiled_replicas:CompiledReplicas", "descend", "computing")
measure("playground.runner.sweeping.engines.compiled", "_compile_replicas", "compiling")
measure("playground.runner.sweeping.engines.vectorized", "begin_replicas", "drawing starts")
measure("playground.runner.sweeping.engines.vectorized", "make_columns", "judging")
measure("playground.runner.store.store:Store", "add", "writing")
measure("playground.runner.sweeping.sweep", "summarize_sweep", "summing up")
atexit.register(lambda: print(json.dumps(seconds), file=sys.stderr))
sys.argv = ["playground", *json.loads(sys.argv[1])]
from playground.cli import main
main()
"""


@dataclass(frozen=True)
class Cost:
    """What a command costs.

    :param peak: of resident memory, in MB.
    :param parts: seconds by what was done.
    """

    seconds: float
    processor: float
    peak: float
    parts: dict[str, float]


def measured(folder: Path, *arguments: str, probe: bool = False) -> Cost:
    """Run the command in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "playground", *arguments]
    if probe:
        command = [sys.executable, "-c", PROBE, json.dumps(arguments)]
    with (folder / "output").open("w") as output, (folder / "errors").open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    told = (folder / "errors").read_text()
    assert process.returncode == 0, told
    parts = json.loads(told.splitlines()[-1]) if probe else {}
    took = time.perf_counter() - start
    return Cost(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * UNIT / MEGABYTE, parts)


def load() -> str:
    """Return the load of the machine, without which no time means anything."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Path]]:
    """Folders with a store, by the number of its seeds; removed at the end, because they are large."""
    found = {seeds: tmp_path_factory.mktemp(str(seeds)) for seeds in (5, 50, 500, 5_000, 50_000, 250_000, 500_000)}
    yield found
    for folder in found.values():
        shutil.rmtree(folder)


@pytest.mark.parametrize("seeds", [5, 50, 500, 5_000, 50_000, 500_000])
def test_from_a_hundred_runs_to_ten_million(
    seeds: int, folders: dict[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The AND gate at 20 rates, 1,000 steps each: the whole process, its parts, the bytes, and asked again."""
    folder, runs = folders[seeds], POINTS * seeds
    command = ("sweep", str(GATE), *RATES, "--seeds", str(seeds))
    first = measured(folder, *command, probe=True)
    size = sum(path.stat().st_size for path in (folder / ".playground").iterdir())
    again = measured(folder, *command)
    with capsys.disabled():
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in first.parts.items())
        ratio = first.seconds / first.parts["computing"] if "computing" in first.parts else float("nan")
        print(
            f"\n{runs:>10,} runs {first.seconds:7.2f} s ({first.processor:.2f} s of processors) "
            f"{first.seconds / runs * 1e6:9.1f} µs and {size / runs:6.0f} bytes each, {first.peak:5.0f} MB, "
            f"{ratio:.1f} times the computing; again {again.seconds:.2f} s {again.peak:.0f} MB; {load()}\n"
            f"{'':15} in seconds: {parts}"
        )


def test_reading_five_million_runs(folders: dict[int, Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = folders[250_000]
    measured(folder, "sweep", str(GATE), *RATES, "--seeds", "250000")
    measured(folder, "results", "--json")
    sweep = json.loads((folder / "output").read_text())["sweeps"][0]["id"]
    few = "loss<0.1 and lr>0.5 and seed<1000"
    commands = {
        "results": ("results",),
        "results show": ("results", "show", sweep),
        "--where": ("results", "show", sweep, "--where", "loss<0.1 and lr>0.01"),
        "--sort": ("results", "show", sweep, "--sort=-loss"),
        "asked again": ("sweep", str(GATE), *RATES, "--seeds", "250000"),
        "report --report json": ("report", "and_gate", "--report", "json=report.json"),
        "report --html": ("report", "and_gate", "--html", "report.html"),
        "export --where": ("export", sweep, "--where", few, "--out", "few.csv"),
        "export": ("export", sweep, "--out", "runs.csv"),
    }
    if find_spec("pyarrow"):
        commands["export --format parquet"] = ("export", sweep, "--format", "parquet", "--out", "runs.parquet")
    with capsys.disabled():
        print(f"\n5,000,000 stored runs; {load()}")
        for label, command in commands.items():
            cost = measured(folder, *command)
            print(f"{label:24} {cost.seconds:7.2f} s ({cost.processor:6.2f} s of processors) {cost.peak:6.0f} MB")
