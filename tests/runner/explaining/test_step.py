"""One step explained is the run's own step, and every number shown is the one that was computed."""

import json
import math

import pytest
import torch

from playground import run
from playground.errors import ScenarioError
from playground.figures.numbers import flatten
from playground.plugins.manager import load_plugins
from playground.report.explanation.formatting import format_sentence, relative_deviation
from playground.runner.explaining.step import explain as explained
from playground.scenario.model import load_scenario
from playground.testing import build_registered

PLUGINS = load_plugins(autoload=False)


@pytest.fixture
def explain(root):
    def explain(name, changes=None, **options):
        overrides = tuple((changes or {}).items())
        return explained(load_scenario(root / "scenarios" / f"{name}.yaml", overrides), PLUGINS, **options)

    return explain


def node(told, name):
    return next(each for each in told.nodes if each.name == name)


def test_the_tutorials_forward_numbers(explain):
    told = explain("forward_pass", sample=1)
    assert [operation.formula for operation in told.operations] == ["x · w", "z1 + b", "σ(z2)", "mean((p − t)²)"]
    assert flat_of(node(told, "z2")) == pytest.approx([5.3638, 1.8866, 2.0877, -1.3895], abs=1e-4)
    assert flat_of(node(told, "p")) == pytest.approx([0.9953, 0.8684, 0.8897, 0.1995], abs=1e-4)
    assert told.loss == pytest.approx(0.017327, abs=1e-6)
    assert told.update is None
    assert told.operations[0].written == ("z1[1, 0] = 1·3.2761 + 0·3.4772 = 3.2761",)
    assert told.operations[1].written == ("z2[1, 0] = 3.2761 + (-1.3895) = 1.8866",)


def flat_of(each):
    return list(flatten(each.value.values))


@pytest.mark.parametrize(("name", "slope"), [("quadratic_derivative", 13), ("square_derivative", 48)])
def test_the_tutorials_derivatives(explain, name, slope):
    told = explain(name)
    assert told.parameters[0].gradient.values == slope
    assert told.parameters[0].central.values == pytest.approx(slope)


@pytest.mark.parametrize(("sample", "point"), [(None, 1.0), (0, 1.0), (2, 3.0)])
def test_a_derivative_task_shows_the_point_that_is_asked_for(explain, sample, point):
    told = explain("square_derivative", {"at": "{x: [1, 2, 3]}", "expect": "{}"}, sample=sample)
    assert (told.samples, told.sample) == (3, sample or 0)
    (x,) = told.parameters
    assert x.before.values == point
    assert x.gradient.values == 8 * point + 40


def test_a_model_whose_backward_is_checked_has_the_samples_of_its_data(explain):
    told = explain("backward_check", sample=3)
    assert (told.samples, told.sample) == (4, 3)


def test_the_chain_rule_on_the_square(explain):
    rules = [
        share.rule for operation in reversed(explain("square_derivative").operations) for share in operation.shares
    ]
    assert rules == ["dL/dL · 2·z2", "dL/dz2", "dL/dz1 · 2"]


@pytest.mark.slow
def test_every_bundled_scenario_without_a_gap(root, explain):
    for file in (root / "scenarios").glob("*.yaml"):
        told = explain(file.stem)
        assert all(operation.formula for operation in told.operations), file.stem
        for index, moved in enumerate(told.parameters):
            assert moved.gradient is not None
            off = relative_deviation(told, index)
            assert off is None or off < 1e-3, (file.stem, moved.name)
            total = sum(
                torch.tensor(share.value.values, dtype=torch.float64)
                for operation in told.operations
                for share in operation.shares
                if share.to == moved.name
            )
            torch.testing.assert_close(
                total, torch.tensor(moved.gradient.values, dtype=torch.float64), rtol=1e-4, atol=1e-6
            )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", [name for name in PLUGINS.registry.names("function") if "." not in name])
def test_every_function_without_a_gap(write, name):
    function = "sin(x[0]) + max(x[0], x[1])*softplus(x[1])" if name == "expression" else name
    made = None if name == "expression" else build_registered("function", name)
    start = ([0.7, 0.4, 0.6, 0.5] * 4)[: getattr(made, "dim", 2)]
    path = write("f.yaml", f"task: minimize\nfunction: {function}\nstart: {{x: {start}}}\noptimizer: sgd\n")
    told = explained(load_scenario(path), PLUGINS)
    assert all(operation.formula for operation in told.operations)
    assert relative_deviation(told, 0) < 1e-2


