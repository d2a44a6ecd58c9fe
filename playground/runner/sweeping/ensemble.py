"""The runs of a stored sweep, as pictures want them."""

from __future__ import annotations

import math
from pathlib import Path

from playground.runner.describing import conditions
from playground.runner.store import Store
from playground.runner.sweeping.curves import BAD, loss_curves
from playground.views import Bands, Ended, Ensemble


def ensemble(folder: Path, sweep_id: str) -> Ensemble:
    """Return the runs of a sweep.

    :param folder: where `.playground` is.
    :param sweep_id: the beginning of its id.
    :raises StoreError: there is no such sweep, or the store cannot be read.
    """
    with Store.open(folder, create=False) as store:
        sweep = store.sweep(sweep_id)
        runs = tuple(
            Ended(point, math.inf if status in BAD or last is None else last)
            for point, status, last in store.values(("point", "status", "last"), sweep.id)
        )
        curves = loss_curves(row for _, row in store.rows(sweep.id))
        return Ensemble(
            scenario=sweep.scenario,
            axes=tuple(sweep.axes),
            points=tuple(sweep.points),
            seeds=sweep.seeds,
            runs=runs,
            bands=tuple(Bands(curve.point, curve.steps, tuple(map(tuple, curve.quartiles))) for curve in curves),  # type: ignore[arg-type]
            conditions=conditions(sweep.spec) | {"version": str(sweep.versions.get("playground", ""))},
        )
