"""Which engine computes a sweep, whatever was asked for, and what is said about it."""

import re
import sys

import pytest

import playground
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE
from playground.runner.sweeping.sweep import SweepOptions

RATES = {"optimizer.lr": [0.01, 0.1]}
LONG = {"steps": 500}

PLUGIN = """
import torch
from torch import nn
from playground import hookimpl

class Choosy(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
    def forward(self, x):
        out = super().forward(x)
        return torch.sigmoid(out if out.sum() > 0 else -out)

class Noisy(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
    def forward(self, x):
        return torch.sigmoid(super().forward(x + 0.01 * torch.randn_like(x)))

class Normalised(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm, self.out = nn.BatchNorm1d(inputs), nn.Linear(inputs, outputs)
    def forward(self, x):
        return torch.sigmoid(self.out(self.norm(x)))

def large(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 300), nn.Tanh(), nn.Linear(300, 300), nn.Linear(300, outputs), nn.Sigmoid())

def ranked(prediction, target):
    return (prediction - target).flatten().sort().values.square().mean()

@hookimpl
def playground_models():
    return {"choosy": Choosy, "noisy": Noisy, "normalised": Normalised, "large": large}

@hookimpl
def playground_losses():
    return {"ranked": ranked}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def swept(root, here, write):
    plugin = str(write("others.py", PLUGIN))

    def swept(changes, engine="auto", over=None, seeds=2):
        options = SweepOptions(engine=engine)
        path = root / "scenarios/and_gate.yaml"
        return playground.sweep(path, over or RATES, seeds, {**LONG, **changes}, plugins=[plugin], options=options)

    return swept


def test_what_was_compiled_is_told(swept):
    sweep = swept({})
    assert sweep.engines == {"compiled": 4}
    (note,) = sweep.notes
    assert note.startswith("compiled: 3 parameters, 87 operations, ")
    assert note.endswith(" s")


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("changes", "engine", "why"),
    [
        ({"model": "choosy"}, "plain", "data-dependent"),
        ({"model": "noisy"}, "plain", "random"),
        ({"model": "normalised"}, "plain", "statistics"),
        ({"model": "large", "steps": 5}, "batched", "more than 10,000 scalar operations|many more than 10,000"),
        ({"loss": "ranked"}, "batched", "'sort' has no rule"),
        ({"optimizer": "torch.LBFGS", "steps": 5}, "plain", "evaluates the loss again and again"),
    ],
)
@pytest.mark.parametrize("asked", ["auto", "compiled"])
def test_another_engine_takes_what_cannot_be_compiled(swept, changes, engine, why, asked):
    sweep = swept(changes, asked)
    assert sweep.engines == {engine: 4}
    (note,) = sweep.notes
    assert note.startswith(f"{engine}: ")
    assert re.search(why, note), note


@pytest.mark.sampled(1)
@pytest.mark.parametrize("broken", [None, type(sys)("llvmlite.binding")], ids=["absent", "broken"])
def test_everything_works_without_llvmlite(swept, broken, monkeypatch):
    from playground.core.compiled import jit

    monkeypatch.setitem(sys.modules, "llvmlite.binding", broken)
    jit.import_binding.cache_clear()
    jit.vector_bits.cache_clear()
    try:
        sweep = swept({})
    finally:
        jit.import_binding.cache_clear()
        jit.vector_bits.cache_clear()
    assert sweep.engines == {"batched": 4}
    assert "llvmlite" in sweep.notes[0]


@pytest.mark.slow
def test_what_is_not_worth_compiling_is_not_and_nobody_misses_it(swept):
    assert (swept({"steps": 10}).engines, swept({"steps": 10}).notes) == ({"batched": 4}, ())
    assert swept({"steps": 10}, "compiled").engines == {"compiled": 4}


@pytest.mark.parametrize("engine", ["batched", "plain"])
def test_who_asks_for_another_engine_gets_it(swept, engine):
    sweep = swept({"steps": 20}, engine)
    assert (sweep.engines, sweep.notes) == ({engine: 4}, ())


@pytest.mark.slow
def test_each_family_has_its_own_engine(swept):
    sweep = swept({}, over={"optimizer": ["adam", "torch.Adam", "torch.LBFGS"]})
    assert sweep.engines == {"compiled": 4, "plain": 2}