RULES = [{"name": "adam", "lr": 0.05}, {"name": "torch.Adam", "lr": 0.05}, {"name": "sgd", "lr": 0.5, "momentum": 0.9}]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("optimizer", RULES, ids=lambda rule: rule["name"])
def test_the_step_is_that_of_the_run(root, explain, optimizer):
    told = explain("and_gate", {"optimizer": json.dumps(optimizer), "expect": "{}"}, step=3)
    before, after = (
        run(root / "scenarios/and_gate.yaml", {"optimizer": optimizer, "expect": {}}, steps=steps) for steps in (3, 4)
    )
    for moved in told.parameters:
        assert moved.before.values == before.parameters[moved.name]
        assert moved.after.values == after.parameters[moved.name]
        assert moved.state_after
        assert moved.state_after != moved.state_before
    assert told.loss == before.loss.last
    assert told.loss_after == after.loss.last


def test_a_step_that_was_too_long_and_by_which_bound(explain):
    told = explain("bowl_diverges", step=2)
    assert [each.text.split(":")[0] for each in told.words] == [
        "The step was too long",
        "The learning rate is beyond what this curvature allows",
    ]
    assert told.words[1].parts == {"bound": "lr 0.3 > 2/8 = 0.25"}


def test_two_losses_that_differ_are_told_so_that_they_do(explain):
    told = explain("bowl", {"optimizer": "{name: sgd, lr: 1e-6}"})
    (words,) = (format_sentence(each, str) for each in told.words)
    assert words == "The step lowered the loss on the same data from 144 to 143.998."


@pytest.mark.parametrize(("step", "bound"), [(0, ["lr 0.3 > 2/8 = 0.25"]), (1, [])])
def test_the_bound_is_held_against_the_rate_of_the_step(explain, step, bound):
    told = explain("bowl_diverges", {"schedule": "{name: exponential, gamma: 0.5}"}, step=step)
    assert [each.parts["bound"] for each in told.words if "bound" in each.parts] == bound


def test_a_step_with_the_wrong_sign_went_uphill_however_long_it_was(root):
    plugins = load_plugins(specs=(str(root / "scenarios/broken/mistakes.py"),), autoload=False)
    told = explained(load_scenario(root / "scenarios/broken/wrong_sign.yaml"), plugins)
    assert [each.text.split(":")[0] for each in told.words] == ["The step went along the gradient"]


def test_who_pulls_hardest_and_what_saturated(explain):
    hardest, saturated = explain("forward_pass").words
    assert hardest.parts["index"] == 3
    assert hardest.parts["share"] == pytest.approx(0.448, abs=1e-2)
    assert (saturated.parts["count"], saturated.parts["total"], saturated.parts["to"]) == (1, 4, "z2")


REMARKS = {
    "memory": (
        {"function": "max(x, 0)**2", "start": "{x: 1}", "optimizer": "{name: sgd, lr: 0.5, momentum: 0.9}"},
        2,
        ["Every gradient is zero: what moves", "The step left the loss"],
    ),
    "weight decay": (
        {"function": "(x - 1)**2", "start": "{x: 1}", "optimizer": "{name: sgd, lr: 0.1, weight_decay: 0.5}"},
        0,
        ["Every gradient is zero: what moves", "The loss rose from 0 to 0.0025"],
    ),
    "adam's memory": (
        {"function": "max(x, 0)**2", "start": "{x: 0.05}", "optimizer": "{name: adam, lr: 0.1}"},
        1,
        ["Every gradient is zero: what moves", "The step left the loss"],
    ),
    "at rest": (
        {"function": "x**2", "start": "{x: 0}", "optimizer": "sgd"},
        0,
        ["Every gradient is zero, and nothing moves", "The step left the loss"],
    ),
    "a rate of zero": (
        {"function": "x**2", "start": "{x: 1}", "optimizer": "{name: sgd, lr: 0}"},
        0,
        ["The step left the loss"],
    ),
    "a rate of zero by schedule": (
        {
            "function": "x**2",
            "start": "{x: 1}",
            "optimizer": "{name: sgd, lr: 9}",
            "schedule": "{name: step, every: 1, gamma: 0}",
        },
        1,
        None,
    ),
    "a gradient that is nan": (
        {"function": "sqrt(x**2)", "start": "{x: 0}", "optimizer": "sgd"},
        0,
        ["sqrt gives back a gradient that is not finite", "After the step the loss is nan"],
    ),
    "a loss that is nan": (
        {"function": "sqrt(x - 2)", "start": "{x: 1}", "optimizer": "sgd"},
        0,
        ["sqrt(-1) gives nan: the loss is nan."],
    ),
    "a loss that is infinite": (
        {"function": "1/x", "start": "{x: 0}", "optimizer": "sgd"},
        0,
        ["rtruediv(0, 1) gives inf: the loss is inf."],
    ),
    "an infinity of which nan is made": (
        {"function": "x*log(x)", "start": "{x: 0}", "optimizer": "sgd"},
        0,
        ["log(0) gives -inf, and mul makes nan of it: the loss is nan."],
    ),
    "clipped": (
        {"function": "100*x**2", "start": "{x: 1}", "optimizer": "{name: sgd, lr: 0.1}", "clip": "{norm: 0.001}"},
        0,
        ["The step lowered the loss"],
    ),
    "the end": (
        {"function": "x**2", "start": "{x: 0}", "optimizer": "sgd", "steps": "0"},
        0,
        ["Every gradient is zero."],
    ),
}


