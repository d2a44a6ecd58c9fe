"""`trace_loss: all_data` keeps the loss over all data at the kept steps, with every engine."""

import numpy as np
import pytest

import playground
from playground.core.traces import thin_steps
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE, load_plugins
from playground.runner.store import Store
from playground.runner.sweeping.identity import Identities
from playground.scenario.model import load_scenario

MOONS = """\
task: classification
dataset: {name: moons, samples: 30}
model: {name: mlp, hidden: [4]}
loss: bce_with_logits
optimizer: {name: adam, lr: 0.01}
batch_size: 8
steps: 90
dtype: float64
trace_loss: all_data
"""

NORMALIZED = """
from playground import hookimpl
from torch import nn

class Normalized(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, outputs))

@hookimpl
def playground_models():
    return {"normalized": Normalized}
"""

CASES = {
    "mini-batches": ({}, ("compiled", "batched")),
    "float32": ({"dtype": "float32"}, ("compiled", "batched")),
    "a torch optimizer": ({"optimizer": "torch.Adam"}, ("compiled", "batched")),
    "runs that converge early": ({"stop.loss": 0.6}, ("compiled", "batched")),
    "runs that diverge": (
        {"optimizer": "sgd", "loss": "mse", "model": "mlp", "model.activation": "relu", "optimizer.lr": 300.0},
        ("compiled", "batched"),
    ),
    "few steps": ({"steps": 3}, ("compiled", "batched")),
    "no steps": ({"steps": 0}, ("compiled", "batched")),
    "all data at every step": ({"batch_size": None}, ("compiled", "batched")),
    "batch norm and dropout": ({"model": "normalized"}, ()),
}


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moons.yaml").write_text(MOONS, encoding="utf-8")
    (tmp_path / "normalized.py").write_text(NORMALIZED, encoding="utf-8")
    return tmp_path / "moons.yaml"


def sweep(scenario, changes, engine, seeds=2):
    """Return each run's trace and how it ended, by point and seed."""
    options = playground.SweepOptions(engine=engine)
    over = {"optimizer.lr": [changes.get("optimizer.lr", 0.01), 0.05]}
    found = playground.sweep(scenario, over, seeds, changes, options=options, plugins=["normalized.py"])
    assert found.engines == {engine: 2 * seeds}
    with Store.open(scenario.parent, create=False) as store:
        rows = sorted((row for _, row in store.rows(found.id)), key=lambda row: (row.point, row.seed))
    return np.array([np.frombuffer(row.trace or b"", "<f4") for row in rows]), [(row.status, row.steps) for row in rows]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("changes", "engines"), CASES.values(), ids=CASES)
def test_all_engines_keep_the_same_losses(changes, engines, scenario) -> None:
    alone, ends = sweep(scenario, changes, "plain")
    steps = thin_steps(changes.get("steps", 90))
    for trace, (status, made) in zip(alone, ends, strict=True):
        reached = np.array(steps) <= made
        assert status == "nonfinite" or np.isfinite(trace[reached]).all()
        assert np.isnan(trace[~reached]).all()
    early = {"stop.loss": "converged", "optimizer.lr": "diverged"}
    assert {early[key] for key in changes if key in early} <= {status for status, _ in ends}
    for engine in engines:
        traces, ended = sweep(scenario, changes, engine)
        assert ended == ends
        np.testing.assert_allclose(traces, alone, rtol=2e-5)


@pytest.mark.parametrize("changes", [CASES["mini-batches"][0], CASES["batch norm and dropout"][0]], ids=["mlp", "norm"])
def test_a_kept_loss_is_the_final_loss_of_a_run_that_ends_there(changes, scenario) -> None:
    run = playground.run(scenario, changes, plugins=["normalized.py"])
    assert list(run.trace.full) == thin_steps(90)
    for step in (0, 1, 7, thin_steps(90)[-2]):
        shorter = playground.run(scenario, {**changes, "steps": step}, plugins=["normalized.py"])
        assert run.trace.full[step] == shorter.loss.last


def test_the_run_itself_is_unaffected(scenario) -> None:
    for changes in ({}, {"model": "normalized"}):
        runs = [
            playground.run(scenario, {**changes, "trace_loss": kept}, plugins=["normalized.py"])
            for kept in ("all_data", "batch")
        ]
        assert runs[0].trace.loss == runs[1].trace.loss
        assert (runs[0].loss, runs[0].evaluations) == (runs[1].loss, runs[1].evaluations)
        assert runs[0].parameters == runs[1].parameters
        assert runs[1].trace.full == {}


def test_without_mini_batches_both_losses_are_the_same(scenario) -> None:
    whole = {"batch_size": None, "optimizer": "sgd"}
    for engine in ("compiled", "batched", "plain"):
        traces = [sweep(scenario, {**whole, "trace_loss": kept}, engine)[0] for kept in ("all_data", "batch")]
        np.testing.assert_array_equal(*traces)


def test_only_the_other_value_changes_the_key_of_a_run(scenario) -> None:
    identities = Identities(load_plugins(autoload=False, folder=scenario.parent))

    def key(written):
        scenario.write_text(MOONS.replace("trace_loss: all_data\n", written), encoding="utf-8")
        return identities.key(load_scenario(scenario), "auto")

    assert key("") == key("trace_loss: batch\n") != key("trace_loss: all_data\n")
