import math
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from playground.errors import StoreError
from playground.runner.store import ParameterLayout, Row, SeedSet, Store, SweepRecord, tabulate_rows

RECORD = SweepRecord(
    id="aa11",
    created="2026-11-23T22:00:00Z",
    scenario="and_gate",
    file="and_gate.yaml",
    command="playground sweep and_gate.yaml",
    spec={"task": {"name": "classification"}, "limit": math.inf},
    axes=["optimizer.lr", "model.hidden"],
    points=[{"optimizer.lr": 0.1, "model.hidden": [4]}, {"optimizer.lr": 1.0, "model.hidden": [8, 8]}],
    seeds=2,
    engine="batched",
    versions={"torch": "2.14", "plugins": {"bold": "0" * 64}},
    keys=["run-0", "run-1"],
    seed_set=SeedSet.of(range(20_000)),
)
LAYOUT = ParameterLayout((("weight", (1, 2)), ("bias", (1,))), (0, 1, 9))

WRITER = """
    import os, signal, sys
    from pathlib import Path
    from playground.runner.store import Row, SeedSet, Store, SweepRecord, tabulate_rows

    folder, name, rounds, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    record = SweepRecord(
        id=name, created="2026", scenario="s", file="s.yaml", command="", spec={}, axes=[], points=[{}], seeds=size,
        engine="batched", versions={}, keys=[name], seed_set=SeedSet.of(range(10**9)),
    )
    numbers = dict.fromkeys(("first", "last", "best", "steps", "evaluations", "seconds"), 1)
    def row(key, seed):
        text = {"status": "budget", "verdict": "none", "engine": "batched"}
        losses = os.urandom(256)
        return Row(key=f"{key}-{seed}", point=0, seed=seed, **text, **numbers, trace=losses)
    def runs(k):
        return tabulate_rows([row(name, k * size + i) for i in range(size)])
"""


def row(point, seed, **changes):
    """A run of `RECORD`."""
    default = Row(
        key=f"run-{point}-{seed}",
        point=point,
        seed=seed,
        status="budget",
        verdict="passed",
        first=0.3,
        last=0.1,
        best=0.1,
        steps=10,
        evaluations=11,
        seconds=0.5,
        engine="batched",
    )
    return replace(default, **changes)


def python(script, *arguments):
    """Start a process that has this script's names."""
    code = textwrap.dedent(WRITER) + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def integrity(folder):
    connection = sqlite3.connect(folder / ".playground" / "results.sqlite")
    answer = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return answer


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path) as store:
        store.begin(RECORD)
        yield store


def test_a_sweep_reads_back_as_it_was(store):
    assert store.sweep("aa11") == RECORD
    assert store.sweeps() == [RECORD]


def test_runs_read_back_as_they_were_in_another_process_too(tmp_path, store):
    rows = [
        row(0, 0, metrics={"accuracy": 0.75, "odd": None}, parameters=bytes(24), trace=bytes(12), layout=LAYOUT),
        row(0, 1, first=math.inf, last=-math.inf, status="nonfinite", verdict="failed", reason="at step 3"),
        row(1, 5, metrics={"accuracy": math.inf}),
    ]
    store.add("aa11", tabulate_rows(rows))
    with Store.open(tmp_path) as again:
        assert [found for _, found in again.rows("aa11")] == rows
        assert {sweep.id for sweep, _ in again.rows()} == {"aa11"}


def test_a_nan_loss_stays_one(store):
    store.add("aa11", tabulate_rows([row(0, 0, last=math.nan)]))
    ((_, found),) = store.rows("aa11")
    assert math.isnan(found.last)


def test_runs_come_in_the_order_of_points_and_seeds(store):
    members = [(1, 3), (0, 7), (1, 0), (0, 2)]
    store.add("aa11", tabulate_rows([row(*member) for member in members]))
    assert [(found.point, found.seed) for _, found in store.rows("aa11")] == sorted(members)


def test_a_sweep_that_is_begun_again_keeps_its_runs_and_its_date(store):
    store.add("aa11", tabulate_rows([row(0, 0)]))
    store.begin(replace(RECORD, created="2027-01-01T00:00:00Z", command="playground sweep --fresh"))
    assert store.sweep("aa11").created == RECORD.created
    assert store.sweep("aa11").command == "playground sweep --fresh"
    assert store.tally("aa11").runs == 1


def test_a_run_that_is_computed_again_replaces_the_old_one_in_every_sweep(store):
    store.begin(replace(RECORD, id="bb22", keys=["other", "run-0"]))
    store.add("aa11", tabulate_rows([row(0, 0, last=1.0, parameters=b"12345678")]))
    store.add("aa11", tabulate_rows([row(0, 0, last=2.0)]))
    for name, point in (("aa11", 0), ("bb22", 1)):
        ((_, found),) = store.rows(name)
        assert (found.point, found.last, found.parameters) == (point, 2.0, None)
    assert store._connection.execute("SELECT count(*) FROM chunks").fetchone() == (1,)


