"""Measure the overhead and the speed-up of a local cluster: `python measure.py` prints a table."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playground import SweepOptions, sweep
from playground.plugin_api import Members, PackedChunk
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
    """Print the time to start a cluster, the time for a chunk, and the time of a sweep with one worker and with two."""
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
        print(f"160 runs, one worker            {one:6.2f} s\n160 runs, two workers           {two:6.2f} s")
        print(f"speed-up                        {one / two:6.2f}")


def parcel() -> PackedChunk:
    """Return a chunk of fifty runs, as a worker receives it."""
    return PackedChunk(
        file="gate.yaml",
        family=0,
        points={0: SCENARIO},
        keys={0: "0" * 32},
        members=Members.of([(0, seed) for seed in range(50)]),
        engine="auto",
        note="",
    )


def _give_back(given: PackedChunk) -> PackedChunk:
    return given


def _sweep(folder: Path, workers: int) -> float:
    """Return the seconds of a sweep whose runs descend one by one in sixteen chunks, including the start."""
    options = SweepOptions("plain", 16, "dask", {"workers": workers}, fresh=True)
    return sweep(folder / "gate.yaml", options=options, folder=folder).seconds


if __name__ == "__main__":
    main()
