import pytest
import torch

from playground.builtin.functions.classic import quadratic, rosenbrock
from playground.core.coordinates import CoordinateChange, draw_rotation, spread_scales


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("dim", [1, 2, 3, 10, 30])
def test_a_rotation_is_orthogonal(dim, seed):
    q = draw_rotation(dim, seed)
    torch.testing.assert_close(q @ q.T, torch.eye(dim, dtype=torch.float64), rtol=0, atol=1e-14)
    assert torch.linalg.det(q).item() == pytest.approx(1)


def test_the_seed_alone_decides_the_rotation():
    torch.manual_seed(1)
    assert torch.equal(draw_rotation(3, 0), draw_rotation(3, 0))
    assert not torch.equal(draw_rotation(3, 0), draw_rotation(3, 1))


def test_rotations_are_uniform():
    entries = torch.stack([draw_rotation(3, seed) for seed in range(2000)])
    assert entries.mean(0).abs().max() < 0.05
    torch.testing.assert_close(entries.square().mean(0), torch.full((3, 3), 1 / 3).double(), rtol=0, atol=0.03)


def test_scales_are_evenly_spaced_and_have_the_product_1():
    assert spread_scales(3, 100.0).tolist() == pytest.approx([0.1, 1, 10])
    assert spread_scales(1, 100.0).tolist() == [1]


@pytest.mark.parametrize("shift", [0.0, 1.5])
@pytest.mark.parametrize(("rotation", "stretch"), [(None, 1.0), (None, 9.0), (4, 1.0), (4, 9.0)])
@pytest.mark.parametrize("function", [quadratic(3, 50.0), rosenbrock(3)], ids=["quadratic", "rosenbrock"])
def test_a_changed_function_is_the_function_elsewhere(function, rotation, stretch, shift):
    change = CoordinateChange(3, rotation, stretch, shift)
    changed = change.apply(function)
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z = change.invert(x)
    torch.testing.assert_close(changed(z), function(x))
    torch.testing.assert_close(changed.terms(z), function.terms(x))
    assert changed(torch.tensor(changed.minima[0].point, dtype=torch.float64)).item() == pytest.approx(0, abs=1e-24)


def test_a_shift_moves_minima_alternately_up_and_down():
    changed = CoordinateChange(3, None, 1.0, 2.0).apply(quadratic(3, 100.0))
    assert changed.minima[0].point == (2.0, -2.0, 2.0)
    assert changed(torch.tensor([2.0, -2.0, 2.0], dtype=torch.float64)) == 0


def test_a_rotation_keeps_curvatures():
    changed = CoordinateChange(3, 7, 1.0, 0.0).apply(quadratic(3, 100.0))
    hessian = torch.func.jacrev(torch.func.grad(changed))(torch.zeros(3, dtype=torch.float64))
    assert torch.linalg.eigvalsh(hessian).tolist() == pytest.approx([1, 10, 100])
    assert hessian.fill_diagonal_(0).abs().max() > 1
