"""What the framework must know of a loss besides its formula, and how a loss says it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from torch import Tensor

from playground.errors import ComponentError

_ATTRIBUTE: Final = "__playground_loss__"
_Declared = TypeVar("_Declared", bound=Callable[..., Any])


@dataclass(frozen=True)
class LossTraits:
    """How a loss reads predictions and targets.

    :param threshold: a one-column prediction above it means class 1: 0.5 for probabilities, 0 for logits.
    :param class_indices: targets arrive as class indices, int64 of shape `(samples,)`, and predictions as one
        column per class; otherwise targets arrive as floats in the shape of the prediction.
    """

    threshold: float = 0.5
    class_indices: bool = False


def declares(*, threshold: float = 0.5, class_indices: bool = False) -> Callable[[_Declared], _Declared]:
    """Return a decorator that writes the traits onto a loss; for a function as for an `nn.Module` class.

    A factory that *returns* a loss declares the traits on what it returns, not on itself.

    :param threshold: a one-column prediction above it means class 1.
    :param class_indices: targets are class indices of shape `(samples,)`.
    """
    declared = LossTraits(threshold, class_indices)

    def decorate(loss: _Declared) -> _Declared:
        setattr(loss, _ATTRIBUTE, declared)
        return loss

    return decorate


def traits(loss: Callable[..., Any]) -> LossTraits:
    """Return what the loss declared, also through `functools.partial`; the default traits where it declared nothing."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    declared = getattr(loss, _ATTRIBUTE, None)
    return declared if isinstance(declared, LossTraits) else LossTraits()


def require_same_shape(prediction: Tensor, target: Tensor) -> None:
    """Refuse a pair that arithmetic would broadcast without a word, so that `(4, 1)` against `(4,)` is no `(4, 4)`.

    Costs a fraction of a microsecond: a loss may call it on every step.

    :param prediction: any shape.
    :param target: must have the same shape.
    :raises ComponentError: the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ComponentError(
            f"prediction has shape {tuple(prediction.shape)} but target has shape {tuple(target.shape)}; "
            "expected equal shapes"
        )
