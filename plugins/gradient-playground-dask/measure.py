"""Measure what the cluster here costs and gives: `python measure.py`. Prints a table; judges nothing."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playground import SweepOptions, sweep
from playground.plugin_api import PackedChunk
from playground_dask.cluster import dask

SCENARIO = """
task: classification
dataset: and_gate
model: perceptron
loss: bce
optimizer: {name: adam, lr: 0.05}
steps: 2000
sweep: {over: {optimizer.lr: {log: [0.001, 1], points: 10}, seed: {count: 16}}}
"""

CHUNKS = 500


def main() -> None:
    """Print seconds of start, milliseconds for a chunk, and how long one sweep takes on one worker and on two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "gate.yaml").write_text(SCENARIO, encoding="utf-8")
        begun = time.perf_counter()
        with dask(workers=2) as workers:
            print(f"start of two workers            {time.perf_counter() - begun:6.2f} s")
            begun = time.perf_counter()
            for future in [workers.submit(_give_back, parcel()) for _ in range(CHUNKS)]:
                future.result()
            print(f"a chunk that computes nothing   {(time.perf_counter() - begun) / CHUNKS * 1000:6.2f} ms")
        one, two = (_sweep(folder, workers) for workers in (1, 2))
        print(f"160 runs alone, one worker      {one:6.2f} s\n160 runs alone, two workers     {two:6.2f} s")
        print(f"speed-up                        {one / two:6.2f}")


def parcel() -> PackedChunk:
    """Return fifty runs as they travel."""
    return PackedChunk(
        file="gate.yaml",
        family=0,
        points={0: SCENARIO},
        keys={0: "0" * 32},
        members=[(0, seed) for seed in range(50)],
        engine="auto",
        note="",
    )


def _give_back(given: PackedChunk) -> PackedChunk:
    return given


def _sweep(folder: Path, workers: int) -> float:
    """Return the seconds of a sweep whose runs descend one after the other, in sixteen chunks, the start included."""
    options = SweepOptions("plain", 16, "dask", {"workers": workers}, fresh=True)
    return sweep(folder / "gate.yaml", options=options, folder=folder).seconds


if __name__ == "__main__":
    main()
