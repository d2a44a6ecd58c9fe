"""Functions without a derivative, and steep or creased ones that have one."""

import pytest
import torch

from playground.core.derivatives import Cause, Coordinate, check_derivatives, judge_entry

DOUBLE, SINGLE = torch.float64, torch.float32
F = torch.nn.functional


def findings(g, at, dtype=DOUBLE, order=1):
    z = torch.tensor(at, dtype=dtype)
    entries = check_derivatives(g, z, [Coordinate("z", index) for index in range(len(at))], order).entries
    return [judge_entry(entry, torch.finfo(dtype).eps) for entry in entries]


class Ignoring(torch.autograd.Function):
    """Σ z⁴/4, whose backward forgets what is sent back to it."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return (z**4 / 4).sum()

    @staticmethod
    def backward(ctx, grad):
        return ctx.saved_tensors[0] ** 3


class TwoResults(torch.autograd.Function):
    """(Σ z², Σ z³), whose backward forgets what is sent back to the second."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return (z**2).sum(), (z**3).sum()

    @staticmethod
    def backward(ctx, first, second):
        (z,) = ctx.saved_tensors
        return 2 * first * z + 3 * z**2


JUMPS = {
    "sign": (lambda z: z.sign().sum(), [0.0]),
    "floor": (lambda z: z.floor().sum(), [2.0]),
    "round": (lambda z: z.round().sum(), [0.5]),
    "heaviside": (lambda z: torch.heaviside(z, z.new_tensor(0.5)).sum(), [0.0]),
    "where": (lambda z: torch.where(z >= 1, z + 1e-3, z).sum(), [1.0]),
    "a point apart": (lambda z: torch.where(z == 0, 5 + 0 * z, z).sum(), [0.0]),
    "close by": (lambda z: z.floor().sum(), [1 + 1e-11]),
    "on top of a slope": (lambda z: (1e3 * z + (z - 0.3).sign()).sum(), [0.3]),
    "a pole to one side": (lambda z: torch.where(z > 0, 1 / z, 0 * z).sum(), [0.0]),
}


@pytest.mark.parametrize(("g", "at"), JUMPS.values(), ids=JUMPS)
def test_a_jump_is_found(g, at):
    assert [found.cause for found in findings(g, at)] == [Cause.JUMP]


def test_a_jump_by_one_coordinate_leaves_the_others_alone():
    found = findings(lambda z: 2 * (z[0] - 0.3).sign() + z[1] ** 2 + z[2].exp(), [0.3, 1.0, 2.0])
    assert [each and each.cause for each in found] == [Cause.JUMP, None, None]


SMOOTH = {
    "relu²": (lambda z: (z.relu() ** 2).sum(), [0.0]),
    "|x| x": (lambda z: (z.abs() * z).sum(), [0.0]),
    "max(x, 0)³": (lambda z: (z.clamp(min=0) ** 3).sum(), [0.0]),
    "a crease of where": (lambda z: torch.where(z > 0, z**2, 0 * z).sum(), [0.0]),
    "beside a jump": (lambda z: z.floor().sum(), [1.0001]),
    "steep": (lambda z: (1e7 * z).tanh().sum(), [0.0]),
    "very steep": (lambda z: (1e13 * z).tanh().sum(), [0.0]),
    "steep, without a complex step": (lambda z: F.normalize(z, dim=-1)[..., 0], [1e-6, 2e-6]),
    "a large value": (lambda z: 1e20 + (z**2).sum(), [1.0]),
    "stairs between which it is flat": (lambda z: z.round(decimals=3).sum(), [-4.827, 0.4561]),
    "a norm squared at 0": (lambda z: z.norm() ** 2, [0.0, 0.0]),
    "a conjugate": (lambda z: torch.vdot(z, z), [1.0, 2.0]),
    "a factor of Cholesky": (
        lambda z: torch.linalg.cholesky(z.reshape(2, 2) @ z.reshape(2, 2).T).sum(),
        [1.0, 0.3, 0.2, 2.0],
    ),
}


@pytest.mark.parametrize(("g", "at"), SMOOTH.values(), ids=SMOOTH)
def test_what_has_a_derivative_raises_no_alarm(g, at):
    assert [found for found in findings(g, at) if found] == []