@pytest.mark.parametrize(("keys", "step", "remarks"), REMARKS.values(), ids=REMARKS)
def test_remarks_are_true_of_the_move_that_was_made(write, keys, step, remarks):
    text = "task: minimize\nsteps: 5\n" if "steps" not in keys else "task: minimize\n"
    text += "".join(f"{key}: {value}\n" for key, value in keys.items())
    told = explained(load_scenario(write("f.yaml", text)), PLUGINS, step)
    said = [format_sentence(each, str) for each in told.words]
    if remarks is None:
        assert not any("learning rate" in each or "too long" in each for each in said)
        return
    assert len(said) == len(remarks)
    for one, start in zip(said, remarks, strict=True):
        assert one.startswith(start), said


def test_of_samples_that_pull_alike_none_pulls_hardest(explain):
    told = explain("and_gate", {"start": "{weight: [[0, 0]], bias: [0]}"})
    assert not any("hardest" in each.text for each in told.words)


def test_a_clipped_gradient_stands_beside_the_one_of_backward(explain):
    moved = explain("bowl", {"clip": "{value: 2}"}).parameters[0]
    assert (moved.gradient.values, moved.used.values) == (48, 2)


def test_large_numbers_are_written_in_powers_of_ten(explain):
    told = explain("broken/exploding_product", step=1)
    assert told.operations[0].written == ("z1 = (-28690.4414)·(-28690.4414) = 8.2314e+08",)
    assert told.operations[2].written == ("z3 = (-2.3616e+13)·(-28690.4414) = 6.7756e+17",)


def test_an_optimizer_that_evaluates_again_has_clipped_nothing(explain):
    told = explain("line", {"optimizer": "{name: torch.LBFGS}"})
    assert [moved.used for moved in told.parameters] == [None, None]


def test_a_gradient_that_is_no_number_is_not_clipped_either(write):
    text = "task: minimize\nfunction: sqrt(x**2)\nstart: {x: 0}\nsteps: 1\noptimizer: sgd\n"
    (moved,) = explained(load_scenario(write("f.yaml", text)), PLUGINS).parameters
    assert math.isnan(moved.gradient.values)
    assert moved.used is None


