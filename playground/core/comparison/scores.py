"""The table of scores from which every verdict is computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playground.core.comparison.scoring import Array


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """The score of each optimizer on each problem, in each tuning study, with each scoring seed.

    The units are nested: family ⊃ problem ⊃ study ⊃ seed. A study tunes every optimizer on tuning seeds of its own, and
    scores the chosen settings on seeds that all optimizers share.

    :param optimizers: their names, unique.
    :param problems: their names.
    :param families: the family of each problem: one formula with its dimensions, conditions and noise levels.
    :param probes: what each problem probes, such as `"ill-conditioning"`.
    :param values: log2 gradient evaluations (`score_evaluations`), lower is better; shape (optimizers, problems,
        studies, seeds). Failed runs have the score of a run that reaches nothing; NaN and infinity are refused.
    """

    optimizers: tuple[str, ...]
    problems: tuple[str, ...]
    families: tuple[str, ...]
    probes: tuple[str, ...]
    values: Array

    def __post_init__(self) -> None:
        shape = (len(self.optimizers), len(self.problems))
        if self.values.ndim != 4 or self.values.shape[:2] != shape or not self.values.size:
            raise ValueError(f"scores have the shape {self.values.shape}, not {shape} + (studies, seeds)")
        if {len(self.families), len(self.probes)} != {len(self.problems)}:
            raise ValueError("each problem has one family and one probe")
        if len(set(self.optimizers)) < len(self.optimizers):
            raise ValueError("names of optimizers must be unique")
        if not np.isfinite(self.values).all():
            raise ValueError("scores must be finite: a run that fails has the score of one that reaches nothing")

    def scores_of(self, optimizer: str) -> Array:
        """Return the scores of one optimizer, shape (problems, studies, seeds)."""
        return np.asarray(self.values[self.optimizers.index(optimizer)])

    def compute_differences(self, first: str, second: str) -> Array:
        """Return `d[p, k] = mean over seeds s of (y_first - y_second)[p, k, s]`, paired by seed.

        Only the scores of these two enter, so no other contestant changes the result.

        :returns: log2 ratios, negative where `first` needs fewer evaluations; shape (problems, studies).
        """
        return np.asarray((self.scores_of(first) - self.scores_of(second)).mean(-1))
