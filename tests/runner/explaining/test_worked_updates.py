"""The update written out with its numbers gives the step that was made, for every rule and its settings."""

import re

import pytest

from playground.core.formula_reader import evaluate_formula
from playground.plugins.manager import load_plugins
from playground.runner.explaining.step import explain
from playground.scenario.model import load_scenario

PLUGINS = load_plugins(autoload=False)
TEXT = (
    "task: minimize\nfunction: 3*x[0]**2 + sin(x[1]) - x[0]*x[1]\nstart: {{x: [-1.5, 0.7]}}\nsteps: 9\noptimizer: {}\n"
)

SETTINGS = {
    "sgd": ["lr: 0.1", "lr: 0.1, momentum: 0.9", "lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.1"],
    "adam": ["lr: 0.1", "lr: 0.1, amsgrad: true, weight_decay: 0.01", "lr: 0.1, beta1: 0"],
    "adamw": ["lr: 0.1", "lr: 0.1, weight_decay: 0"],
    "adamax": ["lr: 0.1", "lr: 0.1, weight_decay: 0.1"],
    "adagrad": ["lr: 0.1", "lr: 0.1, lr_decay: 0.5"],
    "adadelta": ["lr: 1", "lr: 1, rho: 0.5"],
    "lion": ["lr: 0.1", "lr: 0.1, weight_decay: 0.1"],
    "nadam": ["lr: 0.1"],
    "radam": ["lr: 0.1", "lr: 0.1, beta2: 0.9"],
    "rmsprop": ["lr: 0.1", "lr: 0.1, momentum: 0.9, centered: true"],
    "rprop": ["lr: 0.1"],
}
CASES = [(name, options) for name, several in SETTINGS.items() for options in several]


def told(write, name, options, step, digits=12):
    path = write("f.yaml", TEXT.format(f"{{name: {name}, {options}}}") + "dtype: float64\n")
    return explain(load_scenario(path), PLUGINS, step, None, digits)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("step", [0, 7])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_each_line_holds_and_the_last_is_where_the_parameter_went(write, name, options, step):
    explained = told(write, name, options, step)
    (moved,) = explained.parameters
    assert moved.written
    for line in moved.written:
        _, terms, result = line.split(" = ")
        assert evaluate_formula(terms, {}).item() == pytest.approx(
            evaluate_formula(result, {}).item(), rel=1e-6, abs=1e-11
        ), line
    last = moved.written[-1].split(" = ")
    if moved.after.values[0] == moved.before.values[0]:
        return  # rprop waits where the sign flipped
    assert last[0] == "p"
    assert evaluate_formula(last[2], {}).item() == pytest.approx(moved.after.values[0], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("sgd", "lr: 0.1", "weight_decay|momentum|nesterov|dampening| b | d "),
        ("adam", "lr: 0.1", "amsgrad|v_max|weight_decay"),
        ("rmsprop", "lr: 0.1", "centered|momentum|weight_decay"),
        ("adagrad", "lr: 0.1", "lr_decay|weight_decay"),
    ],
)
def test_what_is_off_is_left_out_of_the_formula(write, name, options, words):
    formula = " ".join(told(write, name, options, 3).update.formula)
    assert formula
    assert not re.search(words, f" {formula} ")


def test_a_choice_that_differs_between_entries_stays_in_the_formula(write):
    assert any(" if a > 0 " in line for line in told(write, "rprop", "lr: 0.1", 3).update.formula)


def test_a_torch_class_declares_no_formula(write):
    explained = told(write, "torch.Adam", "lr: 0.1", 3)
    assert explained.update.formula == ()
    assert explained.parameters[0].written == ()
    assert explained.parameters[0].state_after


RULE = '''
from dataclasses import dataclass
from playground import hookimpl
from playground.core.update import UpdateRule

@dataclass(frozen=True)
class Mine(UpdateRule):
    """Gradient descent."""
    lr: float = 0.1
    formula = ({formula!r},)
    symbols = {{"p": "parameter", "g": "gradient", "lr": "learning rate"}}

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, state

@hookimpl
def playground_optimizers():
    return {{"mine": Mine}}
'''


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("formula", "lines"),
    [
        ("p = p - lr * g", 1),
        ("p = p - 2 * lr * g", 0),
        ("p = p - lr * g / 0", 0),
        ("p goes downhill", 0),
        ("p = p - lr * norm(g)", 0),
        ("p -= lr * g", 0),
        ("", 0),
    ],
)
def test_a_formula_that_does_not_give_the_step_is_not_written_out(write, formula, lines):
    plugins = load_plugins(autoload=False, specs=[str(write("mine.py", RULE.format(formula=formula)))])
    path = write("f.yaml", TEXT.format("mine"))
    explained = explain(load_scenario(path), plugins)
    assert len(explained.parameters[0].written) == lines