NOT_FINITE = {
    "where and sqrt": (lambda z: torch.where(z > 0, z.sqrt(), z).sum(), [-1.0]),
    "where and a quotient": (lambda z: torch.where(z == 0, 1.0, z.sin() / z).sum(), [0.0]),
    "√x⁴": (lambda z: (z**4).sqrt().sum(), [0.0]),
    "exp(-1/x²)": (lambda z: (-1 / z**2).exp().sum(), [0.0]),
}


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE])
@pytest.mark.parametrize(("g", "at"), NOT_FINITE.values(), ids=NOT_FINITE)
def test_no_finite_derivative_of_a_smooth_function_is_a_wrong_backward(g, at, dtype):
    (found,) = findings(g, at, dtype)
    assert (found.cause, "a finite slope" in found.words) == (Cause.BACKWARD, True)


OTHERS = {
    "√x at 0": (lambda z: z.sqrt().sum(), [0.0], Cause.DOMAIN),
    "x √x at 0": (lambda z: (z * z.sqrt()).sum(), [0.0], Cause.DOMAIN),
    "∛x at 0": (lambda z: (z.sign() * z.abs() ** (1 / 3)).sum(), [0.0], Cause.DOMAIN),
    "1/x at 0": (lambda z: (1 / z).sum(), [0.0], Cause.DOMAIN),
    "√|x| at 0": (lambda z: z.abs().sqrt().sum(), [0.0], Cause.KINK),
    "a norm at 0": (lambda z: z.norm(), [0.0], Cause.KINK),
    "too steep for any step": (lambda z: F.normalize(z, dim=-1)[..., 0] + 0 * z.sum(), [0.0], Cause.STEP),
    "random": (lambda z: F.dropout(z.expand(9), 0.5).sum(), [1.0], Cause.RANDOM),
}


@pytest.mark.parametrize(("g", "at", "cause"), OTHERS.values(), ids=OTHERS)
def test_other_causes(g, at, cause):
    assert [found.cause for found in findings(g, at)] == [cause]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE])
def test_a_backward_that_ignores_grad_output_is_caught_where_nothing_follows(dtype, order):
    (found,) = findings(Ignoring.apply, [1.5], dtype, order)
    assert (found.cause, found.words) == (Cause.BACKWARD, "a wrong backward: it ignores grad_output")


def test_a_backward_that_ignores_one_of_two():
    (found,) = findings(lambda z: sum(TwoResults.apply(z)), [1.5])
    assert found.words == "a wrong backward: it is not proportional to grad_output"


def test_an_overflow_agrees_with_nothing():
    (found,) = findings(lambda z: (z * 1e-35 * 1e20 * 1e20).sum(), [1.0], SINGLE)
    assert (found.cause, "overflow" in found.words) == (Cause.NOISE, True)


CREASES = {
    "relu²": (lambda z: (z.relu() ** 2).sum(), [0.0]),
    "|x| x": (lambda z: (z.abs() * z).sum(), [0.0]),
    "smooth L1": (lambda z: F.smooth_l1_loss(z, torch.zeros_like(z)), [1.0]),
}


@pytest.mark.parametrize(("g", "at"), CREASES.values(), ids=CREASES)
def test_a_second_derivative_at_a_crease_is_a_kink_of_the_gradient(g, at):
    (found,) = findings(g, at, order=2)
    assert (found.cause, "a kink of the gradient" in found.words) == (Cause.KINK, True)


def test_a_kink_beside_the_point_is_none_at_it():
    (found,) = findings(lambda z: (z - 1e-9).abs().sum(), [0.0])
    assert found.cause is Cause.STEP


class Scaled(torch.autograd.Function):
    """c Σ|z|³, whose backward is wrong by a factor."""

    @staticmethod
    def forward(ctx, z, scale, factor):
        ctx.save_for_backward(z)
        ctx.factor = factor * scale
        return scale * (z.abs() ** 3).sum()

    @staticmethod
    def backward(ctx, grad):
        (z,) = ctx.saved_tensors
        return grad * ctx.factor * 3 * z.abs() * z, None, None


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE])
@pytest.mark.parametrize("scale", [1e-20, 1e-9, 1.0, 1e20])
@pytest.mark.parametrize("factor", [1.0, 1.0001, 1.5, 0.0])
def test_a_wrong_backward_is_caught_at_any_scale(scale, factor, dtype):
    (found,) = findings(lambda z: Scaled.apply(z, scale, factor), [1.5], dtype)
    assert (found and found.cause) == (None if factor == 1 else Cause.BACKWARD)


def test_digits_that_only_float32_lacks_are_no_wrong_backward():
    (found,) = findings(lambda z: ((1 - z.cos()) / z**2).sum(), [1e-4], SINGLE)
    assert found.cause is Cause.NOISE


def test_an_exact_route_outweighs_differences_of_rounded_values():
    assert findings(lambda z: (1 - (-z).exp()).log().sum(), [30.0]) == [None]
