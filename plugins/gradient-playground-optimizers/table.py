"""Try every optimizer in a single run, in a sweep and by the contract: `python table.py` prints the table."""

from __future__ import annotations

import math
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from playground import SweepOptions, load_scenario, run, sweep
from playground.plugin_api import PlaygroundError, Plugins, Store, load_plugins, one_thread
from playground.testing import OptimizerContract
from playground_optimizers.collection import CLASSES, LICENCES, NEEDS, OBSTACLES

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
"""Required arguments of an optimizer, by name."""


def outcomes(names: Iterator[str] | tuple[str, ...]) -> Iterator[tuple[str, str, str, str]]:
    """Yield for each name the outcome of a single run, of a sweep of three seeds and of the contract.

    The losses of a batched sweep are compared with those of single runs.
    """
    with one_thread(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the collection's own warnings do not belong in the table
        plugins = load_plugins(folder=folder)
        for name in names:
            optimizer = {"name": f"collection.{name}", **GIVEN.get(name, {})}
            yield name, _alone(Path(folder), optimizer), _stacked(Path(folder), optimizer, plugins), _contract(name)


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
        batched, sequential = (
            sweep(loaded, plugins=plugins, options=SweepOptions(engine), folder=folder) for engine in ("auto", "plain")
        )
    except PlaygroundError:
        return "refused"
    with Store.open(folder, create=False) as store:
        stacked, single = ([row for _, row in store.rows(each.id)] for each in (batched, sequential))
    if any(row.status == "error" for row in stacked):
        return "fails"
    if set(batched.engines) != {"batched"}:
        return f"one by one: {'; '.join(note.removeprefix('plain: ') for note in batched.notes)}"
    same = all(math.isclose(a.last, b.last, rel_tol=1e-3) for a, b in zip(stacked, single, strict=True))
    return "batched" if same else "batched, with other losses"


def _contract(name: str) -> str:
    """Return the rules of `playground.testing.OptimizerContract` that an optimizer breaks, by their tests' names."""
    each = next(each for each in CLASSES if each.lower() == name)
    if each in OBSTACLES:
        return ""
    import pytorch_optimizer

    made = partial(getattr(pytorch_optimizer, each), **GIVEN.get(name, {}))

    class Contract(OptimizerContract):
        elementwise = False  # the collection does not declare it

        def optimizer(self) -> Any:
            return made

    broken = []
    for test in (test for test in dir(Contract) if test.startswith("test_")):
        torch.manual_seed(0)
        try:
            getattr(Contract(), test)()
        except pytest.skip.Exception:
            continue
        except Exception:  # the collection can raise anything
            broken.append(test.removeprefix("test_").replace("_", " "))
    return ", ".join(broken) or "none"


def main() -> None:
    """Print the table in Markdown, and the number of optimizers with each outcome to standard error."""
    counts: Counter[tuple[str, str]] = Counter()
    print("| name | single run | sweep | rules broken | needs |\n|---|---|---|---|---|")
    for name, single, stacked, contract in outcomes(tuple(each.lower() for each in CLASSES)):
        counts[single.partition(":")[0].partition(" ")[0], stacked.partition(":")[0]] += 1
        print(line(name, single, stacked, contract), flush=True)
    for (single, stacked), count in counts.most_common():
        print(f"{count:4} {single}, {stacked}", file=sys.stderr)


def line(name: str, single: str, stacked: str, contract: str) -> str:
    """Return an optimizer's row of the table."""
    return f"| `{name}` | {single} | {stacked} | {contract} | {NEEDS_OF.get(name, '')} |"


if __name__ == "__main__":
    main()
