"""A component in the place of another keeps the parameters that both have."""

import pytest

from playground.scenario import parse_scenario, parse_source
from playground.scenario.grid import expand, with_axes
from playground.scenario.model import Loaded

PARAMETERS = {
    ("optimizer", "sgd"): ("lr", "momentum"),
    ("optimizer", "adam"): ("lr", "beta1"),
    ("optimizer", "bare"): (),
    ("model", "mlp"): ("hidden", "activation"),
    ("model", "perceptron"): ("activation",),
    ("loss", "huber"): ("delta",),
    ("dataset", "moons"): ("samples", "noise"),
    ("dataset", "circles"): ("samples", "noise"),
    ("schedule", "step"): ("every", "gamma"),
    ("schedule", "exponential"): ("gamma",),
    ("function", "sphere"): ("dim",),
    ("function", "expression"): ("formula",),
}
TEXT = """\
task: regression
dataset: {name: moons, samples: 50}
model: {name: mlp, hidden: [4], activation: tanh}
loss: {name: huber, delta: 2.0}
optimizer: {name: sgd, lr: 0.1, momentum: 0.9}
schedule: {name: step, every: 3, gamma: 0.5}
function: {name: sphere, dim: 3}
"""


def known(kind, name):
    return PARAMETERS.get((kind, name), ())


CASES = [
    ("optimizer", "adam", {"name": "adam", "lr": 0.1}),
    ("optimizer", "sgd", {"name": "sgd", "lr": 0.1, "momentum": 0.9}),
    ("optimizer", "{name: adam, beta1: 0.5}", {"name": "adam", "beta1": 0.5, "lr": 0.1}),
    ("optimizer", "{name: adam, lr: 0.5}", {"name": "adam", "lr": 0.5}),
    ("optimizer", "bare", "bare"),
    ("optimizer", "unknown", "unknown"),
    ("model", "perceptron", {"name": "perceptron", "activation": "tanh"}),
    ("loss", "mse", "mse"),
    ("dataset", "{name: circles, noise: 0.2}", {"name": "circles", "noise": 0.2, "samples": 50}),
    ("schedule", "exponential", {"name": "exponential", "gamma": 0.5}),
    ("function", "x**2", "x**2"),
    ("task", "minimize", "minimize"),
]


@pytest.mark.parametrize(("kind", "text", "component"), CASES)
def test_set_from_the_command_line(kind, text, component):
    assert parse_source(TEXT, "f").set(kind, text, known).data[kind] == component


@pytest.mark.parametrize(("kind", "text", "component"), [case for case in CASES if case[0] != "task"])
def test_swept_in_the_file(kind, text, component):
    source = parse_source(f"{TEXT}sweep: {{over: {{{kind}: [{text}]}}}}\n", "f")
    (point,) = expand(Loaded(parse_scenario(source), source), known).points
    assert point.source.data[kind] == component


def test_swept_from_the_command_line():
    source = parse_source(TEXT, "f")
    loaded = with_axes(Loaded(parse_scenario(source), source), {"optimizer": ["sgd", "adam"], "optimizer.lr": [1, 2]})
    optimizers = [point.source.data["optimizer"] for point in expand(loaded, known).points]
    assert optimizers == [
        {"name": "sgd", "lr": 1, "momentum": 0.9},
        {"name": "sgd", "lr": 2, "momentum": 0.9},
        {"name": "adam", "lr": 1},
        {"name": "adam", "lr": 2},
    ]


def test_a_parameter_that_stays_has_its_place_in_the_file():
    source = parse_source(TEXT, "f").set("optimizer", "adam", known)
    assert str(source.place(("optimizer", "lr"), key=True)) == "f:5:24"
    assert str(source.place(("optimizer", "name"))) == "--set optimizer=adam"
