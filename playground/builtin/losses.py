"""Losses: one number for the distance between predictions and targets.

Each is called as `loss(prediction, target, **options)`. Both arguments have shape `(samples, outputs)` unless stated
otherwise, the mean runs over every entry, and the result is a 0-d tensor of the prediction's dtype.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from annotated_types import Ge, Gt, Le
from torch import Tensor

from playground.core.losses import declares, require_same_shape
from playground.core.operations import as_one_operation
from playground.errors import ComponentError


@declares(minimum=0.0)
def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error: mean of `(p - t)²`.

    :param prediction: shape `(samples, outputs)`.
    :param target: the same shape.
    :returns: 0-d tensor, in the targets' unit squared; 0 if every prediction is right.
    :raises ComponentError: the shapes differ.

    Source: Gauss 1809, least squares. Without the factor ½ that textbooks put before it to shorten the derivative.
    """
    require_same_shape(prediction, target)
    return F.mse_loss(prediction, target)


@declares(minimum=0.0)
def mae(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error: mean of `|p - t|`.

    :param prediction: shape `(samples, outputs)`.
    :param target: the same shape.
    :returns: 0-d tensor, in the targets' unit. The gradient at `p = t`, where there is a kink, is taken as 0.
    :raises ComponentError: the shapes differ.

    Source: Laplace 1793, least absolute deviations.
    """
    require_same_shape(prediction, target)
    return F.l1_loss(prediction, target)


@declares(minimum=0.0)
def huber(prediction: Tensor, target: Tensor, *, delta: Annotated[float, Gt(0)] = 1.0) -> Tensor:
    """Huber loss: mean of `½ r²` where `|r| <= delta`, else `delta (|r| - ½ delta)`, with `r = p - t`.

    :param prediction: shape `(samples, outputs)`.
    :param target: the same shape.
    :param delta: residual, in the targets' unit, at which the parabola turns into a straight line of slope delta.
    :returns: 0-d tensor.
    :raises ComponentError: the shapes differ.

    Source: Huber 1964. Equals `delta` times `smooth_l1` with `beta = delta`.
    """
    require_same_shape(prediction, target)
    return F.huber_loss(prediction, target, delta=delta)


@declares(minimum=0.0)
def smooth_l1(prediction: Tensor, target: Tensor, *, beta: Annotated[float, Ge(0)] = 1.0) -> Tensor:
    """Smooth L1 loss: mean of `½ r² / beta` where `|r| < beta`, else `|r| - ½ beta`, with `r = p - t`.

    :param prediction: shape `(samples, outputs)`.
    :param target: the same shape.
    :param beta: residual, in the targets' unit, at which the parabola turns into a straight line of slope 1; at 0 it
        is the mean absolute error.
    :returns: 0-d tensor.
    :raises ComponentError: the shapes differ.

    Source: Girshick 2015, "Fast R-CNN", equation 3, which has beta = 1.
    """
    require_same_shape(prediction, target)
    return F.smooth_l1_loss(prediction, target, beta=beta)


@declares(minimum=0.0)
def bce(prediction: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of probabilities: mean of `-(t log p + (1 - t) log(1 - p))`.

    :param prediction: probabilities, shape `(samples, outputs)`; a model that ends in `sigmoid` gives them.
    :param target: the same shape, from 0 to 1.
    :returns: 0-d tensor, in nats. Each logarithm is cut off at -100, so that p = 0 and p = 1 stay finite.
    :raises ComponentError: the shapes differ.
    :raises RuntimeError: a prediction outside [0, 1], from torch; on a CUDA device the loss is NaN instead.

    Source: Bishop 2006, "Pattern Recognition and Machine Learning", equation 4.90, divided by the number of entries.
    """
    require_same_shape(prediction, target)
    # Torch would refuse by an assertion inside the kernel, which makes the device unusable for the process.
    if prediction.is_cuda:
        return _bce_or_nan(prediction.where((prediction >= 0) & (prediction <= 1), math.nan), target)
    try:
        return F.binary_cross_entropy(prediction, target)
    except RuntimeError:  # torch also refuses NaN, which in a batch must affect only the run that it belongs to
        return _bce_or_nan(prediction, target)


def _bce_or_nan(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the binary cross-entropy, and NaN where a prediction is NaN; without reading the numbers."""
    return F.binary_cross_entropy(prediction.nan_to_num(nan=0.5), target) + 0 * prediction.mean()


@declares(threshold=0.0, minimum=0.0)
@as_one_operation
def bce_with_logits(prediction: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of logits: mean of `-(t log sigmoid(z) + (1 - t) log sigmoid(-z))`: `bce(sigmoid(z), t)`.

    :param prediction: logits z, any real number, shape `(samples, outputs)`; above 0 means class 1.
    :param target: the same shape, from 0 to 1.
    :returns: 0-d tensor, in nats; exact for large |z| too, where sigmoid(z) rounds to 0 or 1.
    :raises ComponentError: the shapes differ.

    Source: as `bce`, with the logarithm of the sigmoid as one function, so that it neither overflows nor rounds to 0.
    Torch's own loss subtracts two terms, in a different order for many runs than for one. A loss of 1e-17 is then 0 in
    one of them, and a rule that follows the gradient's sign moves in one and rests in the other.
    """
    require_same_shape(prediction, target)
    return ((target - 1) * F.logsigmoid(-prediction) - target * F.logsigmoid(prediction)).mean()


@declares(class_indices=True, minimum=0.0)
def cross_entropy(
    prediction: Tensor, target: Tensor, *, label_smoothing: Annotated[float, Ge(0), Le(1)] = 0.0
) -> Tensor:
    """Cross-entropy of a softmax: mean over samples of `log Σ_c exp(z_c) - z_t`.

    :param prediction: logits z, one column per class, shape `(samples, classes)`.
    :param target: class indices from 0 to classes - 1, int64, shape `(samples,)`.
    :param label_smoothing: share of each target's probability that is spread evenly over all classes.
    :returns: 0-d tensor, in nats; log(classes) for a uniform prediction.
    :raises ComponentError: the prediction does not have one row per target.

    Source: Bishop 2006, equation 4.108, divided by the number of samples; smoothing: Szegedy et al. 2016, section 7.
    """
    if prediction.dim() != 2 or prediction.shape[:1] != target.shape:
        raise ComponentError(
            f"prediction has shape {tuple(prediction.shape)} but target has shape {tuple(target.shape)}; "
            "expected (samples, classes) and class indices (samples,)"
        )
    return F.cross_entropy(prediction, target, label_smoothing=label_smoothing)


@declares(threshold=0.0, minimum=0.0)
def hinge(prediction: Tensor, target: Tensor) -> Tensor:
    """Hinge loss: mean of `max(0, 1 - (2t - 1) p)`.

    :param prediction: scores, any real number, shape `(samples, outputs)`; above 0 means class 1.
    :param target: 0 or 1, the same shape; `2t - 1` turns them into -1 and 1.
    :returns: 0-d tensor; 0 once every score is on its side by a margin of 1.
    :raises ComponentError: the shapes differ.

    Source: Cortes and Vapnik 1995, support-vector networks.
    """
    require_same_shape(prediction, target)
    return F.relu(1 - (2 * target - 1) * prediction).mean()
