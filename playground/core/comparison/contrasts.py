"""The skill profile: what a property of problems costs each optimizer, from pairs of problems with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground.core.comparison.estimates import EffectEstimate, compute_family_moments
from playground.core.comparison.scores import ScoreTable
from playground.core.comparison.scoring import Array

MIN_CONTRAST_FAMILIES = 5
"""Families that a contrast needs for an interval."""


@dataclass(frozen=True, kw_only=True)
class PropertyContrast:
    """The change that a property makes to the score of one optimizer.

    :param label: the property, such as `"rotation"`.
    :param optimizer: the optimizer.
    :param changes: log2 evaluations with the property minus those without, one for each pair.
    :param families: the family of each pair's problem with the property.
    :param estimate: the mean over families; None with fewer than `MIN_CONTRAST_FAMILIES` families.
    """

    label: str
    optimizer: str
    changes: tuple[float, ...]
    families: tuple[str, ...]
    estimate: EffectEstimate | None


def contrast_property(table: ScoreTable, label: str, pairs: Sequence[tuple[str, str]]) -> tuple[PropertyContrast, ...]:
    """Return the change of each optimizer's score, which cancels the difficulty of the problems.

    For a pair (with, without): `c = mean over studies and seeds of y(with) - mean of y(without)`. The estimate is the
    mean of the families' means, with Student's t over F families.

    :param label: the property.
    :param pairs: names of problems, (with, without).
    :returns: one contrast for each optimizer, in the table's order.
    """
    means = table.values.mean((-2, -1))
    places = {name: place for place, name in enumerate(table.problems)}
    families = tuple(table.families[places[each]] for each, _ in pairs)
    changes = np.stack([means[:, places[each]] - means[:, places[other]] for each, other in pairs], -1)
    return tuple(
        PropertyContrast(
            label=label,
            optimizer=optimizer,
            changes=tuple(row.tolist()),
            families=families,
            estimate=_estimate_change(row, families),
        )
        for optimizer, row in zip(table.optimizers, changes, strict=True)
    )


def _estimate_change(changes: Array, families: Sequence[str]) -> EffectEstimate | None:
    """Return the mean over families, or None if they are too few."""
    names = np.asarray(families)
    means = np.array([changes[names == family].mean() for family in dict.fromkeys(families)])
    if len(means) < MIN_CONTRAST_FAMILIES:
        return None
    center, se, df = map(float, compute_family_moments(means))
    return EffectEstimate(center=center, se=se, df=df, count=len(means))
