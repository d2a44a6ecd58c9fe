"""Arithmetic that is written out holds: read again as a formula, it gives the number behind the equals sign."""

import math
import re

import pytest
import torch

from playground.plugins.manager import load_plugins
from playground.runner.explaining.step import explain
from playground.scenario.model import load_scenario

PLUGINS = load_plugins(autoload=False)
FUNCTIONS = {
    "sigma": lambda x: 1 / (1 + math.exp(-x)),
    "sign": lambda x: float(x > 0) - float(x < 0),
    "root": math.sqrt,
    "clamp": lambda x, bound: max(-bound, min(bound, x)),
    **{name: getattr(math, name) for name in ("exp", "log", "sin", "cos", "tanh", "sinh", "cosh", "pi")},
}


def read(arithmetic):
    """Compute what is written in the field's signs."""
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", arithmetic)
    for sign, python in {
        "−": "-",
        "·": "*",
        "²": "**2",
        "^": "**",
        "σ": "sigma",
        "√": "root",
        "−log": "-log",
        "±": "",
    }.items():
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


@pytest.mark.sampled(1)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_a_network_forward_and_backward(root, loss, activation):
    changes = {"model": f"{{name: mlp, hidden: [2], activation: {activation}, output: sigmoid}}", "loss": loss}
    changes |= {"dtype": "float64", "optimizer": "sgd", "expect": "{}"}
    told = explain(load_scenario(root / "scenarios/and_gate.yaml", tuple(changes.items())), PLUGINS, 0, 1, 12)
    forward, backward = lines(told)
    readable = [line for line in backward if "softplus" not in line]
    assert len(forward) > 5
    assert len(readable) > 10
    for line in (*forward, *readable):
        holds(line)


@pytest.mark.sampled(1)
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
    assert [place for place, _ in entries["p"]] == ["[0, 0]"]  # what the loss teaches, in one number
    assert entries["z"] == ()  # of samples only the one that is asked for


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
    forward, told = written(formula)
    assert told
    for line in (*forward, *told):
        holds(line)


MOVED = {
    "some entries": lambda x, w: x[:, [1, 0]] * w,
    "a new axis": lambda x, w: (x[:, None] * w).sum(1),
    "transposed": lambda x, w: ((x @ x.T).T @ x) * w,
    "side by side": lambda x, w: torch.cat([x[:, :1], x[:, 1:] * w[0]], 1),
    "shares": lambda x, w: torch.softmax(x * w, 1),
}


@pytest.mark.parametrize("formula", MOVED.values(), ids=MOVED)
def test_an_entry_that_was_made_of_entries_elsewhere_is_not_written_out_by_those_in_its_place(formula):
    forward, told = written(formula)
    for line in (*forward, *told):
        holds(line)


@pytest.mark.parametrize(("width", "lines"), [(16, 3), (17, 1)])
def test_a_sum_of_many_products_is_not_written_out(width, lines):
    def wide(x, w):
        wider = x.repeat(1, width // 2 + 1)[:, :width]
        return torch.nn.functional.linear(wider, torch.ones(2, width).double(), w)

    forward, _ = written(wide, lambda p: p.sum(1).sum())
    assert len(forward) == lines
    for line in forward:
        holds(line)


def test_a_zero_has_no_sign():
    forward, told = written(lambda x, w: x * 0 * w)
    assert not any(re.search(r"-0(?![.\d])", line) for line in (*forward, *told))


def test_what_was_dropped_is_no_number_and_not_written_as_one():
    _, told = written(lambda x, w: torch.nn.functional.dropout(x * w, 0.5))
    assert told
    assert not any("rate" in line for line in told)


T = torch.tensor([[0.3, 1.0], [0.0, 0.8], [0.5, 0.1], [1.0, 0.6]], dtype=torch.float64)


@pytest.mark.parametrize(
    "loss",
    [
        lambda p: torch.nn.functional.binary_cross_entropy(p.sigmoid(), T),
        lambda p: torch.nn.functional.huber_loss(p, T, delta=0.3),
        lambda p: torch.nn.functional.smooth_l1_loss(p, T, beta=0.4),
        lambda p: torch.rsub(p, 1.5, alpha=2).square().mean(),
    ],
)
def test_the_settings_of_an_operation_are_in_its_arithmetic(loss):
    forward, told = written(lambda x, w: x * w, loss)
    for line in (*(each for each in forward if not re.search("huber|smooth", each)), *told):
        holds(line)


def written(formula, measured=lambda p: p.square().mean()):
    """Return the arithmetic of sample 2, forward and backward."""
    from playground.core.problem import Batches, Problem
    from playground.core.tape import Tape, record_on_tape
    from playground.runner.explaining.from_tape import TapeReader
    from playground.runner.explaining.step import known_operations

    module = torch.nn.Module()
    module.w = torch.nn.Parameter(torch.tensor([0.7, -0.4], dtype=torch.float64))
    module.forward = lambda x: formula(x, module.w)
    x = torch.tensor([[0.3, 1.0], [-0.6, 2.0], [0.9, -0.2], [1.4, 0.1]], dtype=torch.float64)
    tape = Tape()
    problem = Problem(module, lambda forward, batch: measured(forward(batch[0])), Batches((x, x)))
    loss = record_on_tape(problem, tape).loss(module, (x, x))
    torch.autograd.grad(loss, list(module.parameters()))
    teller = TapeReader(tape, known_operations(PLUGINS), 2, 12, 4)
    operations = teller.operations()
    forward = [line.partition(" = ")[2] for operation in operations for line in operation.written]
    return forward, [each for operation in operations for share in operation.shares for _, each in share.entries]
