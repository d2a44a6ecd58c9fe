"""Many steps explained by one replay are what each would be explained by itself, and the run goes on undisturbed."""

import pytest

from playground import run
from playground.explanation import Explanation, UnexplainedStep
from playground.plugins.manager import load_plugins
from playground.runner.explaining.step import explain, explain_steps
from playground.runner.single.record_options import RecordOptions
from playground.runner.single.running import run_one, select_round_steps
from playground.scenario.model import load_scenario

PLUGINS = load_plugins(autoload=False)

NOISY = """
import torch
from playground import hookimpl

class Noisy(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(inputs, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5), torch.nn.Linear(4, outputs)
        )

    def forward(self, x):
        return torch.sigmoid(self.layers(x))

@hookimpl
def playground_models():
    return {"noisy": Noisy}
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("and_gate", {}),
        ("and_gate", {"optimizer": "torch.LBFGS", "expect": "{}"}),
        ("two_moons", {}),
        ("bowl_diverges", {}),
        ("himmelblau", {"dtype": "float64"}),
    ],
)
def test_each_is_as_by_itself(root, name, changes):
    loaded = load_scenario(root / f"scenarios/{name}.yaml", tuple(changes.items()))
    steps = (0, 1, 5, 12)
    told = explain_steps(loaded, PLUGINS, steps)
    for step, one in zip(steps, told, strict=True):
        alone = explain(loaded, PLUGINS, step)
        assert (one.step, one.nodes, one.operations, one.update) == (
            *(step, alone.nodes, alone.operations, alone.update),
        )
        assert (one.loss, one.loss_after, one.words) == (alone.loss, alone.loss_after, alone.words)


@pytest.mark.slow
def test_looking_at_a_step_disturbs_none_after_it(root, write):
    plugins = load_plugins(autoload=False, specs=[str(write("noisy.py", NOISY))])
    loaded = load_scenario(root / "scenarios/and_gate.yaml", (("model", "noisy"), ("dtype", "float64")))
    losses = run(loaded, plugins=[str(write("noisy.py", NOISY))], steps=12).trace.loss
    told = list(explain_steps(loaded, plugins, range(12)))
    assert [one.loss for one in told] == list(losses)


def test_a_run_ends_where_it_ended(root):
    loaded = load_scenario(root / "scenarios/bowl_diverges.yaml")
    done = run(loaded)
    last = explain(loaded, PLUGINS, done.steps)
    assert last.loss == done.loss.last
    assert last.update is last.loss_after is None  # no update was made there


def test_a_reason_in_place_of_what_cannot_be_explained(root):
    loaded = load_scenario(root / "scenarios/bowl_diverges.yaml")
    *told, reason = explain_steps(loaded, PLUGINS, (0, 2, 500, 900))
    assert [one.step for one in told] == [0, 2]
    assert isinstance(reason, UnexplainedStep)
    assert reason.step == 500
    assert reason.reason.startswith("step 500: the run ended at step ")


@pytest.mark.slow
def test_large_models_are_checked_once(root):
    assert [central(one) for one in first_steps(root, "two_moons")] == [True, False, False, False]
    assert all(map(central, first_steps(root, "bowl")))


def first_steps(root, name):
    return explain_steps(load_scenario(root / f"scenarios/{name}.yaml"), PLUGINS, range(4))


def central(told):
    return told.parameters[0].central is not None


def test_ctrl_c_costs_the_explanations_not_the_run(root):
    def pressed(descent):
        raise KeyboardInterrupt

    told = list(explain_steps(load_scenario(root / "scenarios/bowl.yaml"), PLUGINS, (0, 1), pressed))
    assert told == [UnexplainedStep(0, "interrupted")]


@pytest.mark.parametrize(
    ("steps", "chosen"),
    [
        ([0], [0]),
        (range(4), [0, 1, 2, 3]),
        (range(31), [0, 1, 2, 5, 10, 20, 30]),
        ([0, 1, 3, 9, 31, 99, 100], [0, 1, 3, 9, 31, 100]),
        ([*range(0, 1000, 7), 1000], [0, 7, 21, 49, 98, 203, 497, 1000]),
    ],
)
def test_which_steps(steps, chosen):
    assert select_round_steps(steps) == chosen


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["and_gate", "quadratic_derivative", "bowl_diverges"])
def test_a_run_has_explanations_where_somebody_asks(root, name):
    loaded = load_scenario(root / f"scenarios/{name}.yaml", steps(root, name))
    done = run_one(loaded, PLUGINS, record=RecordOptions(20, explanations=True))
    assert all(isinstance(each, Explanation) for each in done.explanations)
    assert [done.explanations[0].step, done.explanations[-1].step] == [0, done.steps]
    assert run_one(loaded, PLUGINS, record=RecordOptions(20)).explanations == ()


def steps(root, name):
    return (("steps", "30"),) if name == "and_gate" else ()
