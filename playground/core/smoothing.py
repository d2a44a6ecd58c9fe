"""How well the neighbours of a sample predict it: what of the targets is structure, and what is noise."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_SAMPLES = 1_000
"""Samples up to which all are compared with all."""

MIN_SAMPLES = 10
"""Samples from which on an error of predictions by others means anything."""

NEIGHBOUR_COUNT = 5
KERNEL_WIDTHS = (0.3, 1.0, 3.0)
RIDGE_PENALTIES = (1e-6, 1e-3, 1e-1, 1.0)


def leave_one_out_error(inputs: Tensor, targets: Tensor) -> float | None:
    """Return the mean squared error of each sample predicted from all others, by the best of a few kernel regressions.

    With K the Gaussian kernel and α = (K + λI)⁻¹ t, the error of sample i, left out, is αᵢ / ((K + λI)⁻¹)ᵢᵢ.

    :param inputs: shape `(samples, inputs)`, and `targets` `(samples, outputs)`, float64.
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
    """Return how many samples most of their nearest neighbours would put into another class.

    :param classes: indices, shape `(samples,)` or `(samples, 1)`, or one column for each class.
    :returns: all of them for too few or too many samples, of which this says nothing.
    """
    if not MIN_SAMPLES <= len(inputs) <= MAX_SAMPLES:
        return len(inputs)
    labels = classes.argmax(1) if classes.dim() == 2 and classes.shape[1] > 1 else classes.reshape(-1).long()
    distances = _distances(inputs).fill_diagonal_(torch.inf)
    nearest = distances.topk(NEIGHBOUR_COUNT, largest=False).indices
    return int((labels[nearest].mode(dim=1).values != labels).sum())


def _distances(inputs: Tensor) -> Tensor:
    """Return the distances between all samples, in deviations of each column."""
    deviation, mean = torch.std_mean(inputs, 0, correction=0)
    places = (inputs - mean) / torch.where(deviation > 0, deviation, 1.0)
    return torch.cdist(places, places)
