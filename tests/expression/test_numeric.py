from __future__ import annotations

import pytest
import torch

from playground.expression import parse


def test_the_tutorial() -> None:
    x = torch.tensor(4.0, requires_grad=True)
    (slope,) = torch.autograd.grad(parse("x**2 + 5*x + 1")(x=x), x)
    assert slope.item() == 13
    x = torch.tensor(1.0, requires_grad=True)
    for text in ("(2*x + 10)**2", "4*x**2 + 40*x + 100"):
        (slope,) = torch.autograd.grad(parse(text)(x=x), x)
        assert slope.item() == 48


def test_vectors_are_indexed_on_the_last_axis_and_scalars_are_batched() -> None:
    points, scale = torch.randn(5, 3, 2), torch.randn(5, 3)
    result = parse("a*x[0] + x[1]**2")(x=points, a=scale)
    assert torch.equal(result, scale * points[..., 0] + points[..., 1] ** 2)


def test_vmap_and_second_derivatives() -> None:
    rosenbrock = parse("100*(x[1] - x[0]**2)**2 + (1 - x[0])**2 + max(x[0], 0, x[1])*0")
    points = torch.randn(7, 2, dtype=torch.float64)
    assert torch.allclose(torch.func.vmap(lambda x: rosenbrock(x=x))(points), rosenbrock(x=points))
    gradients = torch.func.vmap(torch.func.grad(lambda x: rosenbrock(x=x)))(points)
    a, b = points.unbind(-1)
    assert torch.allclose(gradients, torch.stack([-400 * a * (b - a**2) - 2 * (1 - a), 200 * (b - a**2)], -1))
    hessian = torch.func.jacrev(torch.func.grad(lambda x: rosenbrock(x=x)))(torch.ones(2, dtype=torch.float64))
    assert hessian.flatten().tolist() == pytest.approx([802, -400, -400, 200])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("text", ["pi*x + 1e-3", "2**x/3", "max(x, 0.1)", "min(pi, x, 2)", "softplus(x)**e", "3"])
def test_dtype_and_device_are_kept(text: str, dtype: torch.dtype) -> None:
    for shape in ((), (4,)):
        assert parse(text)(x=torch.ones(shape, dtype=dtype)).dtype == dtype
    assert parse(text)(x=torch.ones((), dtype=dtype, device="meta")).device.type == "meta"


def test_a_constant_broadcasts() -> None:
    assert parse("1 + 2")().dtype == torch.float64
    assert parse("1 + 2")(x=torch.ones(4)).shape == ()
    assert parse("1 + 2")(x=torch.ones(4)).item() == 3


def test_large_integers_do_not_overflow_torch() -> None:
    assert parse("10**30*x")(x=torch.tensor(2.0, dtype=torch.float64)).item() == 2e30
    assert parse("1" + "0" * 30 + "*x")(x=torch.tensor(2.0, dtype=torch.float64)).item() == 2e30


def test_variables_beyond_those_that_occur_are_ignored_and_missing_ones_are_named() -> None:
    assert parse("x + 1")(x=torch.tensor(1.0), y=torch.tensor(5.0)).item() == 2
    with pytest.raises(TypeError, match=r"x \+ y \+ z needs a value for x, z"):
        parse("x + y + z")(y=torch.tensor(1.0))


def test_undefined_points_are_not_finite() -> None:
    x = torch.tensor([-1.0, 0.0])
    assert not parse("log(x)")(x=x).isfinite().any()
    assert parse("sqrt(x)")(x=x).isnan().tolist() == [True, False]