def test_of_runs_that_overlap_the_newest_is_read(store):
    """Chunks that share some seeds, in any order, are no sum of their parts."""
    store.add("aa11", tabulate_rows([row(0, seed, last=1.0) for seed in range(10)]))
    store.add("aa11", tabulate_rows([row(0, seed, last=2.0) for seed in (3, 5, 12)]))
    store.add("aa11", tabulate_rows([row(0, seed, last=3.0) for seed in range(9, 12)]))
    found = {each.seed: each.last for _, each in store.rows("aa11")}
    assert found == {0: 1, 1: 1, 2: 1, 3: 2, 4: 1, 5: 2, 6: 1, 7: 1, 8: 1, 9: 3, 10: 3, 11: 3, 12: 2}
    assert list(found) == sorted(found)
    assert store.stored_seeds(["run-0"]) == {"run-0": SeedSet(((0, 12),))}


def test_a_run_that_was_lost_hides_no_finished_one(store):
    store.add("aa11", tabulate_rows([row(0, seed) for seed in range(3)]))
    store.add("aa11", tabulate_rows([row(0, 1, status="error", lost=True), row(0, 3, status="error", lost=True)]))
    assert [(each.seed, each.status) for _, each in store.rows("aa11")] == [
        (0, "budget"),
        (1, "budget"),
        (2, "budget"),
        (3, "error"),
    ]


def test_stored_seeds_pass_over_runs_that_are_to_be_computed_again(store):
    rows = [row(0, 0), row(0, 1, status="error"), row(0, 2, status="error", lost=True), row(0, 3), row(1, 7)]
    store.add("aa11", tabulate_rows(rows))
    found = store.stored_seeds(["run-0", "run-1", "nowhere"])
    assert found == {"run-0": SeedSet.of([0, 1, 3]), "run-1": SeedSet.of([7])}
    assert store.stored_seeds([]) == {}


def test_sweeps_share_the_runs_of_equal_points(store):
    """A sweep has the runs of its points and seeds, whichever sweep computed them."""
    store.begin(replace(RECORD, id="bb22", points=[{}, {}, {}], keys=["x", "run-0", "run-0"], seed_set=SeedSet.of([1])))
    store.add("aa11", tabulate_rows([row(0, 0), row(0, 1, status="error")]))
    assert [(each.point, each.key) for _, each in store.rows("bb22")] == [(1, "run-0-1"), (2, "run-0-1")]
    assert len(list(store.rows())) == 4
    assert store.tally("aa11").runs == 2


def test_tally_and_metrics(store):
    store.add(
        "aa11", tabulate_rows([row(0, 0, metrics={"b": 1.0, "a": 1.0}), row(0, 1, status="diverged", verdict="failed")])
    )
    store.add("aa11", tabulate_rows([row(1, 0, metrics={"c": 1.0})]))
    tally = store.tally("aa11")
    assert (tally.runs, tally.statuses) == (3, {"budget": 2, "diverged": 1})
    assert tally.verdicts == {"passed": 2, "failed": 1}
    assert store.tally("aa11", ["status=diverged"]).runs == 1
    assert store.metrics("aa11") == ["b", "a", "c"]
    assert store.metrics("aa11", ["optimizer.lr=1"]) == ["c"]


def test_columns(store):
    store.add("aa11", tabulate_rows([row(0, 0, metrics={"accuracy": 0.5}), row(1, 4, last=math.nan)]))
    columns = store.columns(["point", "seed", "status", "last", "metric.accuracy"], "aa11")
    assert [columns[name].tolist() for name in ("point", "seed", "status")] == [[0, 1], [0, 4], [1, 1]]
    np.testing.assert_equal(columns["last"], [0.1, math.nan])
    np.testing.assert_equal(columns["metric.accuracy"], [0.5, math.nan])


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("zz", "there is no sweep 'zz' in .*results.sqlite; `playground results` lists them"),
        ("%", "there is no sweep '%' in .*results.sqlite; `playground results` lists them"),
        ("a", "several sweeps begin with 'a': aa11, aa12, aa1; write more of it"),
    ],
)
def test_a_sweep_that_is_not_there_or_not_one(store, prefix, message):
    store.begin(replace(RECORD, id="aa12"))
    store.begin(replace(RECORD, id="aa1"))
    with pytest.raises(StoreError, match=message):
        store.sweep(prefix)
    assert store.sweep("aa1").id == "aa1"


def test_a_scenarios_name_asks_for_all_its_sweeps(store):
    store.begin(replace(RECORD, id="bb12"))
    assert [sweep.id for sweep in store.find_sweeps(RECORD.scenario)] == ["aa11", "bb12"]
    assert [sweep.id for sweep in store.find_sweeps("bb")] == ["bb12"]
    with pytest.raises(StoreError, match="there is no sweep 'zz'"):
        store.find_sweeps("zz")


