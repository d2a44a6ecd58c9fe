"""Structure is told from noise by predicting each sample from the others."""

import pytest
import torch

from playground.core.smoothing import leave_one_out_error, neighbour_errors

X = torch.linspace(-2, 2, 40, dtype=torch.float64).unsqueeze(1)
NOISE = torch.randn(40, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_smooth_curve_is_predicted_by_its_neighbours():
    assert leave_one_out_error(X, X**2) < 1e-3


def test_noise_is_not():
    assert leave_one_out_error(X, NOISE) > 0.5 * NOISE.var().item()


def test_each_error_is_that_of_a_fit_without_the_sample():
    x, t = X[:12], X[:12] ** 3
    found = leave_one_out_error(x, t)
    standard = (x - x.mean()) / x.std(correction=0)
    errors = []
    for width in (0.3, 1.0, 3.0):
        for ridge in (1e-6, 1e-3, 1e-1, 1.0):
            kernel = torch.exp(-torch.cdist(standard, standard).square() / (2 * width**2))
            centred, squares = t - t.mean(), []
            for out in range(12):
                rest = [index for index in range(12) if index != out]
                inside = kernel[rest][:, rest] + ridge * torch.eye(11, dtype=torch.float64)
                predicted = kernel[out, rest] @ torch.linalg.solve(inside, centred[rest])
                squares.append((predicted - centred[out]).square().item())
            errors.append(sum(squares) / 12)
    assert found == pytest.approx(min(errors), rel=1e-4)


def test_neighbours_know_the_class_of_a_side_and_not_of_a_coin():
    side = (X > 0).double()
    coin = (NOISE > 0).double()
    assert neighbour_errors(X, side) <= 2
    assert neighbour_errors(X, coin) > 10
    assert neighbour_errors(X[:5], side[:5]) == 5
