"""Estimates how well the neighbours of a sample predict it, to separate structure in the targets from noise."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_SAMPLES = 1_000
"""The most samples for which all pairs are compared."""

MIN_SAMPLES = 10
"""The least samples for which a prediction error by others is meaningful."""

NEIGHBOUR_COUNT = 5
KERNEL_WIDTHS = (0.3, 1.0, 3.0)
RIDGE_PENALTIES = (1e-6, 1e-3, 1e-1, 1.0)


def leave_one_out_error(inputs: Tensor, targets: Tensor) -> float | None:
    """Return the mean squared error of predicting each sample from all others, by the best of a few kernel regressions.

    With K the Gaussian kernel and α = (K + λI)⁻¹ t, the error of sample i, left out, is αᵢ / ((K + λI)⁻¹)ᵢᵢ.

    :param inputs: shape `(samples, inputs)`; `targets` has shape `(samples, outputs)`; float64.
    :returns: None for too few or too many samples.
    """
    if not MIN_SAMPLES <= len(inputs) <= MAX_SAMPLES:
        return None
    distances = _distances(inputs).square()
    centred = targets - targets.mean(0)
    errors = []
    for width in KERNEL_WIDTHS:
        kernel = torch.exp(-distances / (2 * width**2))
        for ridge in RIDGE_PENALTIES:
            inverse = torch.linalg.inv(kernel + ridge * torch.eye(len(kernel), dtype=kernel.dtype))
            left_out = inverse @ centred / inverse.diagonal().unsqueeze(1)
            errors.append(float(left_out.square().mean().item()))
    return min(errors)


def neighbour_errors(inputs: Tensor, classes: Tensor) -> int:
    """Return the number of samples whose nearest neighbours mostly have another class.

    :param classes: indices, shape `(samples,)` or `(samples, 1)`, or one column for each class.
    :returns: the number of all samples if there are too few or too many to tell.
    """
    if not MIN_SAMPLES <= len(inputs) <= MAX_SAMPLES:
        return len(inputs)
    labels = classes.argmax(1) if classes.dim() == 2 and classes.shape[1] > 1 else classes.reshape(-1).long()
    distances = _distances(inputs).fill_diagonal_(torch.inf)
    nearest = distances.topk(NEIGHBOUR_COUNT, largest=False).indices
    return int((labels[nearest].mode(dim=1).values != labels).sum())


def _distances(inputs: Tensor) -> Tensor:
    """Return the distances between all samples, in standard deviations of each column."""
    deviation, mean = torch.std_mean(inputs, 0, correction=0)
    places = (inputs - mean) / torch.where(deviation > 0, deviation, 1.0)
    return torch.cdist(places, places)
