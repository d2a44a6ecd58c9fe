"""Finds the prediction at which a loss separates two classes, from its values if it does not declare it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from playground.core.definition import describe
from playground.core.losses import loss_traits
from playground.core.seeding import preserve_torch_stream
from playground.errors import ComponentError, Fault

SAMPLE_COUNT = 4
"""The number of equal samples that a loss is evaluated with."""

THRESHOLD_DISTANCES = {0.5: (0.05, 0.2, 0.35, 0.45), 0.0: (0.3, 1.0, 1.7, 2.5)}
"""For each threshold, the distances to try: within [0, 1] around 0.5, and beyond it around 0."""

RELATIVE_TOLERANCE = 1e-6
"""The relative difference of two losses that are equal except for rounding, in float64."""


def find_threshold(loss: Callable[[Tensor, Tensor], Tensor], outputs: int) -> float:
    """Return the prediction above which a column means class 1.

    It is the declared threshold, or else the centre c of the loss's symmetry: `L(c + d, 1)` and `L(c - d, 0)` are equal
    for all d, up to a weight of the classes, and a larger d is better for class 1. c is 1/2 for losses of probabilities
    and of plain numbers, and 0 for losses of logits and margins.

    :param outputs: columns of the predictions.
    :raises ComponentError: the loss neither declares nor shows it, so that an accuracy could be wrong.
    """
    declared = loss_traits(loss).threshold
    if declared is not None:
        return declared
    found = find_centres(loss, outputs)
    if len(found) == 1:
        return found[0]
    message = (
        "accuracy: cannot tell above which prediction this loss means class 1; declare it with "
        "@declares(threshold=0.0) for logits, threshold=0.5 for probabilities, or class_indices=True for one logit per "
        f"class: {describe(loss)}"
    )
    raise ComponentError(Fault(message, ("loss",)))


def find_centres(loss: Callable[[Tensor, Tensor], Tensor], outputs: int) -> list[float]:
    """Return the thresholds about which a loss is symmetric, of 0.5 and 0."""
    with preserve_torch_stream(torch.device("cpu")), torch.no_grad():
        return [centre for centre in THRESHOLD_DISTANCES if is_centre(loss, outputs, centre)]


def require_floats(loss: Callable[[Tensor, Tensor], Tensor], classes: int) -> None:
    """Refuse a loss that takes class indices as targets but does not declare it.

    :param classes: the number of classes.
    :raises ComponentError: it refuses one column of floats for each class, and takes class indices.
    """
    predictions = torch.linspace(-1, 1, SAMPLE_COUNT * classes).reshape(SAMPLE_COUNT, classes)
    indices = torch.arange(SAMPLE_COUNT) % classes
    columns = torch.nn.functional.one_hot(indices, classes).to(predictions.dtype)
    floats = (columns[:, 1:], columns[:, 1:]) if classes == 2 else (predictions.sigmoid(), columns)
    with preserve_torch_stream(torch.device("cpu")), torch.no_grad():
        if _evaluate_loss(loss, *floats) is not None:
            return
        losses = (
            _evaluate_loss(loss, predictions, target)
            for target in (indices, indices[:, None], indices[:, None].float())
        )
        if not any(value is not None for value in losses):
            return
    message = f"this loss takes class indices; declare it with @declares(class_indices=True): {describe(loss)}"
    raise ComponentError(Fault(message, ("loss",)))


def is_centre(loss: Any, outputs: int, centre: float) -> bool:
    """Tell whether a loss is symmetric about a prediction when the classes are exchanged."""
    away = THRESHOLD_DISTANCES[centre]
    steps = (*(-distance for distance in reversed(away)), *away)
    ones = list(_evaluate_losses(loss, outputs, 1.0, (centre + step for step in steps)))
    zeros = list(_evaluate_losses(loss, outputs, 0.0, (centre - step for step in steps)))
    if not all(map(math.isfinite, (*ones, *zeros))) or min(*ones, *zeros) < 0 or ones[-1] >= ones[0]:
        return False
    scale = sum(zeros) / sum(ones)
    return scale > 0 and all(
        math.isclose(zero, scale * one, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE * sum(zeros))
        for one, zero in zip(ones, zeros, strict=True)
    )


def _evaluate_losses(loss: Any, outputs: int, target: float, predictions: Iterator[float]) -> Iterator[float]:
    """Yield the loss for equal predictions and equal targets; NaN if it has none."""
    for prediction in predictions:
        shape = (SAMPLE_COUNT, outputs)
        value = _evaluate_loss(loss, *(torch.full(shape, each, dtype=torch.float64) for each in (prediction, target)))
        yield math.nan if value is None else value


def _evaluate_loss(loss: Any, prediction: Tensor, target: Tensor) -> float | None:
    """Return the loss; None if it raises or is not a number."""
    try:
        value = loss(prediction, target)
        return float(value) if isinstance(value, Tensor) and value.dim() == 0 else None
    except Exception:  # a plugin may raise anything for a pair that it does not accept
        return None
