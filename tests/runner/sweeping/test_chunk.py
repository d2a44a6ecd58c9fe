"""What happens to a chunk in which a run raises, and in which order runs come."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import playground
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE
from playground.runner.store import SeedSet, Store
from playground.runner.sweeping.chunk import MAX_UNSPLIT_RUNS
from playground.runner.sweeping.plan import order_by_seed

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


def test_chunks_have_few_seeds():
    """All points of one seed come before those of the next, and a chunk is sorted by point and seed."""
    missing = {0: SeedSet.of([1, 3, 5, 7]), 1: SeedSet.of([7]), 2: SeedSet.of([5, 7])}
    chunks = list(order_by_seed(missing, 3))
    assert list(map(list, chunks)) == [[(0, 1), (0, 3)], [(0, 5), (2, 5)], [(0, 7), (1, 7), (2, 7)]]
    assert list(map(list, order_by_seed(missing, 2)))[2:] == [[(0, 7), (1, 7)], [(2, 7)]]


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 5), st.sets(st.integers(0, 30), min_size=1)), st.integers(1, 20))
def test_chunks_have_every_missing_run_once(missing, size):
    chunks = list(order_by_seed({point: SeedSet.of(seeds) for point, seeds in missing.items()}, size))
    found = [member for chunk in chunks for member in chunk]
    assert sorted(found) == sorted((point, seed) for point, seeds in missing.items() for seed in seeds)
    assert all(len(chunk) <= size and list(chunk) == sorted(chunk) for chunk in chunks)
    assert [seed for chunk in chunks for seed in sorted({seed for _, seed in chunk})] == sorted(
        seed for chunk in chunks for seed in {seed for _, seed in chunk}
    )
