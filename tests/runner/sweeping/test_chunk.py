"""What happens to a chunk in which a run raises, and in which order runs come."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import playground
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE
from playground.runner.store import Store
from playground.runner.sweeping.chunk import MAX_UNSPLIT_RUNS
from playground.runner.sweeping.plan import order_by_seed
from playground.scenario.grid import expand, with_axes
from playground.scenario.model import load_scenario as load

EDGE = """
import torch
from playground import hookimpl
from playground.core.function import Function

def edge():
    return Function(lambda x: torch.linalg.cholesky((100 - x**2)[..., None]).sum((-1, -2)), 1, ())

@hookimpl
def playground_functions():
    return {"edge": edge}
"""
"""A function that falls away to both sides and cannot be computed beyond 10."""

OVER_IT = {
    "task": "minimize",
    "function": "edge",
    "start": {"x": [1]},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "steps": 9,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)


def rows_of(sweep):
    with Store.open(Path.cwd(), create=False) as store:
        return [row for _, row in store.rows(sweep.id)]


@pytest.mark.slow
def test_one_that_raises_costs_only_a_few_their_company(here, write):
    """Of 64 runs the 38th leaves the domain: halves of 32, 16 and 8 descend together, and 8 runs alone."""
    plugin, path = str(write("edge.py", EDGE)), write("edge.yaml", yaml.safe_dump(OVER_IT))
    rates = [0.01 * (1 + i) for i in range(64)]
    rates[37] = 1000.0
    sweep = playground.sweep(path, {"optimizer.lr": rates}, plugins=[plugin])
    assert sweep.engines == {"batched": 64 - MAX_UNSPLIT_RUNS, "plain": MAX_UNSPLIT_RUNS}
    (note,) = (note for note in sweep.notes if note.startswith("plain: "))
    assert "not positive-definite" in note
    rows = rows_of(sweep)
    assert [row.point for row in rows if row.status == "error"] == [37]
    assert "not positive-definite" in rows[37].reason
    for row, rate in zip(rows, rates, strict=True):
        if rate < 1:
            run = playground.run(path, {"optimizer.lr": rate}, plugins=[plugin])
            assert row.last == pytest.approx(run.loss.last, rel=1e-6)


def test_runs_come_seed_by_seed(root):
    grid = expand(with_axes(load(root / "scenarios/bowl.yaml"), {"optimizer.lr": [0.1, 0.2, 0.3]}, 4))
    missing = {0: range(4), 1: [3], 2: [0, 3]}
    members = list(order_by_seed(grid.points, missing, [7, 5, 3, 1]))
    assert members == [(0, 7), (2, 7), (0, 5), (0, 3), (0, 1), (1, 1), (2, 1)]
