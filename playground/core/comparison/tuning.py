"""The choice of settings from the scores of a tuning study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from playground.core.comparison.scoring import Array


def choose_settings(scores: Array) -> npt.NDArray[np.intp]:
    """Return the setting with the least score; of equal ones the middle one, which is farthest from worse settings.

    :param scores: mean scores over the tuning seeds, shape (..., settings).
    :returns: places of settings, shape (...).
    """
    best = scores == scores.min(-1, keepdims=True)
    middle = (best.sum(-1, keepdims=True) + 1) // 2
    return np.asarray((best.cumsum(-1) >= middle).argmax(-1))


def choose_shared_settings(scores: Array, families: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return one setting for all problems, chosen for each problem on the problems of other families.

    The scores of a problem are averaged within families and then over the other families. So no problem takes part in
    the choice that it is scored with.

    :param scores: mean scores over the tuning seeds, shape (..., problems, settings).
    :param families: the family of each problem; at least two.
    :returns: places of settings, shape (..., problems).
    """
    unique, place = np.unique(np.asarray(families), return_inverse=True)
    if len(unique) < 2:
        raise ValueError("one setting for all problems needs problems of at least two families")
    means = np.stack([scores[..., place == family, :].mean(-2) for family in range(len(unique))], -2)
    others = (means.sum(-2, keepdims=True) - means) / (len(unique) - 1)
    return choose_settings(others[..., place, :])
