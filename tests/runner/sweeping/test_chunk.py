"""What happens to a chunk in which a run raises, or of which somebody asks who is sensitive."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import playground
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE
from playground.runner.store import Store
from playground.runner.sweeping.chunk import MAX_UNSPLIT_RUNS
from playground.runner.sweeping.plan import order_by_seed
from playground.runner.sweeping.sweep import SweepOptions
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


@pytest.mark.parametrize("engine", ["compiled", "batched", "plain"])
def test_a_run_at_a_sensitive_rate_is_marked(root, here, engine):
    """Across Rosenbrock's valley in strides, one unit in the last place of the start changes the answer."""
    rates, changes = {"optimizer.lr": [0.001, 1.0]}, {"steps": 200, "dtype": "float32"}
    options = SweepOptions(engine=engine, sensitivity=True)
    sweep = playground.sweep(root / "scenarios/rosenbrock.yaml", rates, None, changes, options=options)
    assert [row.sensitive for row in rows_of(sweep)] == [False, True]
    assert [summary.sensitive for summary in sweep.summaries] == [0, 1]
    assert sweep.engines == {engine: 2}


def test_the_gate_is_not_sensitive_and_nobody_looks_unless_asked(root, here):
    ask = root / "scenarios/and_gate.yaml", {"optimizer.lr": [0.01, 0.1]}, 3, {"steps": 200}
    assert {row.sensitive for row in rows_of(playground.sweep(*ask))} == {None}
    asked = playground.sweep(*ask, options=SweepOptions(sensitivity=True))
    assert (asked.computed, {row.sensitive for row in rows_of(asked)}) == (6, {False})
    again = playground.sweep(*ask)
    assert (again.computed, [summary.sensitive for summary in again.summaries]) == (0, [0, 0])
    assert playground.sweep(*ask, options=SweepOptions(sensitivity=True)).computed == 0


def test_asking_changes_nothing_else(root, here):
    ask = root / "scenarios/bowl.yaml", {"optimizer": ["sgd", "torch.Adam"], "optimizer.lr": [0.01, 0.3]}, None
    rows = rows_of(playground.sweep(*ask, options=SweepOptions(sensitivity=True)))
    for row, plain in zip(rows, rows_of(playground.sweep(*ask, options=SweepOptions(fresh=True))), strict=True):
        assert (row.status, row.reason, row.steps) == (plain.status, plain.reason, plain.steps)
        assert (row.last, row.parameters, row.trace) == (plain.last, plain.parameters, plain.trace)


def test_what_has_no_start_is_not_sensitive_to_it(root, here):
    options = SweepOptions(sensitivity=True)
    ask = root / "scenarios/quadratic_derivative.yaml", {"at.x": [[4], [5]]}
    assert {row.sensitive for row in rows_of(playground.sweep(*ask, options=options))} == {False}
    assert playground.sweep(*ask, options=options).computed == 0


def test_runs_come_seed_by_seed(root):
    grid = expand(with_axes(load(root / "scenarios/bowl.yaml"), {"optimizer.lr": [0.1, 0.2, 0.3]}, 4))
    missing = {0: range(4), 1: [3], 2: [0, 3]}
    members = list(order_by_seed(grid.points, missing, [7, 5, 3, 1]))
    assert members == [(0, 7), (2, 7), (0, 5), (0, 3), (0, 1), (1, 1), (2, 1)]
