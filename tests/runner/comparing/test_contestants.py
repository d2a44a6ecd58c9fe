"""How the command names optimizers, and what is tuned of them."""

from typing import Annotated

import pytest
import torch

from playground.errors import PlaygroundError
from playground.plugins.manager import load_plugins
from playground.plugins.registry import Component, Origin
from playground.plugins.search_ranges import Choices, LinearRange, LogRange
from playground.runner.comparing.contestants import (
    RATE_RANGE,
    name_contestants,
    parse_contestant,
    split_contestants,
)


class Declared(torch.optim.SGD):
    def __init__(self, params, rate: Annotated[float, LogRange(1e-3, 1.0)] = 0.1, damping: float = 0.0):
        super().__init__(params, rate, dampening=damping)


class Untunable(torch.optim.SGD):
    def __init__(self, params):
        super().__init__(params, 0.1)


@pytest.fixture(scope="module")
def plugins():
    found = load_plugins()
    for name, factory in {"declared": Declared, "untunable": Untunable}.items():
        found.registry.add(Component("optimizer", name, factory, Origin("test")))
    return found


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("adam", ["adam"]),
        ("adam, lion ,torch.Muon", ["adam", "lion", "torch.Muon"]),
        ("sgd(momentum=0.9, nesterov=true),adam", ["sgd(momentum=0.9, nesterov=true)", "adam"]),
        ("mine(beta=[0, 0.9], x=1),adam", ["mine(beta=[0, 0.9], x=1)", "adam"]),
    ],
)
def test_lists_are_split_outside_of_brackets(text, parts):
    assert split_contestants(text) == parts


CONTESTANTS = {
    "adam": ("adam", "adam", {}, {"lr": RATE_RANGE}),
    "torch.Adam": ("torch.Adam", "torch.Adam", {}, {"lr": RATE_RANGE}),
    "momentum": ("momentum", "sgd", {"momentum": 0.9}, {"lr": RATE_RANGE}),
    "heavy=sgd(momentum=0.99)": ("heavy", "sgd", {"momentum": 0.99}, {"lr": RATE_RANGE}),
    "adam(lr=0.1)": ("adam(lr=0.1)", "adam", {"lr": 0.1}, {}),
    "sgd(lr=log:1e-3:1)": ("sgd(lr=log:1e-3:1)", "sgd", {}, {"lr": LogRange(1e-3, 1.0)}),
    "adam(beta1=0.5:0.9)": (
        "adam(beta1=0.5:0.9)",
        "adam",
        {},
        {"lr": RATE_RANGE, "beta1": LinearRange(0.5, 0.9)},
    ),
    "sgd(momentum=[0, 0.9])": (
        "sgd(momentum=[0, 0.9])",
        "sgd",
        {},
        {"lr": RATE_RANGE, "momentum": Choices((0, 0.9))},
    ),
    "sgd(momentum=[0.9])": ("sgd(momentum=[0.9])", "sgd", {"momentum": 0.9}, {"lr": RATE_RANGE}),
    "declared": ("declared", "declared", {}, {"rate": LogRange(1e-3, 1.0)}),
    "declared(rate=0.5)": ("declared(rate=0.5)", "declared", {"rate": 0.5}, {}),
    "untunable": ("untunable", "untunable", {}, {}),
}


@pytest.mark.parametrize("text", CONTESTANTS)
def test_what_is_fixed_and_what_is_tuned(plugins, text):
    found = parse_contestant(text, plugins)
    assert (found.label, found.name, dict(found.fixed), dict(found.ranges)) == CONTESTANTS[text]


FAULTS = {
    "adm": "unknown optimizer 'adm'; did you mean 'adam'?",
    "adam(": "expected an optimizer like adam",
    "adam(0.1)": "expected PARAMETER=VALUE within the brackets, got '0.1'",
    "adam(betta1=0.9)": "unknown parameter 'betta1' of optimizer 'adam'",
    "adam(betta1=0.5:0.9)": "optimizer 'adam' has no parameter 'betta1'; it has: lr, beta1",
    "adam(lr=log:1:0.1)": "expected a range of ascending numbers",
    "adam(lr=log:0:1)": "positive after log:",
    "adam(lr=log:a:b)": "expected log:LOW:HIGH or LOW:HIGH",
    "sgd(momentum=[[0], [1]])": "expected numbers, texts or booleans to tune, got a list of lists or mappings",
    "sgd(momentum=[])": "the list of values is empty",
    "sgd(momentum=2:3)": "momentum",
    "untunable(lr=log:1e-3:1)": "optimizer 'untunable' has no parameter 'lr'; it has: none",
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_are_one_line(plugins, text):
    with pytest.raises(PlaygroundError) as caught:
        parse_contestant(text, plugins)
    assert FAULTS[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_optimizers_with_one_label(plugins):
    with pytest.raises(PlaygroundError, match="'adam' is compared twice; give one a label: again=adam"):
        name_contestants(["adam", "sgd", "adam"], plugins)
    assert [each.label for each in name_contestants(["adam", "again=adam"], plugins)] == ["adam", "again"]