def test_runs_need_a_sweep_that_was_begun(store):
    with pytest.raises(StoreError, match="no sweep 'cc'; call `begin` first"):
        store.add("cc", tabulate_rows([row(0, 0)]))


def test_an_error_or_ctrl_c_in_the_middle_writes_nothing(store, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("playground.runner.store.chunks._delete_replaced", interrupt)  # when all has been inserted
        with pytest.raises(KeyboardInterrupt):
            store.add("aa11", tabulate_rows([row(0, 0), row(0, 1)]))
    assert store.tally().runs == 0
    assert store._connection.execute("SELECT count(*) FROM chunks").fetchone() == (0,)
    store.add("aa11", tabulate_rows([row(0, 0)]))
    assert store.tally().runs == 1


def test_a_full_disk_in_the_middle_of_a_chunk_is_one_line_and_keeps_what_was_there(tmp_path, store):
    store.add("aa11", tabulate_rows([row(0, seed) for seed in range(100)]))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(StoreError) as caught:
        store.add("aa11", tabulate_rows([row(1, seed, trace=os.urandom(1000)) for seed in range(1000)]))
    assert str(caught.value) == (
        f"{store.path}: cannot be written: the disk is full; what had been written before is kept"
    )
    assert store.tally().runs == 100
    assert integrity(tmp_path) == "ok"


def test_a_read_only_file_is_one_line(store):
    store._connection.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError, match="cannot be written: the file or its folder is read-only"):
        store.add("aa11", tabulate_rows([row(0, 0)]))


def test_a_writer_that_never_ends_is_one_line(tmp_path, store, monkeypatch):
    monkeypatch.setattr("playground.runner.store.opening.LOCK_TIMEOUT_SECONDS", 0.05)
    with Store.open(tmp_path) as other:
        store._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has kept it locked for"):
            other.add("aa11", tabulate_rows([row(0, 0)]))
        store._connection.execute("ROLLBACK")
        other.add("aa11", tabulate_rows([row(0, 0)]))


def test_a_mistake_of_ours_is_no_store_error(store):
    (runs,) = tabulate_rows([row(0, 0)])
    with pytest.raises(sqlite3.IntegrityError):
        store.add("aa11", [replace(runs, engine=None)])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_9_in_the_middle_of_a_transaction_leaves_no_half_of_it(tmp_path):
    script = """
        from playground.runner.store import chunks

        store = Store.open(folder)
        store.begin(record)
        store.add(name, runs(0))
        chunks._delete_replaced = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # when all has been inserted
        store.add(name, runs(1))
    """
    process = python(script, tmp_path, "kk", 1, 20_000)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with Store.open(tmp_path) as store:
        assert store.tally("kk").runs == 20_000
        assert store._connection.execute("SELECT count(*) FROM chunks").fetchone()[0] == 1
        store.add("kk", tabulate_rows([row(0, 0)]))
    assert integrity(tmp_path) == "ok"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_9_at_any_moment_keeps_every_transaction_that_had_ended(tmp_path):
    script = """
        store = Store.open(folder)
        store.begin(record)
        for k in range(rounds):
            store.add(name, runs(k))
            print(k, flush=True)
    """
    for trial, delay in enumerate((0.0, 0.007, 0.019)):
        process = python(script, tmp_path, f"k{trial}", 10_000, 1000)
        told = [process.stdout.readline() for _ in range(3)]
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
        process.communicate()
        done = len([line for line in told if line.endswith("\n")])
        with Store.open(tmp_path) as store:
            assert store.tally(f"k{trial}").runs in (done * 1000, (done + 1) * 1000)
    assert integrity(tmp_path) == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("writers", [2, 4])
def test_processes_that_make_and_fill_one_store_at_once(tmp_path, writers):
    script = """
        with Store.open(folder) as store:
            store.begin(record)
            for k in range(rounds):
                store.add(name, runs(k) + tabulate_rows([row("common", 0)]))
    """
    processes = [python(script, tmp_path, f"p{number}", 20, 50) for number in range(writers)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * writers
    with Store.open(tmp_path) as store:
        assert [store.tally(f"p{number}").runs for number in range(writers)] == [20 * 50] * writers
        assert store.stored_seeds(["common"]) == {"common": SeedSet.of([0])}
    assert integrity(tmp_path) == "ok"


def test_a_reader_sees_whole_transactions_while_another_writes(tmp_path, store):
    store.add("aa11", tabulate_rows([row(0, seed) for seed in range(10)]))
    with Store.open(tmp_path) as reader:
        rows = reader.rows("aa11")
        next(rows)
        store.add("aa11", tabulate_rows([row(1, seed) for seed in range(10)]))
        assert len(list(rows)) == 9
        assert reader.tally("aa11").runs == 20
