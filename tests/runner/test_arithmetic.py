"""Arithmetic that is written out holds: read again as a formula, it gives the number behind the equals sign."""

import math
import re

import pytest
import torch

from playground.plugins.manager import load_plugins
from playground.runner.explaining import explain
from playground.scenario.model import load_scenario

PLUGINS = load_plugins(autoload=False)
FUNCTIONS = {
    "sigma": lambda x: 1 / (1 + math.exp(-x)),
    "sign": lambda x: float(x > 0) - float(x < 0),
    "root": math.sqrt,
    **{name: getattr(math, name) for name in ("exp", "log", "sin", "cos", "tanh", "sinh", "cosh", "pi")},
}


def read(arithmetic):
    """Compute what is written in the field's signs."""
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", arithmetic)
    for sign, python in {"−": "-", "·": "*", "²": "**2", "^": "**", "σ": "sigma", "√": "root", "−log": "-log"}.items():
        text = text.replace(sign, python)
    text = re.sub(r"(?<![a-z_\d.])([\d.]+(?:e-?\d+)?)\(", r"\1*(", text)  # 2(p - t)
    text = re.sub(r"\blog (sigma\([^)]*\)|[\d.e-]+)", r"log(\1)", text)
    text = re.sub(r"\b(root)([\d.e-]+)", r"\1(\2)", text)
    return eval(text, {}, FUNCTIONS)


def holds(arithmetic):
    terms, _, result = arithmetic.rpartition(" = ")
    assert read(terms) == pytest.approx(read(result), rel=1e-6, abs=1e-9), arithmetic


def lines(told):
    forward = [line.partition(" = ")[2] for operation in told.operations for line in operation.written]
    backward = [each for operation in told.operations for share in operation.shares for _, each in share.entries]
    return forward, backward


LOSSES = ["mse", "mae", "huber", "smooth_l1", "bce", "bce_with_logits", "hinge"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_a_network_forward_and_backward(root, loss, activation):
    changes = {"model": f"{{name: mlp, hidden: [2], activation: {activation}, output: sigmoid}}", "loss": loss}
    changes |= {"dtype": "float64", "optimizer": "sgd", "expect": "{}"}
    told = explain(load_scenario(root / "scenarios/and_gate.yaml", tuple(changes.items())), PLUGINS, 0, 1, 12)
    forward, backward = lines(told)
    readable = [line for line in backward if not re.search("clamp|softplus", line)]
    assert len(forward) > 5
    assert len(readable) > 10
    for line in (*forward, *readable):
        holds(line)


@pytest.mark.parametrize("options", ["cross_entropy", "{name: cross_entropy, label_smoothing: 0.1}"])
def test_classes(root, options):
    changes = (("loss", options), ("dtype", "float64"), ("steps", "1"), ("expect", "{}"))
    told = explain(load_scenario(root / "scenarios/two_moons.yaml", changes), PLUGINS, 0, 1, 12)
    _, backward = lines(told)
    assert any(" / " in line for line in backward)
    for line in backward:
        holds(line)


def test_sums_over_samples_are_written_as_sums(root):
    told = explain(load_scenario(root / "scenarios/and_gate.yaml"), PLUGINS)
    entries = {share.to: share.entries for operation in told.operations for share in operation.shares}
    assert [place for place, _ in entries["weight"]] == ["[0, 0]", "[0, 1]"]
    assert all(arithmetic.count(" + ") == 3 for _, arithmetic in (*entries["weight"], *entries["bias"]))
    assert entries["p"] == ()  # of samples only the one that is asked for


FORMULAS = {
    "broadcast product": lambda x, w: x * w,
    "broadcast difference": lambda x, w: x - w,
    "quotient": lambda x, w: x / (2 + w * w),
    "power": lambda x, w: (x + 2) ** 3 * w,
    "matrix": lambda x, w: (x @ w[:, None]).expand(4, 2),
    "matrix and vector": lambda x, w: (x @ w)[:, None] * x,
    "reversed": lambda x, w: 1 - x * w,
    "mean along an axis": lambda x, w: (x * w).mean(1, keepdim=True) * x,
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_operations(formula):
    from playground.engine.problem import Batches, Problem
    from playground.engine.tape import Tape, recorded
    from playground.runner.explaining import known_operations
    from playground.runner.telling import Teller

    module = torch.nn.Module()
    module.w = torch.nn.Parameter(torch.tensor([0.7, -0.4], dtype=torch.float64))
    module.forward = lambda x: formula(x, module.w)
    x = torch.tensor([[0.3, 1.0], [-0.6, 2.0], [0.9, -0.2], [1.4, 0.1]], dtype=torch.float64)
    tape = Tape()
    problem = Problem(module, lambda forward, batch: forward(batch[0]).square().mean(), Batches((x, x)))
    loss = recorded(problem, tape).loss(module, (x, x))
    torch.autograd.grad(loss, list(module.parameters()))
    teller = Teller(tape, known_operations(PLUGINS), 2, 12, 4)
    told = [each for operation in teller.operations() for share in operation.shares for _, each in share.entries]
    assert told
    for line in told:
        holds(line)
