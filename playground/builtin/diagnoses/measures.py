"""What several diagnoses measure."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cosine_similarity

from playground.engine.evidence import Evidence, flat


def slope_at_start(run: Evidence) -> Tensor | None:
    """Return the gradient at the start; None where it shows no direction."""
    slope = flat(run.at_start.gradient)
    return slope if bool(slope.isfinite().all()) and bool(slope.any()) else None


def cosine(a: Tensor, b: Tensor) -> float:
    """Return the cosine of the angle between two vectors."""
    return cosine_similarity(a.double(), b.double(), dim=0).item()


def alike(a: Tensor, b: Tensor) -> bool:
    """Whether two vectors are the same to a thousandth."""
    return bool((a.double() - b.double()).norm() <= 1e-3 * b.double().norm())


def distinct(value: float, other: float, digits: int = 3) -> str:
    """Write a number with as many digits as show that it is another one.

    :param digits: at least.
    """
    return next(
        (f"{value:.{each}g}" for each in range(digits, 17) if f"{value:.{each}g}" != f"{other:.{each}g}"), f"{value!r}"
    )
