"""How the losses of a sweep's runs fell, step by step: quartiles over the runs of each point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.result import Quartiles
from playground.runner.single.expectations import BAD_STATUSES
from playground.runner.store import Store
from playground.runner.store.run_columns import STATUSES
from playground.runner.store.selection import Selection
from playground.runner.sweeping.statistics import quantiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAD_CODES = tuple(STATUSES.index(str(status)) for status in BAD_STATUSES)

MAX_CURVE_RUNS = 10_000
"""The most runs of a point that its curve is computed from, those of the lowest seeds. They fix a quartile to 1 % of
the runs; the losses of all runs of a large sweep take a gigabyte."""


@dataclass(frozen=True)
class LossCurve:
    """Quartiles of the loss over the runs of one point, at the steps whose losses were kept.

    :param point: index of the point.
    :param steps: spaced evenly by ratio; all of them where there are few.
    :param quartiles: of the loss before the update of each of these steps. A run that has ended stays at its last loss,
        and one that ended badly counts as infinite.
    :param runs: how many runs they are of, at most `MAX_CURVE_RUNS`.
    """

    point: int
    steps: tuple[int, ...]
    quartiles: tuple[Quartiles, ...]
    runs: int


def loss_curves(runs: Selection, store: Store) -> Iterator[LossCurve]:
    """Yield the curve of each point whose runs kept their losses; only the losses of these runs are checked and read.

    :param runs: of one sweep, by point and seed.
    :param store: that they are in.
    """
    import numpy as np

    sound = store.leave_out_damaged(runs.lowest_seeds(MAX_CURVE_RUNS), ["trace"])
    if not len(sound):
        return
    points, starts = np.unique(sound.point, return_index=True)
    for point, start, stop in zip(points.tolist(), starts, [*starts[1:], len(sound)], strict=True):
        some = sound.take(slice(start, stop))
        ended = np.where(np.isin(some.column("status"), BAD_CODES), np.inf, some.column("last"))
        parts = list(some.arrays("trace"))
        if parts:
            losses = np.concatenate([part for _, part, _ in parts])
            where = np.concatenate([positions for positions, _, _ in parts])
            steps = parts[0][2].layout.trace_steps
            yield LossCurve(point, steps, _loss_quartiles(losses, ended[where]), len(losses))


def _loss_quartiles(losses: NDArray[Any], ended: NDArray[Any]) -> tuple[Quartiles, ...]:
    """Return quartiles at each step.

    :param losses: a row for each run; NaN after its end.
    :param ended: the loss that each run stays at.
    """
    import numpy as np

    filled = np.where(np.isnan(losses), ended[:, None], losses).T
    steps, runs = filled.shape
    found = quantiles(filled.ravel(), np.repeat(np.arange(steps), runs), steps, (0.25, 0.5, 0.75))
    return tuple(Quartiles(*row) for row in found.tolist())
