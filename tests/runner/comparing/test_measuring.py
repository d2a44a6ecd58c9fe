"""Which pairs a process is given at once, and what Ctrl-C leaves of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from playground.runner.comparing import measuring
from playground.runner.comparing.contestants import parse_contestant
from playground.runner.comparing.measuring import ComputedStudies, measure_suite
from playground.runner.comparing.suites import load_suite
from playground.runner.store import Store


def parcels(*problems):
    return [SimpleNamespace(pair=SimpleNamespace(problem=SimpleNamespace(name=name))) for name in problems]


@pytest.mark.parametrize(
    ("problems", "jobs", "groups"),
    [
        ("aaabbb", 1, ["a", "a", "a", "b", "b", "b"]),
        ("aaa" * 8 + "bbb" * 8, 2, ["aaa"] * 8 + ["bbb"] * 8),
        ("aaabbb" * 8, 1, ["aaa", "bbb"] * 8),
        ("a" * 16 + "b" * 17, 2, ["aa"] * 8 + ["bb"] * 8 + ["b"]),
        ("a", 8, ["a"]),
    ],
    ids=["few", "whole problems", "as listed", "parts of problems", "one"],
)
def test_a_process_gets_pairs_of_one_problem(problems, jobs, groups) -> None:
    found = measuring._group_parcels(parcels(*problems), jobs)
    assert [[each.pair.problem.name for each in group] for group in found] == [list(group) for group in groups]


def test_ctrl_c_leaves_out_the_pairs_that_have_not_begun(monkeypatch) -> None:
    done = [
        ComputedStudies(settings=[], tables=[], notes=[], interrupted=interrupted, seconds=0.0)
        for interrupted in (False, True, False)
    ]
    waiting = list(done)
    monkeypatch.setattr(measuring, "_compute_parcel", lambda *given: waiting.pop(0))
    monkeypatch.setattr(measuring, "_load_worker_plugins", lambda recipe: None)
    assert measuring._compute_in_worker("", parcels("aaa")) == done[:1]
    assert measuring._compute_in_worker("", parcels(*"aaa")) == done[1:2]
    assert waiting == done[2:]


@pytest.mark.slow
def test_processes_compute_what_this_one_does(suite_folder, tmp_path, monkeypatch) -> None:
    """Bit for bit; each process has several optimizers on a problem."""
    monkeypatch.setattr(measuring, "GROUPS_PER_PROCESS", 1)
    suite, plugins = load_suite(suite_folder / "tiny.yaml"), measuring.load_plugins()
    contestants = [parse_contestant(name, plugins) for name in ("adam", "torch.Adam", "sgd")]
    found = [measure_suite(suite, contestants, [0, 1], plugins, tmp_path / str(jobs), jobs).runs for jobs in (1, 2)]
    assert len(found[0]) == 9
    for key, runs in found[0].items():
        other = found[1][key]
        assert runs.settings == other.settings
        for mine, theirs in zip(runs.tables, other.tables, strict=True):
            for name in ("point", "seed", "status", "last"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    for jobs in (1, 2):
        with Store.open(tmp_path / str(jobs), name=measuring.STORE) as store:
            assert len(store.sweeps()) == 9
