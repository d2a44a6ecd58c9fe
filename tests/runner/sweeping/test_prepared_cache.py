"""A sweep prepares a family once: dataset, model and the forward pass that tries them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

import playground
from playground.core.compiled import compiled_program
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE, load_plugins
from playground.runner.sweeping import chunk, prepared_cache
from playground.runner.sweeping import sweep as sweep_module
from playground.runner.sweeping.prepared_cache import PreparedCache
from playground.runner.sweeping.sweep import SweepOptions
from playground.scenario.model import load_scenario

PLUGIN = """
import os
from pathlib import Path
import torch
from torch import nn
from playground import hookimpl
from playground.plugin_api import Data

def note(what):
    with Path("built.txt").open("a") as file:
        file.write(f"{os.getpid()} {what}\\n")

def counted():
    note("dataset")
    inputs = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    return Data(inputs, torch.tensor([[0.0], [0], [0], [1]]), ("a", "b"))

class Average(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.register_buffer("mean", torch.zeros(inputs))
        note("model")
    def forward(self, x):
        return torch.sigmoid(self.linear(x - self.mean))

@hookimpl
def playground_datasets():
    return {"counted": counted}

@hookimpl
def playground_models():
    return {"average": Average}
"""

SCENARIO = """
task: classification
dataset: counted
model: average
loss: bce
optimizer: {name: adam, lr: 0.1}
steps: STEPS
"""


@pytest.fixture
def here(tmp_path, monkeypatch, write):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)
    return str(write("counted.py", PLUGIN))


def swept(plugin, write, over, steps=300, **options):
    path = write("s.yaml", SCENARIO.replace("STEPS", str(steps)))
    options = SweepOptions(memory=40_000, **options)  # so little that a sweep has several chunks
    return playground.sweep(path, over, 40, plugins=[plugin], options=options)


def built(what, pid=None):
    lines = Path("built.txt").read_text().split("\n")
    return sum(1 for line in lines if line.endswith(what) and (pid is None or line.startswith(f"{pid} ")))


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("engine", "steps"), [("compiled", 300), ("batched", 10), ("auto", 10)])
def test_a_family_builds_its_dataset_once(here, write, engine, steps):
    sweep = swept(here, write, {"optimizer.lr": [0.01, 0.1]}, steps, engine=engine)
    assert sweep.runs == 80
    assert built("dataset") == 1


@pytest.mark.slow
def test_two_families_build_theirs_once_to_be_checked_and_once_to_be_computed(here, write):
    sweep = swept(here, write, {"optimizer": ["adam", "sgd"]}, engine="batched")
    assert sweep.runs == 80
    assert built("dataset") == 4


@pytest.mark.slow
def test_a_worker_process_builds_it_once_as_well(here, write):
    swept(here, write, {"optimizer.lr": [0.01, 0.1, 0.2, 0.3]}, 10, engine="batched", jobs=2)
    assert built("dataset", os.getpid()) == 1
    workers = {line.split()[0] for line in Path("built.txt").read_text().splitlines()} - {str(os.getpid())}
    assert workers
    assert [built("dataset", pid) for pid in workers] == [1] * len(workers)


def test_what_is_entered_again_is_seeded_and_has_its_first_buffers(here, write):
    import torch

    loaded = load_scenario(write("s.yaml", SCENARIO.replace("STEPS", "5")))
    cache = PreparedCache(load_plugins(specs=[here], autoload=False))
    numbers, buffers = [], []
    for _ in range(3):
        with cache.prepare(loaded, 0) as ready:
            buffer = ready.stepper.problem.module.mean
            buffers.append(buffer.tolist())
            buffer += 1
        with cache.prepare(loaded, 0):
            numbers.append(torch.rand(1).item())
    assert buffers == [[0, 0]] * 3
    assert len(set(numbers)) == 1
    with cache.prepare(loaded, 1) as other:
        assert other.stepper is not ready.stepper


@pytest.fixture
def recordings(monkeypatch):
    """How often a program was recorded so far, as the length of a list."""
    found, right = [], compiled_program.record_phases
    monkeypatch.setattr(compiled_program, "record_phases", lambda *given: found.append(given) or right(*given))
    return found


@pytest.mark.parametrize(
    ("over", "programs"),
    [({"optimizer.lr": [0.01, 0.1]}, 1), pytest.param({"optimizer": ["adam", "sgd"]}, 2, marks=pytest.mark.slow)],
    ids=["one family", "two families"],
)
def test_a_family_has_one_program(here, write, over, programs, recordings, monkeypatch):
    """To be tried, and for all its chunks."""
    chunks, right = [], chunk.compute_chunk
    monkeypatch.setattr(sweep_module, "compute_chunk", lambda *given: chunks.append(given) or right(*given))
    swept(here, write, over, engine="compiled")
    assert len(chunks) > 2
    assert len(recordings) == programs


def test_what_engines_keep_goes_with_what_was_prepared(here, write):
    loaded = load_scenario(write("s.yaml", SCENARIO.replace("STEPS", "5")))
    cache = PreparedCache(load_plugins(specs=[here], autoload=False))
    with cache.prepare(loaded, 0):
        cache.kept["mine"] = 1
    with cache.prepare(loaded, 0):
        assert cache.kept == {"mine": 1}
    with cache.prepare(loaded, 1):
        assert cache.kept == {}
        cache.kept["mine"] = 1
    cache.forget()
    assert cache.kept == {}


def test_starts_are_drawn_once_for_all_optimizers(here, write, monkeypatch):
    import torch

    drawn = []

    def draw(seeds):
        drawn.append(seeds)
        return {"x": torch.rand(len(seeds))}

    text = SCENARIO.replace("STEPS", "5")
    loaded = [
        load_scenario(write(f"{name}.yaml", each))
        for name, each in {
            "s": text,
            "t": text.replace("adam", "sgd"),
            "u": text + "dtype: float64\n",
            "v": text.replace("model: average", "model: {name: mlp, hidden: [2]}"),
        }.items()
    ]
    loaded = [dataclasses.replace(each, source=loaded[0].source) for each in loaded]
    cache = PreparedCache(load_plugins(specs=[here], autoload=False))
    first = cache.draw_starts(loaded[0], [1, 2], draw)
    cache.forget()
    assert cache.draw_starts(loaded[1], [1, 2], draw) is first
    assert len(drawn) == 1
    for each, seeds in ((loaded[0], [1, 3]), (loaded[2], [1, 2]), (loaded[3], [1, 2])):
        cache.draw_starts(each, seeds, draw)
    assert len(drawn) == 4
    monkeypatch.setattr(prepared_cache, "MAX_KEPT_SEEDS", 1)
    cache.draw_starts(loaded[0], [1, 2], draw)
    monkeypatch.undo()
    monkeypatch.setattr(prepared_cache, "MAX_KEPT_BYTES", 0)
    cache.draw_starts(loaded[0], [1, 2], draw)
    cache.draw_starts(loaded[0], [1, 2], draw)
    assert len(drawn) == 6
