"""What an undecided comparison needs: how many more studies or families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from playground.core.comparison.estimates import EffectEstimate
from playground.core.comparison.looks import spend_alpha
from playground.core.comparison.scipy_stats import import_stats
from playground.core.comparison.scoring import Array

POWER = 0.8
"""The probability with which the advised sample decides."""
SEED_SHARE = 0.25
"""If seeds and tuning cause a smaller share of the variance between families, more of them cannot help."""


@dataclass(frozen=True, kw_only=True)
class MoreAdvice:
    """The sample that would probably decide.

    :param kind: what to increase.
    :param total: the studies or families that are needed altogether.
    :param more: how many of them are missing, at least 1.
    :param seeds_help: whether more seeds or studies reduce the uncertainty noticeably.
    """

    kind: Literal["studies", "families"]
    total: int
    more: int
    seeds_help: bool

    def __str__(self) -> str:
        """Return the advice as a sentence."""
        noun = self.kind if self.more > 1 else {"studies": "study", "families": "family"}[self.kind]
        needed = f"{self.more:,} more {noun}"
        return needed if self.seeds_help else f"more seeds cannot help; {needed}"


def advise_more_studies(estimate: EffectEstimate, *, margin: float, look: int, contrasts: int = 1) -> MoreAdvice:
    """Return how many studies decide on this suite.

    With h = |θ| if |θ| > δ/2, else δ - |θ|, and the normal quantiles z at α of the next look and 0.84 for 80 % power::

        K' = ⌈Σ w_p² s_p² · (z + 0.84)² / h²⌉

    :param estimate: the estimate on the suite; its K se² is Σ w_p² s_p².
    :param margin: δ, in log2 evaluations.
    :param look: the look that was undecided; the next one spends less.
    :param contrasts: comparisons of the look, between which α is divided.
    """
    total = _find_total(estimate, margin, look, contrasts)
    return MoreAdvice(kind="studies", total=total, more=max(total - estimate.count, 1), seeds_help=True)


def advise_more_families(
    estimate: EffectEstimate, *, seed_variance: float, margin: float, look: int, contrasts: int = 1
) -> MoreAdvice:
    """Return how many families decide on problems like these: `F' = ⌈s² (z + 0.84)² / h²⌉` (`advise_more_studies`).

    :param estimate: the estimate on problems like these; its F se² is s².
    :param seed_variance: the part of s² that seeds and tuning cause (`compute_seed_variance`).
    """
    total = _find_total(estimate, margin, look, contrasts)
    seeds_help = seed_variance >= SEED_SHARE * estimate.spread**2
    return MoreAdvice(kind="families", total=total, more=max(total - estimate.count, 1), seeds_help=seeds_help)


def compute_seed_variance(differences: Array, families: Sequence[str]) -> float:
    """Return the variance of a family's mean that tuning and seeds cause, averaged over families.

    For a family of n problems with variances s_p² over K studies: `Σ s_p² / (K n²)`.

    :param differences: shape (problems, studies).
    """
    variances = differences.var(-1, ddof=1) / differences.shape[-1]
    names = np.asarray(families)
    members = [variances[names == family] for family in dict.fromkeys(families)]
    return float(np.mean([each.sum() / len(each) ** 2 for each in members]))


def _find_total(estimate: EffectEstimate, margin: float, look: int, contrasts: int) -> int:
    """Return `⌈spread² (z + z_power)² / h²⌉`."""
    norm = import_stats().norm
    size = abs(estimate.center)
    distance = size if size > margin / 2 else margin - size
    quantiles = norm.isf(spend_alpha(look + 1) / (2 * contrasts)) + norm.ppf(POWER)
    return math.ceil((estimate.spread * float(quantiles) / distance) ** 2)
