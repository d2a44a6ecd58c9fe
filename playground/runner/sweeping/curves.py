"""How the losses of a sweep's runs fell, step by step: quartiles over the runs of each point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from playground.result import Quartiles
from playground.runner.single.expectations import BAD_STATUSES
from playground.runner.store import Row
from playground.runner.sweeping.statistics import quantiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAD_STATUS_NAMES = tuple(map(str, BAD_STATUSES))


@dataclass(frozen=True)
class LossCurve:
    """Quartiles of the loss over the runs of one point, at the steps whose losses were kept.

    :param point: index of the point.
    :param steps: spaced evenly by ratio; all of them where there are few.
    :param quartiles: of the loss before the update of each of these steps. A run that has ended stays at its last loss,
        and one that ended badly counts as infinite.
    """

    point: int
    steps: tuple[int, ...]
    quartiles: tuple[Quartiles, ...]


def loss_curves(rows: Iterable[Row]) -> Iterator[LossCurve]:
    """Yield the curve of each point whose runs kept their losses.

    :param rows: of one sweep, those of a point together.
    """
    for point, runs in groupby((row for row in rows if row.trace is not None), key=lambda row: row.point):
        some = list(runs)
        yield LossCurve(point, some[0].layout.trace_steps, _loss_quartiles(some))


def _loss_quartiles(runs: list[Row]) -> tuple[Quartiles, ...]:
    import numpy as np

    losses: NDArray[Any] = np.stack([np.frombuffer(row.trace or b"", "<f4") for row in runs]).astype(np.float64)
    ended = np.array([np.inf if row.status in BAD_STATUS_NAMES else row.last for row in runs])
    filled = np.where(np.isnan(losses), ended[:, None], losses)
    steps = filled.shape[1]
    found = quantiles(filled.ravel(), np.tile(np.arange(steps), len(runs)), steps, (0.25, 0.5, 0.75))
    return tuple(Quartiles(*row) for row in found.tolist())
