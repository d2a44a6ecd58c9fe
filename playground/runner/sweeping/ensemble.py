"""The runs of a stored sweep, as pictures want them."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from playground.runner.single.labels import as_yaml, describe_conditions
from playground.runner.store import Row, Store
from playground.runner.sweeping.curves import BAD_STATUS_NAMES, loss_curves
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
        sweep = store.asked(query)[-1]
        runs: list[EndView] = []
        curves = tuple(loss_curves(_note_ends((row for _, row in store.rows(sweep.id)), runs)))
        return Ensemble(
            scenario=sweep.scenario,
            axes=tuple(sweep.axes),
            points=tuple(sweep.points),
            seeds=sweep.seeds,
            runs=tuple(runs),
            bands=tuple(Bands(curve.point, curve.steps, tuple(map(tuple, curve.quartiles))) for curve in curves),  # type: ignore[arg-type]
            conditions=describe_conditions(sweep.spec, sweep.axes)
            | {"version": str(sweep.versions.get("playground", ""))},
            command=sweep.command,
            written=as_yaml(sweep.spec),
        )


def _note_ends(rows: Iterable[Row], runs: list[EndView]) -> Iterator[Row]:
    """Pass rows on, and note how each ended."""
    for row in rows:
        loss = math.inf if row.status in BAD_STATUS_NAMES or math.isnan(row.last) else row.last
        end = row.parameters if row.parameters and len(row.parameters) <= MAX_KEPT_PARAMETERS * 8 else b""
        runs.append(EndView(row.point, loss, row.seed, row.status, row.verdict, row.steps, _decode_numbers(end)))
        yield row


def _decode_numbers(blob: bytes) -> tuple[float, ...]:
    numbers = array("d", blob)
    if sys.byteorder == "big":
        numbers.byteswap()
    return tuple(numbers)
