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

import pytest

from playground.errors import StoreError
from playground.runner.store import ParameterLayout, Row, Store, SweepRecord
from playground.runner.store.records import NO_POINT

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
)
LAYOUT = ParameterLayout((("weight", (1, 2)), ("bias", (1,))), (0, 1, 9))

WRITER = """
    import os, signal, sys
    from pathlib import Path
    from playground.runner.store import Row, Store, SweepRecord

    folder, name, rounds, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    record = SweepRecord(
        id=name, created="2026", scenario="s", file="s.yaml", command="", spec={}, axes=[], points=[{}], seeds=size,
        engine="batched", versions={},
    )
    numbers = dict.fromkeys(("first", "last", "best", "steps", "evaluations", "seconds"), 1)
    def row(key, seed):
        text = {"status": "budget", "verdict": "none", "engine": "batched"}
        return Row(key=key, point=0, seed=seed, **text, **numbers, trace=bytes(256))
    def rows(k):
        return [row(f"{name}-{k}-{i}", k * size + i) for i in range(size)]
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
    store.add("aa11", rows)
    with Store.open(tmp_path) as again:
        assert [found for _, found in again.rows("aa11")] == rows
        assert {sweep.id for sweep, _ in again.rows()} == {"aa11"}


def test_a_nan_loss_stays_one(store):
    store.add("aa11", [row(0, 0, last=math.nan)])
    ((_, found),) = store.rows("aa11")
    assert math.isnan(found.last)


def test_runs_come_in_the_order_of_points_and_seeds(store):
    members = [(1, 3), (0, 7), (1, 0), (0, 2)]
    store.add("aa11", [row(*member) for member in members])
    assert [(found.point, found.seed) for _, found in store.rows("aa11")] == sorted(members)


def test_a_sweep_that_is_begun_again_keeps_its_runs_and_its_date(store):
    store.add("aa11", [row(0, 0)])
    store.begin(replace(RECORD, created="2027-01-01T00:00:00Z", command="playground sweep --fresh"))
    assert store.sweep("aa11").created == RECORD.created
    assert store.sweep("aa11").command == "playground sweep --fresh"
    assert store.tally("aa11").runs == 1


def test_a_run_that_is_computed_again_replaces_the_old_one_in_every_sweep(store):
    store.begin(replace(RECORD, id="bb22"))
    store.add("aa11", [row(0, 0, last=1.0, parameters=b"12345678")])
    store.attach("bb22", [("run-0-0", 1)])
    store.add("aa11", [row(0, 0, last=2.0)])
    for name, point in (("aa11", 0), ("bb22", 1)):
        ((_, found),) = store.rows(name)
        assert (found.point, found.last, found.parameters) == (point, 2.0, None)


@pytest.mark.slow
def test_known_finds_runs_by_key(store):
    rows = [row(0, seed, trace=bytes(4)) for seed in range(12_000)]
    store.add("aa11", rows)
    found = store.known([*(each.key for each in rows), "run-9-9"])
    assert found == {each.key: replace(each, point=NO_POINT) for each in rows}
    assert store.known([]) == {}


def test_attach_passes_over_runs_that_are_to_be_computed_again(store):
    rows = [row(0, 0), row(0, 1, status="error"), row(0, 2, status="error", lost=True), row(0, 3)]
    store.add("aa11", rows)
    members = [(each.key, 0) for each in rows]
    assert store.attach("aa11", members).keys() == {"run-0-0", "run-0-1", "run-0-3"}


def test_attach_takes_what_is_there_and_says_what_that_is(store):
    store.begin(replace(RECORD, id="bb22", points=[{}, {}, {}]))
    store.add("aa11", [row(0, 0), row(0, 1, status="error")])
    found = store.attach("bb22", [("run-0-0", 2), ("run-0-0", 1), ("run-0-1", 0), ("nowhere", 0)])
    assert found == {"run-0-0": "budget", "run-0-1": "error"}
    assert [(each.point, each.key) for _, each in store.rows("bb22")] == [
        (0, "run-0-1"),
        (1, "run-0-0"),
        (2, "run-0-0"),
    ]
    assert len(list(store.rows())) == 5
    assert store.tally("aa11").runs == 2


def test_tally_and_metrics(store):
    store.add("aa11", [row(0, 0, metrics={"b": 1.0, "a": 1.0}), row(0, 1, status="diverged", verdict="failed")])
    store.add("aa11", [row(1, 0, metrics={"c": 1.0})])
    tally = store.tally("aa11")
    assert (tally.runs, tally.statuses) == (3, {"budget": 2, "diverged": 1})
    assert tally.verdicts == {"passed": 2, "failed": 1}
    assert store.tally("aa11", ["status=diverged"]).runs == 1
    assert store.metrics("aa11") == ["b", "a", "c"]
    assert store.metrics("aa11", ["optimizer.lr=1"]) == ["c"]


def test_values(store):
    store.add("aa11", [row(0, 0, metrics={"accuracy": 0.5}), row(1, 4, last=math.nan)])
    names = ["point", "seed", "status", "last", "optimizer.lr", "model.hidden", "accuracy"]
    assert list(store.values(names, "aa11")) == [
        (0, 0, "budget", 0.1, 0.1, "[4]", 0.5),
        (1, 4, "budget", None, 1.0, "[8,8]", None),
    ]


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
        store.add("cc", [row(0, 0)])


def test_an_error_or_ctrl_c_in_the_middle_writes_nothing(store):
    class Interrupted(list):
        passes = 0

        def __iter__(self):
            self.passes += 1
            yield from super().__iter__()
            if self.passes == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.add("aa11", Interrupted([row(0, 0), row(0, 1)]))
    assert store.tally().runs == 0
    store.add("aa11", [row(0, 0)])
    assert store.tally().runs == 1


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path, store):
    store.add("aa11", [row(0, seed) for seed in range(100)])
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(StoreError) as caught:
        store.add("aa11", [row(1, seed, trace=bytes(1000)) for seed in range(1000)])
    assert str(caught.value) == (
        f"{store.path}: cannot be written: the disk is full; what had been written before is kept"
    )
    assert store.tally().runs == 100
    assert integrity(tmp_path) == "ok"


def test_a_read_only_file_is_one_line(store):
    store._connection.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError, match="cannot be written: the file or its folder is read-only"):
        store.add("aa11", [row(0, 0)])


def test_a_writer_that_never_ends_is_one_line(tmp_path, store, monkeypatch):
    monkeypatch.setattr("playground.runner.store.opening.LOCK_TIMEOUT_SECONDS", 0.05)
    with Store.open(tmp_path) as other:
        store._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has kept it locked for"):
            other.add("aa11", [row(0, 0)])
        store._connection.execute("ROLLBACK")
        other.add("aa11", [row(0, 0)])


def test_a_mistake_of_ours_is_no_store_error(store):
    with pytest.raises(sqlite3.IntegrityError):
        store.add("aa11", [row(0, 0, status=None)])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_9_in_the_middle_of_a_transaction_leaves_no_half_of_it(tmp_path):
    script = """
        class Killed(list):
            passes = 0

            def __iter__(self):
                self.passes += 1
                for index, row in enumerate(super().__iter__()):
                    if self.passes == 3 and index == size // 2:  # all runs are inserted, their arrays by half
                        os.kill(os.getpid(), signal.SIGKILL)
                    yield row

        store = Store.open(folder)
        store.begin(record)
        store.add(name, rows(0))
        store.add(name, Killed(rows(1)))
    """
    process = python(script, tmp_path, "kk", 1, 20_000)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with Store.open(tmp_path) as store:
        assert store.tally("kk").runs == 20_000
        assert store._connection.execute("SELECT count(*) FROM arrays").fetchone()[0] == 20_000
        store.add("kk", [row(0, 0)])
    assert integrity(tmp_path) == "ok"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_9_at_any_moment_keeps_every_transaction_that_had_ended(tmp_path):
    script = """
        store = Store.open(folder)
        store.begin(record)
        for k in range(rounds):
            store.add(name, rows(k))
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
def test_processes_that_make_and_fill_one_store_at_once(tmp_path):
    script = """
        with Store.open(folder) as store:
            store.begin(record)
            for k in range(rounds):
                store.add(name, [*rows(k), row("common", -1)])
    """
    processes = [python(script, tmp_path, f"p{number}", 20, 50) for number in range(4)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    with Store.open(tmp_path) as store:
        assert [store.tally(f"p{number}").runs for number in range(4)] == [20 * 50 + 1] * 4
        assert len(store.known(["common"])) == 1
    assert integrity(tmp_path) == "ok"


def test_a_reader_sees_whole_transactions_while_another_writes(tmp_path, store):
    store.add("aa11", [row(0, seed) for seed in range(10)])
    with Store.open(tmp_path) as reader:
        rows = reader.rows("aa11")
        next(rows)
        store.add("aa11", [row(1, seed) for seed in range(10)])
        assert len(list(rows)) == 9
        assert reader.tally("aa11").runs == 20
