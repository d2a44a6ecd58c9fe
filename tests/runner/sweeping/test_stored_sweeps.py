"""A sweep computes what the store lacks, and gives every run as columns."""

import math
import sqlite3

import numpy as np
import pytest

import playground
from playground.errors import StoreError
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE
from playground.runner.store import Store
from playground.runner.store.opening import store_path
from playground.runner.sweeping.sweep import SweepOptions

BOWL = """\
name: bowl
task: minimize
function: (x - 3)**2 + y**2
start: {x: 0, y: 1}
optimizer: {name: sgd, lr: 0.1}
steps: 5
expect: {x: {near: 3, within: 2}}
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch, write):
    """Sweep over rates and seeds with the plain engine, in the test's folder."""
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)
    path = write("bowl.yaml", BOWL)

    def sweep(rates, seeds, **options):
        return playground.sweep(path, {"optimizer.lr": rates}, seeds, options=SweepOptions("plain", **options))

    return sweep


def test_a_larger_sweep_computes_only_what_is_missing(sweep):
    assert sweep([0.1, 0.2], 3).computed == 6
    assert sweep([0.1, 0.2, 0.3], 3).computed == 3
    assert sweep([0.2, 0.3, 0.4], 5).computed == 2 + 2 + 5
    assert sweep([0.1, 0.2, 0.3, 0.4], 5).computed == 2
    smaller = sweep([0.2, 0.4], 2)
    assert (smaller.computed, smaller.runs) == (0, 4)
    assert sweep([0.1, 0.2], 3, fresh=True).computed == 6
    assert sweep([0.1, 0.2], 3).computed == 0


def test_a_damaged_chunk_is_computed_again_and_named(sweep, tmp_path):
    first, other = sweep([0.1, 0.2], 3), sweep([0.5], 4)
    assert first.warnings == other.warnings == ()
    with sqlite3.connect(store_path(tmp_path)) as connection:
        connection.execute("UPDATE columns SET data = zeroblob(length(data)) WHERE chunk = 1 AND name = 'last'")
    connection.close()
    with Store.open(tmp_path) as store:
        assert [store.tally(each.id).runs for each in (first, other)] == [0, 4]
        (damage,) = store.damaged.values()
        assert "chunk 1 is damaged (last): its 6 runs" in damage
        assert len(list(store.rows(other.id))) == 4
    again = sweep([0.1, 0.2], 3)
    assert (again.computed, again.runs) == (6, 6)
    assert again.warnings == (f"{damage} are computed again",)
    assert sweep([0.1, 0.2], 3).warnings == ()


def test_runs_whose_worker_died_are_rows_and_are_tried_again(sweep, tmp_path):
    found = sweep([0.1, 0.2], 3)
    with Store.open(tmp_path) as store:
        before = [row for _, row in store.rows(found.id)]
    with sqlite3.connect(store_path(tmp_path)) as connection:  # as if the chunk had been stored as lost
        (head,) = connection.execute("SELECT runs, engine, 1, constants FROM chunks").fetchall()
        from playground.runner.store.chunks import header_checksum

        connection.execute("UPDATE chunks SET lost = 1, checksum = ?", (header_checksum(*head),))
    connection.close()
    with Store.open(tmp_path) as store:
        assert store.tally(found.id).runs == 6
    assert sweep([0.1, 0.2], 3).computed == 6
    with Store.open(tmp_path) as store:
        after = [row for _, row in store.rows(found.id)]
    assert [(row.key, row.last, row.lost) for row in after] == [(row.key, row.last, False) for row in before]


COLUMNS = ["sweep", "scenario", "point", "optimizer.lr", "seed", "key", "status", "verdict", "first", "last", "best"]


@pytest.mark.parametrize("library", ["pandas", "pyarrow", "polars"])
def test_every_run_is_a_row_of_a_table(sweep, library):
    pytest.importorskip(library)
    found = sweep([0.1, 2.0], 3)
    table = getattr(found, f"to_{library.removeprefix('py')}")()
    columns = list(table.column_names if library == "pyarrow" else table.columns)
    assert columns[: len(COLUMNS)] == COLUMNS

    def column(name):
        return table[name].to_pylist() if library == "pyarrow" else list(table[name])

    types = {name: str(table[name].type if library == "pyarrow" else table[name].dtype).lower() for name in columns}
    assert types["optimizer.lr"] in ("float64", "double")
    assert types["seed"] == types["point"] == "int64"
    assert types["status"] in ("string", "object", "str")
    assert column("optimizer.lr") == [0.1] * 3 + [2.0] * 3
    assert column("seed") == [0, 1, 2] * 2
    assert set(column("status")) == {"budget"}
    assert set(column("reason")) == {""}
    keys = column("key")
    assert keys[0].endswith("-0")
    assert keys[0][:-2] == keys[2][:-2] != keys[3][:-2]
    assert np.isfinite(column("last")).all()


@pytest.mark.parametrize("library", ["pandas", "pyarrow", "polars"])
def test_without_the_library_it_is_one_line(sweep, monkeypatch, library):
    found = sweep([0.1], 1)
    monkeypatch.setitem(__import__("sys").modules, library, None)
    method = f"to_{library.removeprefix('py')}"
    with pytest.raises(StoreError, match=f"^{method} needs {library}; install it: pip install {library}$"):
        getattr(found, method)()


def test_an_ensemble_has_the_ends_of_its_runs(sweep):
    found = sweep([0.1, 2.0], 3)
    ends = found.ensemble().runs
    assert len(ends) == 6
    assert [(end.point, end.seed) for end in ends] == [(point, seed) for point in range(2) for seed in range(3)]
    assert ends[0].end == pytest.approx((3 - 3 * 0.8**5, 0.8**5), rel=1e-6)
    assert ends[-1] == ends[5]
    assert [end.loss for end in ends.take(ends.loss < 1)] == [end.loss for end in ends if end.loss < 1]
    assert not math.isinf(ends[0].loss)
