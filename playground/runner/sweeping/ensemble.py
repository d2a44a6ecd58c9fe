"""The runs of a stored sweep, as pictures want them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.runner.single.labels import as_yaml, describe_conditions
from playground.runner.store import Store
from playground.runner.store.run_columns import STATUSES, VERDICTS
from playground.runner.store.selection import Selection
from playground.runner.sweeping.curves import BAD_CODES, LossCurve, loss_curves
from playground.views import Bands, Ensemble, RunEnds

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
            found = store.select(sweep.id, arrays=())
            size = _find_parameter_count(found)
            if size:
                found = store.leave_out_damaged(found, ["parameters"])
            runs, curves = _read_ends(found, size), tuple(loss_curves(found, store))
        return Ensemble(
            scenario=sweep.scenario,
            axes=tuple(sweep.axes),
            points=tuple(sweep.points),
            seeds=sweep.seeds,
            runs=runs,
            bands=tuple(_band(curve, len(sweep.seed_set)) for curve in curves),
            conditions=describe_conditions(sweep.spec, sweep.axes)
            | {"version": str(sweep.versions.get("playground", ""))},
            command=sweep.command,
            written=as_yaml(sweep.spec),
        )


def _band(curve: LossCurve, seeds: int) -> Bands:
    return Bands(curve.point, curve.steps, curve.quartiles, curve.runs if curve.runs < seeds else None)


def _find_parameter_count(found: Selection) -> int:
    """Return how many parameters each run has whose end is kept; 0 if there are none, or too many to keep."""
    sizes = {sum(math.prod(shape) for _, shape in head.layout.parameters) for head in found.heads()} - {0}
    return sizes.pop() if len(sizes) == 1 and max(sizes) <= MAX_KEPT_PARAMETERS else 0


def _read_ends(found: Selection, size: int) -> RunEnds:
    """Return how each run ended.

    :param size: the number of parameters that are kept of each.
    """
    import numpy as np

    status, last = found.column("status"), found.column("last")
    loss = np.where(np.isin(status, BAD_CODES) | np.isnan(last), np.inf, last)
    words = np.array(STATUSES, dtype=object)[status], np.array(VERDICTS, dtype=object)[found.column("verdict")]
    ends = _read_parameters(found, size) if size else None
    return RunEnds(found.point, loss, found.column("seed"), *words, found.column("steps"), ends)


def _read_parameters(found: Selection, size: int) -> NDArray[Any]:
    """Return the final parameters of each run, NaN for a run without."""
    import numpy as np

    ends = np.full((len(found), size), np.nan)
    for where, parameters, _ in found.arrays("parameters"):
        ends[where] = parameters
    return ends