@pytest.mark.slow
def test_a_batch_of_the_step(explain):
    told = explain("two_moons", step=6, sample=2)
    assert told.samples == 8
    assert all("[2, " in line for line in told.operations[0].written)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bowl", {"step": 1001}, r"bowl.yaml:\d+:\d+: step 1001 is beyond the budget of 1000 steps"),
        ("quadratic_derivative", {"step": 1}, "step 1 is beyond the budget of 0 steps"),
        ("bowl_diverges", {"step": 900}, r"step 900: the run ended at step \d+ \(diverged: "),
        ("and_gate", {"sample": 4}, r"no sample 4 in step 0 \(samples: 0 to 3\)"),
        ("bowl", {"sample": 0}, r"no sample 0 in step 0 \(samples: none\)"),
        ("quadratic_derivative", {"sample": 1}, r"no sample 1 in step 0 \(samples: only 0\)"),
    ],
)
def test_what_is_not_there(explain, name, options, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        explain(name, **options)
    assert len(str(caught.value).splitlines()) == 1


PLUGIN = """
import torch
from playground import hookimpl
from playground.builtin.models import Handwritten
from playground.core.operations import elementwise

class Raises(Handwritten):
    def forward(self, x):
        raise ValueError("no way forward")

class Later(Handwritten):
    def forward(self, x):
        if self.training and self.w[0, 0] != {first}:
            raise ValueError("too late")
        return super().forward(x)

class InPlace(Handwritten):
    def forward(self, x):
        z = x @ self.w
        z += self.b
        return z.sigmoid_()

class Frozen(Handwritten):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.requires_grad_(False)

class Dropping(Handwritten):
    def forward(self, x):
        return super().forward(torch.nn.functional.dropout(x + 1, 0.5, self.training))

class Normal(Handwritten):
    def forward(self, x):
        return torch.nn.functional.batch_norm(x @ self.w + self.b, None, None, training=True)

class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2

class Custom(Handwritten):
    def forward(self, x):
        return Twice.apply(super().forward(x))

def each(prediction, target):
    return (prediction - target) ** 2

@hookimpl
def playground_models():
    odd = {{"raises": Raises, "later": Later, "in_place": InPlace, "frozen": Frozen, "custom": Custom}}
    return {{"dropping": Dropping, "normal": Normal, **odd}}

@hookimpl
def playground_losses():
    return {{"each": each}}
"""

KNOWN = """
def twice():
    return elementwise("2·{x}", "2", lambda call: 2)

@hookimpl
def playground_operations():
    return {"twicebackward": twice}
"""


@pytest.fixture
def odd(write, root):
    def odd(changes, more=""):
        plugin = write("odd.py", PLUGIN.format(first=0.5) + more)
        start = (("start", "{w: [[0.5], [0.25]], b: [0.125]}"),)
        loaded = load_scenario(root / "scenarios/and_gate_handwritten.yaml", (*start, *changes.items()))
        return explained(loaded, load_plugins(autoload=False, specs=[str(plugin)]))

    return odd


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "raises"}, "no way forward"),
        ({"model": "later"}, "step 0: ValueError: too late"),
        ({"model": "frozen"}, "nothing to descend"),
        ({"loss": "each"}, "the loss must be a single number"),
    ],
)
def test_components_that_are_wrong(odd, changes, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        odd(changes)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(f"--set {next(iter(changes))}=") or ".yaml:" in str(caught.value)


def test_an_operation_in_place(odd):
    told = odd({"model": "in_place"})
    assert [operation.name for operation in told.operations] == ["matmul", "add", "sigmoid", "mse_loss"]
    assert node(told, "z1").value != node(told, "z2").value
    assert relative_deviation(told, 0) < 1e-4


def test_what_a_step_dropped_is_dropped_again_in_every_look_at_it(odd):
    told = odd({"model": "dropping", "optimizer": "{name: sgd, lr: 0}", "dtype": "float64", "expect": "{}"})
    assert told.loss_after == told.loss
    assert relative_deviation(told, 0) < 1e-9


def test_a_gradient_that_is_rounding_is_no_deviation(odd):
    told = odd({"model": "normal"})
    (bias,) = [index for index, moved in enumerate(told.parameters) if moved.name == "b"]
    assert abs(told.parameters[bias].gradient.high) < 1e-6
    assert relative_deviation(told, bias) < 0.1


def test_an_operation_of_which_nothing_is_known(odd):
    told = odd({"model": "custom"})
    unknown = next(operation for operation in told.operations if not operation.formula)
    assert unknown.name == "TwiceBackward"
    assert (unknown.inputs, unknown.outputs) == (("z3",), ("p",))
    assert node(told, "p").gradient is not None


def test_a_plugin_makes_it_known(odd):
    told = odd({"model": "custom"}, KNOWN)
    known = told.operations[-2]
    assert (known.formula, known.shares[0].rule) == ("2·z3", "dL/dp · 2")


FORMULAS = """
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from playground import hookimpl
from playground.builtin.optimizers import SGD
from playground.core.update import UpdateRule


def rule(*lines):
    @dataclass(frozen=True)
    class Rule(UpdateRule):
        formula: ClassVar[tuple[str, ...]] = lines
        lr: float = 0.1

        def update(self, p, g, state, step, lr):
            return p - lr * g, state

    return Rule


@hookimpl
def playground_optimizers():
    return {
        "right": rule("p = p - lr * g"),
        "uphill": rule("p = p + lr * g"),
        "still": rule("d = lr * g"),
        "unreadable": rule("p = p - lr * g.clamp(-9, 9)"),
        "silent": rule(),
    }
"""


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("name", "formula", "remark"),
    [
        ("right", ("p = p - lr * g",), None),
        ("silent", (), None),
        ("uphill", (), "does not give this step: it is not shown"),
        ("still", (), "does not give this step: it is not shown"),
        ("unreadable", ("p = p - lr * g.clamp(-9, 9)",), "cannot be computed: it was not compared with this step"),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_formula_that_does_not_give_the_step_is_not_shown(write, name, formula, remark, dtype):
    plugin = write("formulas.py", FORMULAS)
    path = write(
        "f.yaml",
        "task: minimize\nfunction: (x - 1)**2 + y**2\nstart: {x: 3, y: 2}\nsteps: 3\n"
        f"optimizer: {name}\ndtype: {dtype}\n",
    )
    told = explained(load_scenario(path), load_plugins(autoload=False, specs=[str(plugin)]), 1)
    assert told.update.formula == formula
    said = [format_sentence(each, str) for each in told.words]
    assert [each for each in said if "formula" in each.lower()] == [each for each in said if remark and remark in each]
    assert any("formula" in each.lower() for each in said) == (remark is not None)
    assert all(bool(moved.written) == (name == "right") for moved in told.parameters)
