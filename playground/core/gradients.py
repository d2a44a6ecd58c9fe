"""Measures and clips gradients before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Gradients = Sequence[Tensor | None]
"""One gradient per parameter; None if the loss does not depend on it."""


def norm(gradients: Gradients) -> Tensor:
    """Return the Euclidean norm over all gradients: √Σ g²."""
    return torch.stack([gradient.square().sum() for gradient in gradients if gradient is not None]).sum().sqrt()


def copy_gradient(gradient: Tensor | None, parameter: Tensor) -> Tensor | None:
    """Return a writable copy in the parameter's memory layout, like the `.grad` that `backward()` leaves.

    `torch.autograd.grad` may return the same tensor for two parameters (a + b), or one number expanded to many
    (a.sum()).
    """
    if gradient is None:
        return None
    return gradient.clone() if gradient.is_sparse else torch.empty_like(parameter).copy_(gradient)


@dataclass(frozen=True)
class Clip:
    """Limits on the gradient, applied in this order.

    :param value: each entry is moved into [-value, value].
    :param norm: all gradients are scaled by min(1, norm / ‖g‖).
    """

    value: float | None = None
    norm: float | None = None

    def __call__(self, gradients: Gradients) -> Gradients:
        """Return the clipped gradients; the arguments are not modified."""
        if self.value is not None:
            limit = self.value
            gradients = [None if gradient is None else gradient.clamp(-limit, limit) for gradient in gradients]
        if self.norm is not None:
            # Dividing by max(norm, limit) instead of scaling by limit / norm keeps a zero gradient zero, not NaN.
            factor = self.norm / norm(gradients).clamp(min=self.norm)
            gradients = [None if gradient is None else gradient * factor for gradient in gradients]
        return gradients
