"""Try every optimizer in a single run, in sweeps and by the contract: `python table.py` prints the table."""

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

SMALL = """
task: classification
dataset: and_gate
model: {name: mlp, hidden: [8], output: sigmoid}
loss: mse
optimizer: OPTIMIZER
steps: 100
dtype: float64
"""
"""A step of so few operations that the compiled engine takes it."""

SWEEP = "sweep: {over: {seed: {count: 3}}}\n"

NEEDS_OF: Mapping[str, str] = {
    **{name.lower(): need for name, need in NEEDS.items()},
    **{name.lower(): f"licence {licence}" for name, licence in LICENCES.items()},
}

GIVEN: Mapping[str, Mapping[str, Any]] = {"bsam": {"num_data": 100}, "ranger21": {"num_iterations": 20}}
"""Required arguments of an optimizer, by name."""


def outcomes(names: Iterator[str] | tuple[str, ...]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield for each name the outcome of a single run, of sweeps of three seeds and of the contract.

    The losses of a batched and of a compiled sweep are compared with those of single runs.
    """
    with one_thread(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the collection's own warnings do not belong in the table
        plugins = load_plugins(folder=folder)
        for name in names:
            optimizer = {"name": f"collection.{name}", **GIVEN.get(name, {})}
            yield (
                name,
                _alone(Path(folder), optimizer),
                _stacked(Path(folder), optimizer, plugins),
                _compiled(Path(folder), optimizer, plugins),
                _contract(name),
            )


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
    found = _sweep(SCENARIO, "batched", folder, optimizer, plugins)
    return f"one by one: {found}" if found not in ("refused", "fails") and not found.startswith("batched") else found


def _compiled(folder: Path, optimizer: Mapping[str, Any], plugins: Plugins) -> str:
    found = _sweep(SMALL, "compiled", folder, optimizer, plugins)
    return found if found in ("refused", "fails") or found.startswith("compiled") else f"no: {found}"


def _sweep(scenario: str, engine: str, folder: Path, optimizer: Mapping[str, Any], plugins: Plugins) -> str:
    """Sweep over three seeds; return the engine that computed them, or why it did not."""
    (folder / "many.yaml").write_text(scenario.replace("OPTIMIZER", "sgd") + SWEEP, encoding="utf-8")
    loaded = load_scenario(folder / "many.yaml", {"optimizer": optimizer})
    try:
        fast, sequential = (
            sweep(loaded, plugins=plugins, options=SweepOptions(engine=each), folder=folder)
            for each in (engine, "plain")
        )
    except PlaygroundError:
        return "refused"
    with Store.open(folder, create=False) as store:
        mine, single = ([row for _, row in store.rows(each.id)] for each in (fast, sequential))
    if any(row.status == "error" for row in mine):
        return "fails"
    if set(fast.engines) != {engine}:
        return "; ".join(note.partition(": ")[2] for note in fast.notes)
    same = all(math.isclose(a.last, b.last, rel_tol=1e-3, abs_tol=1e-9) for a, b in zip(mine, single, strict=True))
    return engine if same else f"{engine}, with other losses"


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
    counts: Counter[tuple[str, str, str]] = Counter()
    print("| name | single run | sweep | small sweep | rules broken | needs |\n|---|---|---|---|---|---|")
    for name, single, stacked, compiled, contract in outcomes(tuple(each.lower() for each in CLASSES)):
        words = (single.partition(":")[0].partition(" ")[0], stacked.partition(":")[0], compiled.partition(":")[0])
        counts[words] += 1
        print(line(name, single, stacked, compiled, contract), flush=True)
    for words, count in counts.most_common():
        print(f"{count:4} {', '.join(words)}", file=sys.stderr)


def line(name: str, single: str, stacked: str, compiled: str, contract: str) -> str:
    """Return an optimizer's row of the table."""
    return f"| `{name}` | {single} | {stacked} | {compiled} | {contract} | {NEEDS_OF.get(name, '')} |"


if __name__ == "__main__":
    main()
