"""The runs of a stored sweep, as pictures want them."""

from __future__ import annotations

from pathlib import Path

from playground.runner.single.labels import as_yaml, describe_conditions
from playground.runner.store import Store
from playground.runner.store.run_columns import STATUSES, VERDICTS
from playground.runner.store.selection import Selection
from playground.runner.sweeping.curves import BAD_CODES, loss_curves
from playground.views import Bands, EndView, Ensemble

MAX_KEPT_PARAMETERS = 2
"""Parameters of a run whose end is kept: those of a point on a line or in a plane."""


def read_ensemble(folder: Path, query: str) -> Ensemble:
    """Return the runs of a sweep.

    :param folder: where `.playground` is.
    :param query: the beginning of its id, or a scenario's name, of whose sweeps it is the newest.
    :raises StoreError: there is no such sweep, or the store cannot be read.
    """
    with Store.open(folder, create=False) as store:
        sweep = store.find_sweeps(query)[-1]
        with store.snapshot():
            found = store.select(sweep.id)
            runs, curves = _read_ends(found), tuple(loss_curves(found))
        return Ensemble(
            scenario=sweep.scenario,
            axes=tuple(sweep.axes),
            points=tuple(sweep.points),
            seeds=sweep.seeds,
            runs=runs,
            bands=tuple(Bands(curve.point, curve.steps, tuple(map(tuple, curve.quartiles))) for curve in curves),  # type: ignore[arg-type]
            conditions=describe_conditions(sweep.spec, sweep.axes)
            | {"version": str(sweep.versions.get("playground", ""))},
            command=sweep.command,
            written=as_yaml(sweep.spec),
        )


def _read_ends(found: Selection) -> tuple[EndView, ...]:
    """Return how each run ended."""
    import numpy as np

    status, last = found.column("status"), found.column("last")
    loss = np.where(np.isin(status, BAD_CODES) | np.isnan(last), np.inf, last)
    ends: list[tuple[float, ...]] = [()] * len(found)
    for where, parameters, _ in found.arrays("parameters"):
        if parameters.shape[1] <= MAX_KEPT_PARAMETERS:
            for run, end in zip(where.tolist(), parameters.tolist(), strict=True):
                ends[run] = tuple(end)
    columns = (found.point, loss, found.column("seed"), status, found.column("verdict"), found.column("steps"))
    return tuple(
        EndView(point, value, seed, STATUSES[code], VERDICTS[verdict], steps, end)
        for (point, value, seed, code, verdict, steps), end in zip(
            zip(*(column.tolist() for column in columns), strict=True), ends, strict=True
        )
    )
