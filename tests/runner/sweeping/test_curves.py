"""Curves of a sweep are the quartiles of the losses of its runs, each as `run` gives it."""

import contextlib
import math
import sqlite3

import numpy as np
import pytest

import playground
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE
from playground.result import Quartiles
from playground.runner.store import ParameterLayout, Row, SeedSet, Store, SweepRecord, tabulate_rows
from playground.runner.store.opening import store_path
from playground.runner.sweeping.curves import loss_curves
from playground.runner.sweeping.ensemble import read_ensemble


def row(point, seed, status, last, losses):
    trace = np.array(losses, "<f4").tobytes()
    return Row(
        key=f"k{point}-{seed}",
        point=point,
        seed=seed,
        status=status,
        verdict="none",
        first=losses[0],
        last=last,
        best=min(losses),
        steps=3,
        evaluations=4,
        seconds=0.1,
        engine="plain",
        trace=trace,
        layout=ParameterLayout((), (0, 1, 9)),
    )


RECORD = SweepRecord(
    id="aa",
    created="2026",
    scenario="s",
    file="s.yaml",
    command="",
    spec={},
    axes=[],
    points=[{}, {}],
    seeds=3,
    engine="plain",
    versions={},
    keys=["k0", "k1"],
    seed_set=SeedSet.of(range(3)),
)


def curves_of(folder, rows):
    with Store.open(folder) as store:
        store.begin(RECORD)
        store.add("aa", tabulate_rows(rows))
        return list(loss_curves(store.select("aa"), store))


def test_quartiles_at_each_step(tmp_path):
    nan = math.nan
    rows = [
        row(0, 0, "budget", 0.5, [3, 2, 1]),
        row(0, 1, "converged", 0.25, [5, nan, nan]),
        row(0, 2, "diverged", 9e9, [4, 9e9, nan]),
        row(1, 0, "budget", 0.0, [8, 8, 8]),
    ]
    first, second = curves_of(tmp_path, rows)
    assert (first.point, first.steps) == (0, (0, 1, 9))
    assert first.quartiles[0] == Quartiles(3.5, 4.0, 4.5)
    assert first.quartiles[1] == pytest.approx((1.125, 2.0, (2 + np.float32(9e9)) / 2))
    assert first.quartiles[2] == (0.625, 1.0, math.inf)
    assert second.quartiles == (Quartiles(8.0, 8.0, 8.0),) * 3


def test_two_that_ended_badly_are_infinite_and_not_unknown(tmp_path):
    rows = [row(0, seed, "nonfinite", math.nan, [1, math.nan, math.nan]) for seed in range(2)]
    (curve,) = curves_of(tmp_path, rows)
    assert curve.quartiles[2] == (math.inf,) * 3


def store_two_chunks(folder, damaged):
    """Store seed 0 of both points in chunk 1 and seeds 1 and 2 in chunk 2, and damage the losses of one chunk."""
    with Store.open(folder) as store:
        store.begin(RECORD)
        for seeds in ([0], [1, 2]):
            rows = [row(point, seed, "budget", 0.5, [3 + seed, 2, 1]) for point in (0, 1) for seed in seeds]
            store.add("aa", tabulate_rows(rows))
    with contextlib.closing(sqlite3.connect(store_path(folder))) as file, file:
        file.execute("UPDATE columns SET data = zeroblob(20) WHERE name = 'trace' AND chunk = ?", (damaged,))


def test_losses_that_a_curve_does_not_need_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(playground.runner.sweeping.curves, "MAX_CURVE_RUNS", 1)
    store_two_chunks(tmp_path, damaged=2)
    found = read_ensemble(tmp_path, "aa")
    assert [(band.point, band.runs, band.quartiles[0]) for band in found.bands] == [
        (0, 1, (3, 3, 3)),
        (1, 1, (3, 3, 3)),
    ]
    assert found.runs.seed.tolist() == [0, 1, 2, 0, 1, 2]


def test_damaged_losses_cost_the_curve_their_runs_and_no_end(tmp_path):
    store_two_chunks(tmp_path, damaged=1)
    found = read_ensemble(tmp_path, "aa")
    assert [(band.runs, band.quartiles[0]) for band in found.bands] == [(2, (4.25, 4.5, 4.75))] * 2
    assert found.runs.seed.tolist() == [0, 1, 2, 0, 1, 2]
    with Store.open(tmp_path) as store:
        list(loss_curves(store.select("aa", arrays=()), store))
        assert list(store.damaged) == [1]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("steps", [40, 300])
def test_they_are_those_of_runs_alone(root, tmp_path, monkeypatch, steps):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)
    path = root / "scenarios" / "and_gate.yaml"
    sweep = playground.sweep(path, {"optimizer.lr": [0.01, 0.1]}, 5, {"steps": steps})
    curves = sweep.curves()
    assert [curve.point for curve in curves] == [0, 1]
    for rate, curve in zip((0.01, 0.1), curves, strict=True):
        runs = [playground.run(path, {"steps": steps, "optimizer.lr": rate}, seed=seed) for seed in range(5)]
        losses = np.array([[run.trace.loss[step] for step in curve.steps] for run in runs])
        np.testing.assert_allclose(curve.quartiles, np.quantile(losses, (0.25, 0.5, 0.75), axis=0).T, rtol=1e-4)
    assert curves[0].steps == tuple(range(40)) if steps == 40 else len(curves[0].steps) <= 64
