"""The properties of a loss that the framework needs besides its formula, and how a loss declares them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import Tensor, nn

from playground.core.definition import describe, is_foreign
from playground.core.problem import describe_type
from playground.errors import ComponentError, Fault

_ATTRIBUTE: Final = "__playground_loss__"
_Declared = TypeVar("_Declared", bound=Callable[..., Any])


@dataclass(frozen=True)
class LossTraits:
    """How a loss reads predictions and targets.

    :param threshold: a one-column prediction above it means class 1: 0.5 for probabilities, 0 for logits; None if it is
        to be determined by `find_threshold`.
    :param class_indices: targets arrive as class indices, int64 of shape `(samples,)`, and predictions as one column
        per class; otherwise targets arrive as floats.
    :param same_shape: whether prediction and target must have the same shape. A loss that accepts other shapes, such as
        one that compares samples with each other, declares `same_shape=False`.
    :param minimum: the loss is never less, for all targets that it is made for; None if unknown.
    """

    threshold: float | None = None
    class_indices: bool = False
    same_shape: bool = True
    minimum: float | None = None


def declares(
    *,
    threshold: float | None = None,
    class_indices: bool = False,
    same_shape: bool = True,
    minimum: float | None = None,
) -> Callable[[_Declared], _Declared]:
    """Return a decorator that declares the traits of a loss, for a function as for an `nn.Module` class.

    A factory that *returns* a loss declares the traits on the returned object, not on itself.

    :param threshold: a one-column prediction above it means class 1; by default it is determined numerically.
    :param class_indices: targets are class indices of shape `(samples,)`.
    :param same_shape: prediction and target must have the same shape.
    :param minimum: the loss is never less; a scenario that expects less is refused before the run.
    """
    declared = LossTraits(threshold=threshold, class_indices=class_indices, same_shape=same_shape, minimum=minimum)

    def decorate(loss: _Declared) -> _Declared:
        setattr(loss, _ATTRIBUTE, declared)
        return loss

    return decorate


_NOT_NEGATIVE: Final = LossTraits(minimum=0.0)
_INDICES: Final = LossTraits(class_indices=True)

_TORCH_LOSSES: Final[tuple[tuple[type[nn.Module], Callable[..., Any], LossTraits], ...]] = (
    (nn.CrossEntropyLoss, F.cross_entropy, LossTraits(class_indices=True, minimum=0.0)),
    (nn.NLLLoss, F.nll_loss, _INDICES),
    (nn.MultiMarginLoss, F.multi_margin_loss, _INDICES),
    (nn.BCEWithLogitsLoss, F.binary_cross_entropy_with_logits, LossTraits(threshold=0.0, minimum=0.0)),
    (nn.BCELoss, F.binary_cross_entropy, _NOT_NEGATIVE),
    (nn.MSELoss, F.mse_loss, _NOT_NEGATIVE),
    (nn.L1Loss, F.l1_loss, _NOT_NEGATIVE),
    (nn.SmoothL1Loss, F.smooth_l1_loss, _NOT_NEGATIVE),
    (nn.HuberLoss, F.huber_loss, _NOT_NEGATIVE),
)
"""The traits of torch's own losses, as modules and as functions."""


def loss_traits(loss: Callable[..., Any]) -> LossTraits:
    """Return the traits that a loss declared, also through `functools.partial`; default traits if it declares none."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    declared = getattr(loss, _ATTRIBUTE, None)
    if isinstance(declared, LossTraits):
        return declared
    known = (traits for module, function, traits in _TORCH_LOSSES if loss is function or isinstance(loss, module))
    return next(known, LossTraits())


@dataclass(frozen=True)
class ShapeCheckedLoss:
    """A loss that refuses predictions of a wrong shape at every step, which costs a microsecond.

    :param loss: called as `loss(prediction, target)`.
    :param module: makes the predictions; named in messages.
    :param outputs: the number of columns that the model was asked for.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    module: nn.Module
    outputs: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "_traits", loss_traits(self.loss))

    def __call__(self, prediction: Any, target: Tensor) -> Tensor:
        """Return the loss.

        :raises ComponentError: the prediction is not a tensor of real numbers, or has a wrong shape.
        """
        known: LossTraits = self._traits  # type: ignore[attr-defined]
        if not isinstance(prediction, Tensor):
            self._refuse(f"returned {describe_type(prediction)}, not a tensor")
        if not prediction.is_floating_point():
            self._refuse(f"returned {prediction.dtype}, not floating-point numbers")
        if known.class_indices:
            if prediction.shape != (len(target), self.outputs):
                raise ComponentError(
                    f"prediction has shape {tuple(prediction.shape)} but target has shape {tuple(target.shape)}; "
                    f"expected a prediction of shape {(len(target), self.outputs)} for class indices{self._maker()}"
                )
        elif known.same_shape and prediction.shape != target.shape:
            raise ComponentError(f"{_difference(prediction, target)}{self._maker()}{self._remedy(prediction, target)}")
        return self.loss(prediction, target)

    def _refuse(self, what: str) -> NoReturn:
        wanted = f"expected a tensor of shape (samples, {self.outputs})"
        raise ComponentError(Fault(f"{describe(self.module)} {what}; {wanted}", ("model",)))

    def _maker(self) -> str:
        return f"; {describe(self.module)} returns the prediction"

    def _remedy(self, prediction: Tensor, target: Tensor) -> str:
        if not is_foreign(self.loss):
            return ""
        if _are_classes(prediction, target):
            return "; a loss of class indices declares them: @declares(class_indices=True)"
        return "; a loss that takes other shapes declares same_shape=False"


def _are_classes(prediction: Tensor, target: Tensor) -> bool:
    """Tell whether targets may be class indices, and predictions one column for each class."""
    if prediction.dim() != 2 or target.shape != (len(prediction), 1) or prediction.shape[1] < 2:
        return False
    return bool(((target == target.round()) & (target >= 0) & (target < prediction.shape[1])).all())


def _difference(prediction: Tensor, target: Tensor) -> str:
    return (
        f"prediction has shape {tuple(prediction.shape)} but target has shape {tuple(target.shape)}; "
        "expected equal shapes"
    )


def require_same_shape(prediction: Tensor, target: Tensor) -> None:
    """Refuse shapes that arithmetic would silently broadcast: `(4, 1)` with `(4,)` would give `(4, 4)`.

    It costs a fraction of a microsecond, so a loss may call it on every step.

    :param prediction: any shape.
    :param target: must have the same shape.
    :raises ComponentError: the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ComponentError(_difference(prediction, target))
