"""Measurements that several diagnoses share."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cosine_similarity

from playground.core.evidence import Evidence, to_vector


def slope_at_start(run: Evidence) -> Tensor | None:
    """Return the gradient at the start; None if it shows no direction."""
    slope = to_vector(run.at_start.gradient)
    return slope if bool(slope.isfinite().all()) and bool(slope.any()) else None


def cosine(a: Tensor, b: Tensor) -> float:
    """Return the cosine of the angle between two vectors."""
    return cosine_similarity(a.double(), b.double(), dim=0).item()


def is_close_to(a: Tensor, b: Tensor) -> bool:
    """Whether two vectors are equal to a thousandth."""
    size = b.double().abs().max()
    if not size > 0:
        return not bool(a.any())
    a, b = a.double() / size, b.double() / size  # no square overflows: infinity would be close to any number
    return bool((a - b).norm() <= 1e-3 * b.norm())
