"""A parameter that a model uses in several places, by several names, is one parameter everywhere."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
import torch

import playground
from playground.errors import ScenarioError
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE, load_plugins
from playground.runner.ejecting.program import eject
from playground.runner.ejecting.rendering import render_script
from playground.runner.explaining.step import explain
from playground.runner.store import Store
from playground.runner.sweeping.sweep import SweepOptions
from playground.scenario.model import load_scenario

PLUGIN = '''
import torch
from torch import nn
from playground import hookimpl


class Tied(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.b = nn.Linear(2, 2)
        self.b.weight = self.a.weight
        self.c = nn.Linear(2, outputs)

    def forward(self, x):
        return self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))


class Thrice(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.b = nn.Linear(2, 2)
        self.d = nn.Linear(2, 2)
        self.d.weight = self.b.weight = self.a.weight
        self.c = nn.Linear(2, outputs)

    def forward(self, x):
        return self.c(torch.tanh(self.d(torch.tanh(self.b(torch.tanh(self.a(x)))))))


class Part(nn.Module):
    """A layer of one module is a layer of another."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        self.decoder = nn.ModuleDict({"inner": self.encoder[0]})
        self.c = nn.Linear(2, outputs)

    def forward(self, x):
        return self.c(torch.tanh(self.decoder["inner"](self.encoder(x))))


class Buffers(nn.Module):
    """Two modules hold one buffer."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.c = nn.Linear(2, outputs)
        self.register_buffer("scale", torch.tensor([2.0, 3.0]))
        self.a.register_buffer("scale", self.scale)

    def forward(self, x):
        return self.c(torch.tanh(self.a(x) * self.scale) * self.a.scale)


class Registered(nn.Module):
    """A buffer is a parameter."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.c = nn.Linear(2, outputs)
        self.register_buffer("w", self.a.weight)

    def forward(self, x):
        return self.c(torch.tanh(self.a(x) @ self.w))


class Storage(nn.Module):
    """A buffer has the storage of a parameter: it moves with it, and gets no gradient."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.c = nn.Linear(2, outputs)
        self.register_buffer("w", self.a.weight.detach())

    def forward(self, x):
        return self.c(torch.tanh(self.a(x) @ self.w))


@hookimpl
def playground_models():
    kinds = (Tied, Thrice, Part, Buffers, Registered, Storage)
    return {kind.__name__.lower(): kind for kind in kinds}
'''

SCENARIO = """
task: classification
dataset: xor_gate
model: {name}
loss: bce_with_logits
optimizer: {{name: sgd, lr: 0.5, momentum: 0.5}}
steps: 6
dtype: {dtype}
seed: 3
"""

TIES = {"tied": ("a.weight", "b.weight"), "thrice": ("a.weight", "d.weight")}
TIES |= {"part": ("encoder.0.weight", "decoder.inner.weight")}
DTYPES = {"storage": "float32"}
"""A conversion makes another storage of a buffer's."""

MODELS = [*TIES, "buffers", "registered", "storage"]


@pytest.fixture
def scenario(write, tmp_path, monkeypatch):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)
    plugin = str(write("ties.py", PLUGIN))
    return lambda name: (write(f"{name}.yaml", SCENARIO.format(name=name, dtype=DTYPES.get(name, "float64"))), plugin)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", MODELS)
def test_explain_adds_up_the_parts_of_all_uses(scenario, name):
    path, plugin = scenario(name)
    told = explain(load_scenario(path), load_plugins(autoload=False, specs=[plugin]))
    for moved in told.parameters:
        gradient = torch.tensor(moved.gradient.values)
        parts = [
            torch.tensor(share.value.values)
            for operation in told.operations
            for share in operation.shares
            if share.to == moved.name
        ]
        torch.testing.assert_close(sum(parts), gradient)
        torch.testing.assert_close(torch.tensor(moved.central.values), gradient, rtol=1e-5, atol=1e-7)
    uses = [share.to for operation in told.operations for share in operation.shares]
    assert uses.count(told.parameters[0].name) == {"thrice": 3, "buffers": 1, "storage": 1}.get(name, 2)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", MODELS)
def test_eject_ends_where_run_does(scenario, name):
    path, plugin = scenario(name)
    result = playground.run(path, plugins=[plugin])
    names = {"__name__": "__main__"}
    program = render_script(eject(load_scenario(path), load_plugins(autoload=False, specs=[plugin])))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(program, "program", "exec"), names)
    assert names["losses"] == list(result.trace.loss)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("engine", ["compiled", "batched", "plain"])
def test_every_engine_ends_where_run_does(scenario, name, engine):
    path, plugin = scenario(name)
    sweep = playground.sweep(path, seeds=3, plugins=[plugin], options=SweepOptions(engine=engine))
    with Store.open(Path.cwd(), create=False) as store:
        losses = sorted(row.last for _, row in store.rows(sweep.id))
    wanted = sorted(playground.run(path, seed=seed, plugins=[plugin]).loss.last for seed in range(3))
    assert losses == pytest.approx(wanted, rel=1e-5 if name in DTYPES else 1e-9)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "storage"])
def test_views_show_the_losses_of_the_run(scenario, name):
    path, plugin = scenario(name)
    result = playground.run(path, plugins=[plugin], record=6)
    assert result.views
    assert result.trace.recording.parameters.keys() == result.parameters.keys()


@pytest.mark.parametrize("name", TIES)
def test_a_start_names_a_tied_parameter_by_any_of_its_names(scenario, name):
    path, plugin = scenario(name)
    value = [[0.5, -0.25], [0.125, 1.0]]
    results = [playground.run(path, {"start": {each: value}, "steps": 0}, plugins=[plugin]) for each in TIES[name]]
    for result in results:
        assert result.parameters[TIES[name][0]] == value
    assert results[0].loss.last == results[1].loss.last


def test_two_values_for_one_parameter_are_refused(scenario):
    path, plugin = scenario("tied")
    zeros, ones = [[0.0, 0.0]] * 2, [[1.0, 1.0]] * 2
    same = playground.run(path, {"start": {"a.weight": ones, "b.weight": ones}, "steps": 0}, plugins=[plugin])
    assert same.parameters["a.weight"] == ones
    with pytest.raises(ScenarioError, match=r"b\.weight: is the same parameter as a\.weight, which has another value"):
        playground.run(path, {"start": {"a.weight": ones, "b.weight": zeros}}, plugins=[plugin])
