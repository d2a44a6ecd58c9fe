"""What the tape records, and that the chain rule over it gives what autograd gives."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from playground.builtin import losses as our_losses
from playground.builtin.models import ACTIVATIONS, mlp
from playground.core.chain import backpropagate
from playground.core.operations import Call, fill_template
from playground.core.problem import Batches, Problem
from playground.core.tape import Tape, record_on_tape
from playground.plugins.manager import load_plugins
from playground.runner.explaining.step import known_operations


@pytest.fixture(scope="module")
def operations():
    return known_operations(load_plugins(autoload=False))


def taped(module, loss, *data):
    problem = Problem(module, loss, Batches(data))
    tape = Tape()
    names = list(problem.parameters)
    value = record_on_tape(problem, tape).loss(module, data)
    found = torch.autograd.grad(value, list(problem.parameters.values()), allow_unused=True)
    return tape, {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}


def agree(tape, gradients, operations):
    ours = backpropagate(tape, operations)
    assert ours.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(tape.parameters[name].gradient, gradient, rtol=0, atol=0)


class Formula(nn.Module):
    def __init__(self, formula, *values):
        super().__init__()
        self.formula = formula
        for name, value in zip("abc", values, strict=False):
            self.register_parameter(name, nn.Parameter(torch.tensor(value, dtype=torch.float64)))

    def forward(self):
        return self.formula(*self.parameters())


def at(formula, *values):
    return taped(Formula(formula, *values), lambda forward, batch: forward())


FORMULAS = {
    "neg": lambda a, b: (-a * b).sum(),
    "rsub": lambda a, b: (3 - a).square().mean() + b.sum(),
    "division": lambda a, b: (a / b + 2 / a).sum(),
    "alpha": lambda a, b: (
        (torch.add(a, b, alpha=3) * torch.sub(a, b, alpha=2)).sum() + torch.rsub(a, b, alpha=4).prod()
    ),
    "powers": lambda a, b: (a**b + 2**a + a**3).sum(),
    "functions": lambda a, b: (torch.sqrt(a) + torch.log(b) + a.log2() + b.log10() + a.tan() + b.atan()).sum(),
    "more functions": lambda a, b: (a.sinh() + b.cosh() + a.erf() + torch.abs(b) + a.exp() + b.cos()).sum(),
    "min max": lambda a, b: torch.maximum(a, b).sum() + torch.minimum(a, b * 2).sum() + a.max() + b.min(),
    "max of two": lambda a, b: torch.max(a, b).sum(),
    "where": lambda a, b: torch.where(a > 0.6, a * 2, b).sum(),
    "clamp": lambda a, b: (a.clamp(0.5, 0.8) * b).sum(),
    "stack": lambda a, b: (torch.stack([a, b], dim=1) ** 2).sum(0).prod(),
    "cat": lambda a, b: torch.cat([a, b, a]).square().mean(),
    "index": lambda a, b: a[0] * b[1] + a[[0, 0, 1]].sum() + b[:2].sum() + b[torch.tensor([2, 1])].prod(),
    "shapes": lambda a, b: (a.reshape(3, 1) @ b.unsqueeze(0)).T.flatten().square().sum(),
    "view": lambda a, b: (a.view(1, 3).expand(2, 3) * b).sum(dim=1, keepdim=True).mean(),
    "vectors": lambda a, b: a @ b + torch.dot(a, b),
    "norm": lambda a, b: torch.linalg.vector_norm(a * b, dim=-1),
    "softmax": lambda a, b: (F.softmax(a, 0) * b).sum() + (F.log_softmax(b, -1) * a).sum() + a.logsumexp(0),
    "gelu": lambda a, b: F.gelu(a, approximate="tanh").sum() + F.leaky_relu(-b, 0.2).sum(),
    "max dim": lambda a, b: torch.stack([a, b]).amax(dim=0).sum(),
    "bce logits": lambda a, b: F.binary_cross_entropy_with_logits(a * b, torch.ones(3, dtype=torch.float64)),
    "sums": lambda a, b: F.mse_loss(a, b, reduction="sum") + F.l1_loss(a, b, reduction="sum"),
    "in place": lambda a, b: (a * 2).mul_(b).sigmoid_().sum(),
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_every_operation_has_the_slope_that_autograd_has(formula, operations):
    tape, gradients = at(formula, [0.4, 0.7, 0.9], [0.3, 0.8, 0.5])
    agree(tape, gradients, operations)


W, T = torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64), torch.tensor([0.0, 1.0, 0.3], dtype=torch.float64)
CLASSES, SHARES = torch.tensor([2, 0, -100]), torch.tensor([[0.2, 0.8, 0], [1, 0, 0], [0.3, 0.3, 0.4]]).double()
OPTIONS = {
    "mse": (F.mse_loss, T, {"weight": W}),
    "mae": (F.l1_loss, T, {"weight": W}),
    "huber": (F.huber_loss, T, {"weight": W, "delta": 0.3}),
    "smooth l1": (F.smooth_l1_loss, T, {"beta": 0.3}),
    "bce": (F.binary_cross_entropy, T, {"weight": W}),
    "bce with logits": (F.binary_cross_entropy_with_logits, T, {"weight": W}),
    "bce with logits, class 1 twice": (F.binary_cross_entropy_with_logits, T, {"weight": W, "pos_weight": 2 * W}),
    "classes": (F.cross_entropy, CLASSES.clamp(min=0), {}),
    "classes, one ignored": (F.cross_entropy, CLASSES, {}),
    "classes, another ignored": (F.cross_entropy, CLASSES.clamp(min=0), {"ignore_index": 2}),
    "classes by weight": (F.cross_entropy, CLASSES.clamp(min=0), {"weight": W}),
    "classes by weight, smoothed, one ignored": (F.cross_entropy, CLASSES, {"weight": W, "label_smoothing": 0.2}),
    "shares": (F.cross_entropy, SHARES, {"label_smoothing": 0.2}),
    "shares by weight": (F.cross_entropy, SHARES, {"weight": W}),
}


@pytest.mark.sampled(13)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("loss", "target", "options"), OPTIONS.values(), ids=OPTIONS)
def test_a_loss_with_its_options_has_the_slope_that_autograd_has(loss, target, options, reduction, operations):
    def formula(a, b):
        prediction = a * b if loss is not F.cross_entropy else torch.stack([a, b, a * b])
        return (loss(prediction, target, reduction=reduction, **options) * 3).sum()

    agree(*at(formula, [0.4, 0.7, 0.9], [0.3, 0.8, 0.5]), operations)


def test_classes_of_places(operations):
    def formula(a, b):
        return F.cross_entropy(torch.stack([a, b]).reshape(1, 2, 3), torch.tensor([[0, 1, 1]]), weight=W[:2])

    agree(*at(formula, [0.4, 0.7, 0.9], [0.3, 0.8, 0.5]), operations)


@pytest.mark.parametrize("options", [{"p": 0.5, "training": False}, {"p": 0.0}])
def test_dropout_that_drops_nothing_has_a_slope_of_1_at_0_too(options, operations):
    agree(*at(lambda a: F.dropout(a, **options).sum(), [0.0, 0.7]), operations)


def test_dropout_is_drawn_once_more_for_its_slope(operations):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    torch.rand(1)  # so that the state at the call is not that of the seed
    agree(*at(lambda a: (F.dropout(a, 0.4) * a.cos()).sum(), [0.0] * 8 + [0.7] * 8), operations)
    assert not torch.equal(before, torch.get_rng_state())


SPELT = {
    "mse": ("mean((p − t)²)", "L · 2(p − t) / n"),
    "classes": ("mean(log Σ exp(p) − p[t])", "L · (softmax(p) − onehot(t)) / n"),
    "classes by weight": (
        "Σ(Σ W·(log Σ exp(p) − p)) / Σw[t], W = w·onehot(t)",
        "L · (softmax(p)·ΣW − W) / Σw[t]",
    ),
    "classes, one ignored": (
        "Σ(Σ W·(log Σ exp(p) − p)) / 2, W = onehot(t) (0 where t = −100)",
        "L · (softmax(p)·ΣW − W) / 2",
    ),
    "bce with logits, class 1 twice": (
        "mean(w·((1 − t)·log(1 + exp(p)) + c·t·log(1 + exp(−p))))",
        "L · w · ((1 − t)·σ(p) − c·t·σ(−p)) / n",
    ),
}


@pytest.mark.parametrize(("name", "formula", "rule"), [(name, *told) for name, told in SPELT.items()])
def test_a_loss_is_spelt_with_its_options(name, formula, rule, operations):
    loss, target, options = OPTIONS[name] if name != "mse" else (F.mse_loss, T, {})
    prediction = torch.eye(3).double() if loss is F.cross_entropy else T / 2
    known = operations[loss.__name__]
    call = Call(known.bind((prediction, target), options), loss(prediction, target, **options))
    names = {"p": "p", "t": "t", "w": "w", "dy": "L", "n": "n", "pos_weight": "c"}
    assert fill_template(known.formula, call).format(**names) == formula
    assert fill_template(known.rules["p"], call).format(**names) == rule


LOSSES = ("bce", "bce_with_logits", "hinge", "huber", "mae", "mse", "smooth_l1")


@pytest.mark.slow
@given(st.sampled_from(list(ACTIVATIONS)), st.sampled_from(LOSSES), st.integers(1, 4), st.integers(0, 2**30))
@settings(max_examples=60, deadline=None)
def test_over_random_models(activation, loss, width, seed):
    known = known_operations(load_plugins(autoload=False))
    torch.manual_seed(seed)
    module = mlp(3, 2, (width, width), activation, "sigmoid" if loss == "bce" else "identity").double()
    x, t = torch.randn(5, 3, dtype=torch.float64), torch.randint(0, 2, (5, 2)).double()
    compare = getattr(our_losses, loss)
    agree(*taped(module, lambda forward, batch: compare(forward(batch[0]), batch[1]), x, t), known)


def test_classes(operations):
    module = mlp(3, 4).double()
    x, t = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 1])
    agree(
        *taped(module, lambda f, batch: our_losses.cross_entropy(f(batch[0]), batch[1], label_smoothing=0.1), x, t),
        operations,
    )


def test_names_are_those_of_the_module():
    module = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    tape, _ = taped(module, lambda f, batch: F.mse_loss(f(batch[0]), batch[1]), torch.ones(3, 2), torch.ones(3, 1))
    assert [record.name for record in tape.records] == ["linear", "sigmoid", "mse_loss"]
    assert [[value.name for value in record.values] for record in tape.records] == [
        ["x", "0.weight", "0.bias"],
        ["z"],
        ["p", "t"],
    ]
    assert [record.outputs[0].name for record in tape.records] == ["z", "p", "L"]


def test_an_operation_in_place_keeps_the_old_value_and_its_gradient():
    tape, _ = at(lambda a: (a * 2).add_(1).square(), 3.0)
    values = {value.name: (value.tensor.item(), value.gradient.item()) for value in tape.values if value.name != "c"}
    assert values == {"a": (3, 28), "z1": (6, 14), "z2": (7, 14), "L": (49, 1)}


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


def test_what_no_mode_sees_is_linked_through_the_graph():
    tape, _ = at(lambda a: Cube.apply(a * 2).sin(), 1.0)
    assert [record.name for record in tape.records] == ["mul", "CubeBackward", "sin"]
    assert tape.records[1].values == [tape.records[0].outputs[0]]
    assert tape.records[1].outputs[0].gradient.item() == pytest.approx(torch.cos(torch.tensor(8.0)).item())


def test_no_hook_is_left_on_a_parameter():
    module = Formula(lambda a: a * 2, 1.0)
    tape, _ = taped(module, lambda forward, batch: forward())
    (module() * 5).backward()
    assert tape.parameters["a"].gradient.item() == 2
