"""Every run of a sweep gives what `run` gives for the same values and seed."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import playground
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE
from playground.runner.store import Store
from playground.runner.sweeping.sweep import SweepOptions

SHORT = {"steps": 200}
"""The steps over which the contract of replicas holds."""

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")

ADAM_OR_SGD = ["sgd", {"name": "adam", "beta1": [0.8, 0.9]}]

CASES = {
    "Adam over rates and seeds": ("and_gate", {"optimizer.lr": {"log": [1e-4, 1.0], "points": 4}}, 5, SHORT),
    "descents that diverge": ("bowl", {"optimizer.lr": [0.01, 0.15, 0.24, 0.26, 1.0, 1e30]}, None, {}),
    "descents of two parameters that diverge": (
        "himmelblau",
        {"optimizer": [{"name": "sgd", "lr": [0.01, 0.1, 1.0]}]},
        3,
        {},
    ),
    "a linear model that diverges": ("line", {"optimizer.lr": [0.1, 3.0, 1e10]}, 3, {"dtype": "float64"}),
    "a torch optimizer that diverges": ("bowl", {"optimizer": [{"name": "torch.SGD", "lr": [0.1, 0.3]}]}, None, {}),
    "mini-batches that diverge": (
        "two_moons",
        {"optimizer": [{"name": "sgd", "lr": [1e3, 1e9]}]},
        3,
        {**SHORT, "clip.norm": 1e6, "dtype": "float64", "loss": "mse"},
    ),
    "a start drawn by the seed": ("himmelblau", {}, 8, SHORT),
    "mini-batches": ("two_moons", {"optimizer.lr": [0.01, 0.05]}, 3, {**SHORT, "dtype": "float64"}),
    "several optimizers": ("and_gate", {"optimizer": ADAM_OR_SGD, "optimizer.lr": [0.01, 0.1]}, 2, SHORT),
    "torch.Adam": ("and_gate", {"optimizer": [{"name": "torch.Adam", "lr": [0.01, 0.1]}]}, 3, SHORT),
    "torch.LBFGS": ("and_gate", {"optimizer": [{"name": "torch.LBFGS", "lr": [0.1, 1]}]}, 2, {"steps": 10}),
    "widths of a model": ("xor_gate", {"model.hidden": [[4], [8]]}, 3, {**SHORT, "dtype": "float64"}),
    "budgets": ("and_gate", {"steps": [0, 1, 50]}, 3, {}),
    "starts": ("bowl", {"start.x": [1, -5, 100]}, None, {}),
    "starts of a module": (
        "and_gate",
        {"start": [{"weight": [[1.0, 2.0]], "bias": [-1.0]}, {"bias": [0.5]}]},
        2,
        SHORT,
    ),
    "stop rules": ("rosenbrock", {"stop.gradient": [1e-2, 1.0], "optimizer.lr": [1e-3, 1e-2]}, None, SHORT),
    "no descent": ("quadratic_derivative", {"at.x": [[4], [5]]}, None, {}),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)


def rows_of(sweep):
    with Store.open(Path.cwd(), create=False) as store:
        return [row for _, row in store.rows(sweep.id)]


def parameters_of(row):
    if row.parameters is None:
        return {}
    numbers, found = np.frombuffer(row.parameters, "<f8"), {}
    for name, shape in row.layout.parameters:
        count = math.prod(shape)
        found[name], numbers = numbers[:count].reshape(shape), numbers[count:]
    return found


OPERATION = re.compile("; [^;]+ gives [^;]+$")
"""The operation that made a number that is not finite: only a run alone is made again to find it."""


def assert_same_words(reason, expected):
    """The same sentence; its numbers may differ in their last digit."""
    assert NUMBER.sub("#", reason) == NUMBER.sub("#", expected)
    for number, wanted in zip(NUMBER.findall(reason), NUMBER.findall(expected), strict=True):
        digits = len(wanted.partition("e")[0].replace(".", "").lstrip("-0"))
        assert float(number) == pytest.approx(float(wanted), rel=10.0 ** (1 - max(digits, 1)))


def assert_alike(row, run, tolerance):
    assert (row.status, row.verdict, row.steps) == (str(run.status), str(run.verdict), run.steps)
    assert row.evaluations == run.evaluations
    assert_same_words(row.reason, OPERATION.sub("", run.reason))
    close = {"rtol": tolerance, "atol": tolerance}
    if run.loss:
        losses = (run.loss.first, run.loss.last, run.loss.best)
        np.testing.assert_allclose((row.first, row.last, row.best), losses, **close)
        kept = [run.trace.loss[step] if step < len(run.trace.loss) else math.nan for step in row.layout.trace_steps]
        np.testing.assert_allclose(np.frombuffer(row.trace or b"", "<f4"), np.float32(kept), rtol=1e-5, atol=1e-5)
    found = parameters_of(row)
    assert list(found) == list(run.parameters)
    for name, value in run.parameters.items():
        np.testing.assert_allclose(found[name], value, **close)
    numbers = {name: value for name, value in run.metrics.items() if isinstance(value, int | float)}
    assert list(row.metrics) == list(numbers)
    for name, value in numbers.items():
        np.testing.assert_allclose(row.metrics[name], value, **close)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("name", "over", "seeds", "changes"), CASES.values(), ids=CASES)
def test_every_run_is_the_run_alone(root, here, name, over, seeds, changes):
    path = root / "scenarios" / f"{name}.yaml"
    sweep = playground.sweep(path, over, seeds, changes)
    rows = rows_of(sweep)
    assert sweep.runs == sweep.size == len(rows)
    dtype = changes.get("dtype", "float64" if name == "quadratic_derivative" else "float32")
    for row in rows:
        values = {key: value for key, value in sweep.summaries[row.point].values.items() if value is not None}
        run = playground.run(path, {**changes, **values}, seed=row.seed)
        assert_alike(row, run, TOLERANCE[dtype])


def test_all_of_it_is_computed_together(root, here):
    options = playground.SweepOptions(engine="compiled")
    sweep = playground.sweep(
        root / "scenarios/and_gate.yaml", CASES["several optimizers"][1], 2, SHORT, options=options
    )
    assert sweep.engines == {"compiled": 12}


LBFGS = (
    "a step evaluates the loss again and again, as numbers of the run decide; "
    "the optimizer evaluates the loss by itself within a step"
)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("name", "over", "seeds", "note"),
    [
        ("and_gate", {"optimizer": ["torch.LBFGS"]}, 2, LBFGS),
        ("quadratic_derivative", {"at.x": [[4], [5]]}, None, "a task without a descent"),
    ],
)
def test_what_cannot_be_computed_together_says_why(root, here, name, over, seeds, note):
    changes = {"steps": 5} if name == "and_gate" else {}
    sweep = playground.sweep(root / f"scenarios/{name}.yaml", over, seeds, changes)
    assert (sweep.engines, sweep.notes) == ({"plain": sweep.size}, (f"plain: {note}",))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("engine", ["compiled", "batched"])
def test_every_engine_agrees_with_plain(root, here, engine):
    arguments = root / "scenarios/and_gate.yaml", {"optimizer.lr": [0.01, 0.1]}, 3, SHORT
    plain = playground.sweep(*arguments, options=SweepOptions(engine="plain"))
    other = playground.sweep(*arguments, options=SweepOptions(engine=engine))
    assert (plain.engines, other.engines) == ({"plain": 6}, {engine: 6})
    for alone, together in zip(rows_of(plain), rows_of(other), strict=True):
        np.testing.assert_allclose(together.last, alone.last, rtol=1e-5, atol=1e-5)
        assert (together.status, together.verdict) == (alone.status, alone.verdict)
