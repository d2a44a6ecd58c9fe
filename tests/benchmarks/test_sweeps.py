"""What a whole sweep costs, process and store included, from a hundred runs to a million. Prints; gates nothing.

Run with `pytest tests/benchmarks/test_sweeps.py -m benchmark -s`. The million takes a minute or so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

GATE = Path(__file__).parents[2] / "scenarios/and_gate.yaml"
RATES = ("--over", "optimizer.lr=log:1e-4:1:20")
MEGABYTE = 2**20
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system tells the peak."""


def measured(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run the command in a process of its own; return its seconds and its peak of resident memory in MB."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "playground", *arguments]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (folder / "output").read_text()
    return time.perf_counter() - start, usage.ru_maxrss * UNIT / MEGABYTE


@pytest.mark.parametrize("steps", [1, 1000])
def test_from_a_hundred_runs_to_a_million(steps: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of one step is all overhead: initialisation, verdict, row, store, reading back, summing up."""
    with capsys.disabled():
        print(f"\nAND gate, 20 rates × seeds, {steps} steps: the whole process, and asked again")
        for seeds in (5, 50, 500, 5_000, 50_000):
            folder = tmp_path / str(seeds)
            folder.mkdir()
            command = ("sweep", str(GATE), *RATES, "--seeds", str(seeds), "--set", f"steps={steps}")
            (took, peak), (again, reading) = measured(folder, *command), measured(folder, *command)
            runs = 20 * seeds
            print(
                f"{runs:>9,} runs {took:7.2f} s {took / runs * 1e6:9.1f} µs each {peak:6.0f} MB; "
                f"again {again:6.2f} s {reading:6.0f} MB"
            )
