"""Derivatives of objects in hand: right ones pass, wrong ones are named with their place and cause."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

import playground as pg
from playground.errors import ComponentError


def custom(forward, backward):
    """A `torch.autograd.Function` of one tensor; `backward` gets x and the gradient sent back."""

    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, upstream):
            return backward(*ctx.saved_tensors, upstream)

    return Custom.apply


def square(backward):
    return custom(lambda x: x**2, backward)


def swap(x):
    return custom(lambda x: x[[1, 0, 2]] ** 2, lambda x, g: 2 * x * g)(x)


def shuffled(x, g):
    return 2 * x * g * random.choice([1.0, 2.0])


RIGHT = {
    "square": square(lambda x, g: 2 * x * g),
    "sum": custom(lambda x: x.sum(), lambda x, g: g * torch.ones_like(x)),
    "scalar": custom(lambda x: (x**3).sum(), lambda x, g: g * 3 * x**2),
    "sine": torch.sin,
    "softmax": lambda x: torch.softmax(x, 0),
    "outer": lambda x: torch.outer(x, x),
    "matrix": lambda x: torch.linalg.inv(torch.diag(x) + torch.ones(3, 3).to(x)),
    "two outputs": lambda x: (x.sin(), x.cos()),
    "in place": lambda x: (x * 1).mul_(2).sin_(),
    "sorted": torch.sort,
    "constant": lambda x: torch.ones(2).to(x) + 0 * x[:2],
}
WRONG = {
    "half": (square(lambda x, g: x * g), "by x[0]", "it is 0.5 times as large"),
    "sign": (square(lambda x, g: -2 * x * g), "by x[0]", "its sign is wrong"),
    "zero": (square(lambda x, g: 0 * g), "by x[0]", "it is zero"),
    "none": (square(lambda x, g: None), "by x[0]", "it is zero"),
    "one entry": (
        square(lambda x, g: 2 * x * g + g * torch.tensor([0, 0.1, 0]).to(x)),
        "output[1] by x[1]",
        "a wrong backward",
    ),
    "a little": (square(lambda x, g: 2 * x * g * 1.001), "by x[0]", "a wrong backward"),
    "ignores": (square(lambda x, g: 2 * x), "output[0] by x[1]", "it ignores grad_output"),
    "not linear": (square(lambda x, g: 2 * x * g.abs()), "by x[", "is not proportional to grad_output"),
    "raises": (square(lambda x, g: 1 / 0), "by x[0]", "it raises division by zero"),
    "shape": (square(lambda x, g: (2 * x * g)[:2]), "by x[0]", "invalid gradient"),
    "order": (swap, "output[0] by x[0]", "a wrong backward"),
    "detached": (lambda x: x.detach() * x, "by x[0]", "something is cut off from the graph"),
    "varies": (square(shuffled), "by x[", "two calls give"),
}


def point():
    return torch.tensor([0.7, -1.3, 2.1], dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize(
    "dtype", [torch.float64, pytest.param(torch.float32, marks=pytest.mark.slow)], ids=["float64", "float32"]
)
def test_right_derivatives_pass(name, dtype):
    x = point().detach().to(dtype)
    verdict = pg.check_derivatives(RIGHT[name], x)
    assert verdict.passed, verdict
    assert not verdict.findings
    assert gradcheck(RIGHT[name], (point(),), raise_exception=False)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_derivatives_fail_with_place_and_cause(name):
    function, place, cause = WRONG[name]
    random.seed(3)
    verdict = pg.check_derivatives(function, point())
    assert not verdict.passed
    line = str(verdict)
    assert place in line
    assert cause in line
    assert "\n" not in line
    assert verdict.findings[0].cause == "wrong_backward"


@pytest.mark.parametrize("name", [name for name in WRONG if name not in ("raises", "shape", "none")])
def test_gradcheck_refuses_nothing_more(name):
    random.seed(3)
    passes = gradcheck(WRONG[name][0], (point(),), raise_exception=False)
    assert passes == (name in ("a little", "not linear"))  # below its tolerance, or for positive gradients alone


def test_kinks_and_chance():
    verdict = pg.check_derivatives(torch.relu, torch.zeros(2))
    assert "a kink: the slope is 0 to the left and 1 to the right" in str(verdict)
    assert verdict.findings[0].cause == "kink"
    assert pg.check_derivatives(torch.relu, torch.tensor([0.5, -2.0])).passed
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    before = torch.get_rng_state()
    verdict = pg.check_derivatives(model, torch.ones(4, 3))
    assert "the function is random" in str(verdict)
    assert torch.equal(before, torch.get_rng_state())
    assert pg.check_derivatives(model.eval(), torch.ones(4, 3)).passed


def test_digits_that_float32_loses_are_not_a_wrong_backward():
    verdict = pg.check_derivatives(lambda x: (1 + x * 1e-9) - 1, torch.tensor([1.0]))
    assert "wrong backward" not in str(verdict)


def test_the_documented_calls():
    x = torch.randn(3)

    class MyFunction(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.exp()

        @staticmethod
        def backward(ctx, upstream):
            return upstream

    verdict = pg.check_derivatives(MyFunction.apply, x)  # every route, which element, why
    with pytest.raises(AssertionError, match=r"MyFunction: output\[0\] by x\[0\]: autograd 1, "):
        assert verdict.passed, verdict  # the message of the assertion is the one-line cause
    module, loss, (x, y) = nn.Linear(2, 1), nn.MSELoss(), (torch.randn(4, 2), torch.randn(4, 1))
    assert pg.check_derivatives(module, loss, (x, y)).passed


def test_several_inputs():
    a, b = torch.randn(2, 3), torch.randn(3, 2)
    verdict = pg.check_derivatives(torch.matmul, a, b)
    assert verdict.passed, verdict
    assert {row[0] for row in verdict.values.rows} >= {"output[0, 1] by x1[0, 2]", "output[1, 1] by x2[2, 1]"}
    only = pg.check_derivatives(torch.matmul, a.requires_grad_(), b)
    assert all("x2" not in row[0] for row in only.values.rows)

    def gather(table, index):
        return table[index]

    assert pg.check_derivatives(gather, torch.randn(4), torch.tensor([1, 1, 2])).passed


def test_modules_and_losses():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 1))
    x, y = torch.randn(6, 2), torch.randn(6, 1)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    for verdict in (
        pg.check_derivatives(model, nn.functional.mse_loss, (x, y)),
        pg.check_derivatives(model, nn.MSELoss(), (x, y)),
        pg.check_derivatives(model, x),
    ):
        assert verdict.passed, verdict
    assert any("random direction" in note for note in verdict.notes)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())

    class Wrong(nn.Linear):
        def forward(self, x):
            return square(lambda x, g: x * g)(super().forward(x))

    verdict = pg.check_derivatives(Wrong(2, 1), nn.MSELoss(), (x, y))
    assert str(verdict).startswith("the loss of ")
    assert "by weight[0, 0]: autograd" in str(verdict)
    assert "it is 0.5 times as large" in str(verdict)


def test_a_function_that_refers_to_a_module_is_computed_in_float64_too():
    layer = nn.Linear(3, 2)
    assert pg.check_derivatives(lambda x: layer(x) @ torch.ones(2, 1), torch.randn(3)).passed
    assert layer.weight.dtype == torch.float32
    assert torch.get_default_dtype() == torch.float32


def test_what_a_function_refers_to_is_not_changed():
    norm, calls = nn.BatchNorm1d(2), []

    def function(x):
        calls.append(1)
        return norm(x).square()

    before = norm.running_mean.clone()
    for checked in (function, norm, norm.forward):
        assert pg.check_derivatives(checked, torch.randn(4, 2), entries=2).passed
    assert torch.equal(before, norm.running_mean)
    assert norm.num_batches_tracked == 0
    assert not calls


def test_many_numbers_are_sampled_and_checked_along_a_direction():
    model = nn.Linear(300, 100)
    verdict = pg.check_derivatives(model, torch.randn(1, 300), entries=3)
    assert verdict.passed
    assert "3 of 30,400 numbers were checked one by one" in verdict.notes[0]

    class OneWrong(nn.Linear):
        def forward(self, x):
            weight = self.weight
            return nn.functional.linear(x, torch.cat([weight[:1].detach(), weight[1:]]), self.bias)

    verdict = pg.check_derivatives(OneWrong(300, 100), torch.randn(1, 300), entries=3)
    assert "by a random direction" in str(verdict)


def test_your_own_derivative_is_a_route():
    x = torch.tensor([0.5, 2.0])
    assert pg.check_derivatives(lambda x: x**2, x, derivative=lambda x: 2 * x).passed
    verdict = pg.check_derivatives(lambda x: x**2, x, derivative=lambda x: 3 * x)
    assert "only given disagrees" in str(verdict)
    assert verdict.findings[0].cause == "wrong_route"
    assert pg.check_derivatives(lambda x, y: (x * y).sum(), x, x, derivative=lambda x, y: (y, x)).passed
    assert pg.check_derivatives(lambda x: torch.outer(x, x), x, derivative=_jacobian).passed


def _jacobian(x):
    return torch.autograd.functional.jacobian(lambda x: torch.outer(x, x), x)


def test_second_derivatives():
    x = torch.tensor([0.5, 2.0])
    assert pg.check_derivatives(lambda x: (x**3).prod(), x, order=2).passed
    verdict = pg.check_derivatives(lambda x: (x * (x**2).detach()).sum(), x, order=2)
    assert not verdict.passed


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((3, torch.ones(1)), {}, "expected a function or an nn.Module, got a int"),
        ((nn.Linear, torch.ones(2)), {}, r"got the class Linear; pass an instance: Linear\(\.\.\.\)"),
        ((square(None).__self__, torch.ones(2)), {}, r"got the class Custom; pass Custom\.apply"),
        ((torch.sin, np.ones(2)), {}, "by: x is a numpy.ndarray; expected a tensor of real"),
        ((nn.Linear(2, 1), np.ones(2)), {}, "TypeError: linear.* must be Tensor, not numpy.ndarray"),
        ((torch.sin,), {}, "no inputs; expected a tensor of real numbers"),
        ((torch.sin, torch.tensor([1])), {}, "x is torch.int64"),
        ((torch.sin, "x"), {}, "x is a str"),
        ((torch.sin, torch.ones(0)), {}, "its inputs are empty"),
        ((lambda x: None, torch.ones(1)), {}, "returns None; expected a tensor"),
        ((lambda x: 1.0, torch.ones(1)), {}, "returns a float; expected a tensor"),
        ((torch.argmax, torch.ones(2)), {}, "argmax returns torch.int64, which has no derivative"),
        ((torch.fft.fft, torch.ones(2)), {}, "returns complex numbers"),
        ((lambda x: x[:0], torch.ones(2)), {}, "returns an empty tensor"),
        ((lambda x: 1 / 0, torch.ones(2)), {}, "ZeroDivisionError: division by zero"),
        ((lambda x: x.float() @ torch.ones(2).double(), torch.ones(2)), {}, "RuntimeError"),
        ((torch.sin, torch.ones(2)), {"derivative": lambda x: torch.ones(3)}, r"it has shape \(3,\); expected \(2,\)"),
        ((torch.sin, torch.ones(2)), {"order": 3}, "order: expected 1 or 2, got 3"),
        ((torch.sin, torch.ones(2)), {"entries": 0}, "entries: expected a whole number of at least 1"),
        ((nn.Linear(2, 1), torch.ones(3)), {}, "RuntimeError"),
        ((nn.Linear(2, 1), nn.MSELoss(), torch.ones(3)), {}, "Error"),
    ],
    ids=map(str, range(100)),
)
def test_bad_input_is_one_line(arguments, options, message):
    with pytest.raises(ComponentError, match=message) as caught:
        pg.check_derivatives(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_what_the_verdict_shows():
    verdict = pg.check_derivatives(square(lambda x, g: x * g), torch.tensor([0.5, 2.0]))
    with pytest.raises(AssertionError, match=r"a wrong backward: it is 0\.5 times as large"):
        assert verdict.passed, verdict
    assert verdict.table().splitlines()[0].split() == ["derivative", "autograd", "complex", "central"]
    assert "✘ autograd agrees with central differences" in verdict.text()
    assert repr(verdict).startswith("<DerivativeVerdict failed: Custom: output[0] by x[0]: autograd 0.5, complex 1;")
    html = verdict._repr_html_()
    assert "<table " in html
    assert "✘ failed" in html
    assert str(pg.check_derivatives(torch.sin, torch.ones(()))) == (
        "sin: 1 derivative is right, by autograd, forward, complex, central"
    )
