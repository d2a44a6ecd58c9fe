"""A diagnosis and an operation of somebody else's arrive by their hooks wherever ours do."""

import json

import pytest

PLUGIN = """
from playground import hookimpl
from playground.plugin_api import Diagnoser, elementwise


def far_away():
    return Diagnoser(lambda run: f"The run ended at {run.last:.0e}, far away." if run.rose else "", "Stay nearer.")


def logit():
    return elementwise("log({x}/(1 − {x}))", "1/({x}·(1 − {x}))", lambda call: 1 / (call["x"] * (1 - call["x"])))


def growth(x):
    import torch

    return torch.logit(x[..., 0] ** 2)


@hookimpl
def playground_diagnoses():
    return {"far_away": far_away}


@hookimpl
def playground_operations():
    return {"logit": logit}


@hookimpl
def playground_functions():
    return {"growth": growth}
"""
DIVERGES = """
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.3}
steps: 200
"""
GROWS = """
task: minimize
function: growth
start: {x: [0.5]}
optimizer: {name: sgd, lr: 0.01}
"""
SENTENCE = "far_away: The run ended at 2e+08, far away."


@pytest.fixture(params=["installed", "single file"])
def arrived(request, playground, install, write):
    """Return the command with the plugin there: as a distribution, and as a file."""
    write("ill.yaml", DIVERGES)
    write("grows.yaml", GROWS)
    if request.param == "installed":
        install("gradient-playground-far", {"far": "fake_far"}, fake_far=PLUGIN)
        return lambda *words: playground("-p", "far", *words)
    write("far.py", PLUGIN)
    return lambda *words: playground("-p", "far.py", *words)


@pytest.mark.sampled(1)
def test_a_diagnosis_is_told_on_the_console(arrived):
    result = arrived("run", "ill.yaml")
    assert result.exit_code == 1
    assert SENTENCE in result.output
    assert "remedy: Stay nearer." in result.output
    assert "rate_too_large: " in result.output


def test_a_diagnosis_is_in_json(arrived):
    (run,) = json.loads(arrived("run", "ill.yaml", "--json").output)["runs"]
    found = {each["name"]: each for each in run["diagnoses"]}
    assert found["far_away"] == {
        "name": "far_away",
        "sentence": SENTENCE.removeprefix("far_away: "),
        "remedy": "Stay nearer.",
    }


@pytest.mark.sampled(1)
def test_a_diagnosis_is_expected(arrived):
    assert arrived("run", "ill.yaml", "--set", "expect={diagnosis: far_away}").exit_code == 0
    result = arrived("run", "ill.yaml", "--set", "expect={diagnosis: far_away}", "--set", "optimizer.lr=0.1")
    assert result.exit_code == 1
    assert "diagnosis far_away" in result.output
    result = arrived("run", "ill.yaml", "--set", "expect={diagnosis: far_awey}")
    assert "unknown diagnosis 'far_awey'; did you mean 'far_away'?" in result.stderr


def test_an_operation_is_explained(arrived):
    told = arrived("explain", "grows.yaml").output
    assert "log(z2/(1 − z2))" in told
    assert "1/(z2·(1 − z2))" in told


def test_without_the_plugin_its_operation_is_shown_as_numbers(playground, write):
    write("grows.yaml", GROWS)
    write("grow.py", PLUGIN.replace('{"logit": logit}', "{}"))
    told = playground("-p", "grow.py", "explain", "grows.yaml").output
    assert "logit" in told
    assert "log(z2/(1 − z2))" not in told


@pytest.mark.parametrize("kind", ["diagnosis", "operation"])
def test_both_are_listed_with_their_plugin(arrived, kind):
    name = {"diagnosis": "far_away", "operation": "logit"}[kind]
    listed = arrived("list", kind).output
    assert any(name in line and "far" in line.replace(name, "") for line in listed.splitlines()), listed
