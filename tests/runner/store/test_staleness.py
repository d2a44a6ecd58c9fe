from dataclasses import replace

import pytest

from playground.runner.store import Row, SeedSet, StaleSweep, Store, SweepRecord, tabulate_rows
from playground.runner.store.staleness import describe_differences, find_stale_sweeps

OLD = SweepRecord(
    id="old",
    created="2026-11-23T22:00:00Z",
    scenario="s",
    file="s.yaml",
    command="",
    spec={"steps": 1},
    axes=["optimizer.lr"],
    points=[{"optimizer.lr": 0.1}, {"optimizer.lr": 0.2}],
    seeds=3,
    engine="batched",
    versions={"torch": "2.14", "plugins": {"bold": "a" * 64, "lion": "1.0"}},
    keys=["old-0", "old-1"],
    seed_set=SeedSet.of(range(3)),
)


def versions(**changes):
    return {**OLD.versions, **changes}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, []),
        ({"spec": {"steps": 2}, "command": "again", "created": "later", "seeds": 9}, []),
        ({"versions": versions(plugins={"bold": "b" * 64, "lion": "1.0"})}, ["plugin 'bold' changed since"]),
        ({"versions": versions(plugins={"bold": "a" * 64, "lion": "1.1"})}, ["plugin 'lion' 1.0 → 1.1"]),
        ({"versions": versions(plugins={"bold": "2.0", "lion": "1.0"})}, ["plugin 'bold' a file of its own → 2.0"]),
        ({"versions": versions(plugins={"lion": "1.0"})}, ["plugin 'bold' is gone"]),
        (
            {"versions": versions(plugins={"bold": "a" * 64, "lion": "1.0 " + "c" * 32})},
            ["plugin 'lion' changed since"],
        ),
        (
            {"versions": versions(plugins={"ada": "3", "bold": "a" * 64, "lion": "1.0"})},
            ["plugin 'ada' is new"],
        ),
        (
            {"versions": versions(torch="2.15", python="3.13"), "engine": "compiled"},
            ["python: is new", "torch: 2.14 → 2.15", "engine: batched → compiled"],
        ),
    ],
)
def test_differences_in_words(changes, reasons):
    assert list(describe_differences(OLD, replace(OLD, **changes))) == reasons


NEW = replace(OLD, id="new", versions=versions(torch="2.15"), keys=["old-0", "new-1"])
REASON = ("torch: 2.14 → 2.15",)


@pytest.mark.parametrize("other", [{"scenario": "t"}, {"file": "t.yaml"}, {"axes": ["steps"]}])
def test_only_sweeps_of_the_same_scenario_and_axes_matter(other):
    assert find_stale_sweeps(NEW, [OLD, replace(OLD, id="x", **other)]) == [StaleSweep(OLD, REASON)]


def test_what_came_later_or_before_one_that_could_be_used_does_not_matter():
    older, same, later = replace(OLD, id="older"), replace(NEW, id="same"), replace(OLD, id="later")
    assert find_stale_sweeps(NEW, [older, same, OLD, NEW, later]) == [StaleSweep(OLD, REASON)]


def test_the_newest_comes_first_and_the_sweep_itself_need_not_be_stored():
    older = replace(OLD, id="older", engine="plain")
    assert [each.sweep.id for each in find_stale_sweeps(NEW, [older, OLD])] == ["old", "older"]


def test_the_store_knows_the_sweeps(tmp_path):
    with Store.open(tmp_path) as store:
        store.begin(OLD)
        assert store.stale(NEW) == []  # it has no run that could have been used
        rows = [
            Row(
                key=f"old-{point}-{seed}",
                point=point,
                seed=seed,
                status="budget",
                verdict="passed",
                first=3,
                last=1,
                best=1,
                steps=9,
                evaluations=9,
                seconds=0.1,
                engine="plain",
            )
            for point in range(2)
            for seed in range(2 + point)
        ]
        store.add(OLD.id, tabulate_rows(rows))
        assert store.stale(NEW) == [StaleSweep(OLD, REASON, 3)]
        assert store.stale(replace(NEW, keys=["new-0", "old-1"])) == [StaleSweep(OLD, REASON, 2)]
        store.begin(NEW)
        assert store.stale(NEW) == [StaleSweep(OLD, REASON, 3)]
        assert str(store.stale(NEW)[0]) == "torch: 2.14 → 2.15: 3 stored runs were not used again"
        assert store.stale(OLD) == []
