"""Expectations that can never hold are refused before anything is computed, by every command alike."""

import pytest

BOWL = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 100
expect:
"""
AND = """\
task: classification
dataset: and_gate
model: perceptron
loss: mse
optimizer: {name: adam, lr: 0.1}
steps: 5
expect:
"""
SLOPE = """\
task: derivative
function: x**2
at: {x: [1, 2]}
expect:
"""
SWEEP = BOWL + "  x: {above: -9}\nsweep:\n  over: {seed: {count: 2}}\n  expect:\n  "

VAIN = {
    "text": (BOWL + "  loss: < 0.1\n", "7:9: 'loss' is never the text '< 0.1'; write {below: 0.1}"),
    "deviation": (
        BOWL + "  x: -5 +- 0.001\n",
        "7:6: 'x' is never the text '-5 +- 0.001'; write {near: -5, within: 0.001}",
    ),
    "percent": (AND + '  accuracy: "100%"\n', "8:13: 'accuracy' is never the text '100%'; write 1.0"),
    "status": (
        BOWL + "  status: convergd\n",
        "7:11: unknown status 'convergd'; did you mean 'converged'? (accepted: budget, diverged, nonfinite, error)",
    ),
    "no stop rule": (
        BOWL + "  status: converged\n",
        "7:11: status 'converged' can never occur here: it needs a stop rule, such as stop: {loss: 1e-6}",
    ),
    "no patience": (BOWL + "  status: stalled\n", "it needs stop: {patience: {steps: N}}"),
    "budget": (
        BOWL + "  steps: 200\n",
        "7:10: steps equals 200 can never hold: it is a whole number from 0 to the budget",
    ),
    "share": (
        AND + "  accuracy: {above: 0.9, below: 1}\n",
        "8:21: accuracy below 1 and above 0.9 can never hold together",
    ),
    "distance": (
        BOWL.replace("(2*x + 10)**2", "{name: sphere, dim: 1}").replace("{x: 1}", "{x: [1]}") + "  distance: -1\n",
        "7:13: distance equals -1 can never hold: it is at least 0",
    ),
    "shape": (
        AND + "  predictions: {rounded: [1, 0, 0, 0]}\n",
        "8:26: 'predictions' is a list of 4 × 1, and rounded is a list of 4; they can never be equal",
    ),
    "parameter": (AND + "  bias: 0\n", "8:9: 'bias' is a list of 1, and equals is a number; they can never be equal"),
    "points": (SLOPE + "  derivative: [2]\n", "5:15: 'derivative' is a list of 2, and equals is a list of 1"),
    "excluded": (BOWL + "  loss: {below: 1, above: 2}\n", "7:27: loss below 1 and above 2 can never hold together"),
    "less than a loss's minimum": (
        AND + "  loss: {below: -1}\n",
        "8:17: loss below -1 can never hold: it is at least 0",
    ),
    "held-out share": (
        AND.replace("expect", "validation: 0.5\nexpect") + "  validation_accuracy: 2\n",
        "9:24: validation_accuracy equals 2 can never hold: it is a share of 2 samples",
    ),
    "held-out loss": (
        AND.replace("expect", "validation: 0.5\nexpect") + "  validation_loss: [0.1, 0.2]\n",
        "9:20: 'validation_loss' is a number, and equals is a list of 2; they can never be equal",
    ),
    "share of a sweep": (SWEEP + "  passed: 2\n", "11:13: passed equals 2 can never hold: it is a share of the runs"),
    "unknown share": (SWEEP + "  pased: 1\n", "11:5: a sweep measures no 'pased'; did you mean 'passed'?"),
    "status of a sweep": (
        SWEEP + "  diverged: < 5%\n",
        "11:15: 'diverged' is never the text '< 5%'; write {below: 0.05}",
    ),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("text", "message"), VAIN.values(), ids=VAIN)
def test_what_can_never_hold(playground, write, text, message):
    write("a.yaml", text)
    result = playground("check", "a.yaml")
    (line,) = result.stderr.splitlines()
    assert line.startswith("a.yaml:")
    assert message in line
    assert result.exit_code == 2


COMMANDS = [["run"], ["sweep", "--seeds", "2"], ["sweep", "--seeds", "2", "--engine", "plain"], ["explain"], ["eject"]]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", [*COMMANDS, ["plot", "--out", "a.png"], ["run", "--html", "a.html"]], ids=" ".join)
def test_every_command_refuses_alike(playground, write, tmp_path, command):
    write("a.yaml", BOWL + "  loss: < 0.1\n")
    name, *options = command
    result = playground(name, "a.yaml", *options)
    assert VAIN["text"][1] in result.stderr
    assert result.exit_code == 2
    assert not (tmp_path / ".playground").exists()


FINE = {
    "stop": BOWL.replace("steps", "stop: {loss: 1e-8}\nsteps") + "  status: converged\n",
    "diverges": BOWL.replace("0.15", "0.3") + "  status: diverged\n",
    "steps": BOWL.replace("steps", "stop: {loss: 1e-8}\nsteps") + "  steps: {at_most: 100, at_least: 3}\n",
    "accuracy": AND.replace("5", "200") + "  accuracy: 1\n  predictions: {rounded: [[1], [0], [0], [0]]}\n",
    "points": SLOPE + "  derivative: [2, 4]\n  value: {equals: [1, 4]}\n",
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_can_hold_does(playground, write, text):
    write("a.yaml", text)
    result = playground("run", "a.yaml")
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_a_budget_from_the_command_line_is_no_mistake_of_the_scenario(playground, write):
    write("a.yaml", BOWL + "  steps: 100\n")
    assert playground("run", "a.yaml", "--steps", "3").exit_code == 1  # it fails, but it is valid
    assert playground("sweep", "a.yaml", "--over", "steps=3,100").exit_code == 0
    assert playground("explain", "a.yaml", "--set", "steps=3").exit_code == 0


FREE = """\
from playground import hookimpl
from playground.core.losses import declares


@declares(same_shape=False)
def first(prediction, target):
    return ((prediction[:, 0] - target[:, 0]) ** 2).mean()


@declares(minimum=-2)
def lowered(prediction, target):
    return ((prediction - target) ** 2).mean() - 2


def undeclared(prediction, target):
    return ((prediction - target) ** 2).mean() - 5


@hookimpl
def playground_losses():
    return {"first": first, "lowered": lowered, "undeclared": undeclared}
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("loss", "expected", "code"),
    [
        ("first", "predictions: {near: [[0, 0], [0, 0], [0, 0], [1, 1]], within: 5}", 0),
        ("lowered", "loss: {below: -1.9}", 0),
        ("lowered", "loss: {below: -2}", 2),
        ("undeclared", "loss: {below: -4}", 0),
        ("mse", "loss: {at_most: 0}", 0),
        ("mse", "loss: {below: 0}", 2),
    ],
)
def test_a_plugin_says_what_its_loss_can_be(playground, write, loss, expected, code):
    write("free.py", FREE)
    write(
        "a.yaml", AND.replace("loss: mse", f"loss: {loss}").replace("classification", "regression") + f"  {expected}\n"
    )
    result = playground("-p", "free.py", "check", "a.yaml")
    assert result.exit_code == code, result.stderr
