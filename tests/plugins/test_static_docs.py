"""Summaries read from the source of what is registered by reference; nothing is imported."""

import subprocess
import sys

import pytest

from playground.plugins.manager import load_plugins
from playground.plugins.parameters import scenario_parameters
from playground.plugins.registry import Component, Origin
from playground.plugins.static_docs import component_parameters, component_summary
from playground.scenario.shorthand import COMPONENT_KINDS


def documented():
    """Say what it is.

    The rest is for `show`.
    """


def summary(factory):
    return component_summary(Component("loss", "name", factory, Origin("plugin")))


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        ("playground.builtin.losses:mse", "Mean squared error: mean of `(p - t)²`."),
        ("playground.builtin.optimizers:Lion", "Step by the sign of a blend of momentum and gradient"),
        ("playground.builtin.tasks.minimize:Minimize", "Go down a function from a starting point."),
        ("torch.optim:LBFGS", "Implements L-BFGS algorithm."),
    ],
)
def test_of_a_reference(factory, told):
    assert summary(factory).startswith(told)


@pytest.mark.parametrize("factory", ["no_such_package:x", "playground.builtin.losses:nothing", "playground.nothing:x"])
def test_of_nothing(factory):
    assert summary(factory) == ""


def test_of_what_is_there_already():
    assert summary(documented) == "Say what it is."


@pytest.mark.parametrize("kind", COMPONENT_KINDS)
def test_parameters_are_those_of_the_signature(kind):
    plugins = load_plugins(autoload=False)
    components = [plugins.registry.get(kind, name) for name in plugins.names(kind)]
    assert components
    for each in components:
        assert sorted(component_parameters(each)) == sorted(found.name for found in scenario_parameters(each)), each


def test_nothing_has_no_parameters():
    assert component_parameters(Component("loss", "name", "no_such_package:x", Origin("plugin"))) == ()


def test_nothing_is_imported():
    code = (
        "import sys\n"
        "from playground.plugins.registry import Component, Origin\n"
        "from playground.plugins.static_docs import component_summary\n"
        "for factory in ('torch.optim:LBFGS', 'playground.builtin.losses:mse'):\n"
        "    assert component_summary(Component('loss', 'name', factory, Origin('plugin')))\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'playground.builtin' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
