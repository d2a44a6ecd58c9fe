"""Run every optimizer of the collection, alone and stacked: `python table.py` prints the table of the README."""

from __future__ import annotations

import math
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from playground.api import load_scenario, run
from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins, load_plugins
from playground.runner.store import Store
from playground.runner.sweeping.sweep import Options, run_sweep
from playground_optimizers.collection import CLASSES, LICENCES, NEEDS

SCENARIO = """
task: classification
dataset: moons
model: {name: mlp, hidden: [8]}
loss: bce_with_logits
optimizer: OPTIMIZER
steps: 20
dtype: float64
"""

SWEEP = "sweep: {over: {seed: {count: 3}}}\n"

NEEDS_OF: Mapping[str, str] = {
    **{name.lower(): need for name, need in NEEDS.items()},
    **{name.lower(): f"licence {licence}" for name, licence in LICENCES.items()},
}

GIVEN: Mapping[str, Mapping[str, Any]] = {"bsam": {"num_data": 100}, "ranger21": {"num_iterations": 20}}
"""Arguments without which an optimizer is not made."""


def outcomes(names: Iterator[str] | tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield for each name how a run alone ended, and how three seeds in a sweep were computed, and whether as alone."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the collection warns of is not what the table is about
        plugins = load_plugins(folder=folder)
        for name in names:
            optimizer = {"name": f"collection.{name}", **GIVEN.get(name, {})}
            yield name, _alone(Path(folder), optimizer), _stacked(Path(folder), optimizer, plugins)


def _alone(folder: Path, optimizer: Mapping[str, Any]) -> str:
    (folder / "one.yaml").write_text(SCENARIO.replace("OPTIMIZER", "sgd"), encoding="utf-8")
    try:
        found = run(folder / "one.yaml", {"optimizer": optimizer})
    except PlaygroundError as error:
        return f"refused: {error.faults[0].message}"
    if found.status == "error":
        return f"fails: {found.reason}"
    if found.loss is None or not found.loss.last < found.loss.first:
        return f"runs ({found.status}), the loss does not fall in {found.steps} steps"
    return "runs"


def _stacked(folder: Path, optimizer: Mapping[str, Any], plugins: Plugins) -> str:
    (folder / "many.yaml").write_text(SCENARIO.replace("OPTIMIZER", "sgd") + SWEEP, encoding="utf-8")
    loaded = load_scenario(folder / "many.yaml", {"optimizer": optimizer})
    try:
        together, alone = (run_sweep(loaded, plugins, Options(engine), folder=folder) for engine in ("auto", "plain"))
    except PlaygroundError:
        return "refused"
    with Store.open(folder, create=False) as store:
        stacked, single = ([row for _, row in store.rows(each.id)] for each in (together, alone))
    if any(row.status == "error" for row in stacked):
        return "fails"
    if set(together.engines) != {"batched"}:
        return f"one by one: {'; '.join(note.removeprefix('plain: ') for note in together.notes)}"
    same = all(math.isclose(a.last, b.last, rel_tol=1e-3) for a, b in zip(stacked, single, strict=True))
    return "together" if same else "together, but not as alone"


def main() -> None:
    """Print the table in Markdown, and how many there are of each kind."""
    counts: Counter[tuple[str, str]] = Counter()
    print("| name | alone | in a sweep | needs |\n|---|---|---|---|")
    for name, alone, stacked in outcomes(tuple(each.lower() for each in CLASSES)):
        counts[alone.partition(":")[0].partition(" ")[0], stacked.partition(":")[0]] += 1
        print(line(name, alone, stacked), flush=True)
    for (alone, stacked), count in counts.most_common():
        print(f"{count:4} {alone}, {stacked}", file=sys.stderr)


def line(name: str, alone: str, stacked: str) -> str:
    """Return the table's line for an optimizer."""
    return f"| `{name}` | {alone} | {stacked} | {NEEDS_OF.get(name, '')} |"


if __name__ == "__main__":
    main()
