"""Writes results as event files for TensorBoard: a folder for each run, and one for each sweep."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

from playground.plugin_api import Batch, Run, Summary, Sweep

QUIET = {"disabled": True}
"""Keeps tensorboardX from reporting to comet.ml too, if comet is installed."""


def write(results: Batch, path: Path) -> None:
    """Write event files below a folder; the files of earlier reports stay.

    A run has the loss as a scalar for each step, its metrics as scalars at the last step, and a histogram of each
    parameter's final numbers. A sweep has a table of hyperparameters with a row for each point.
    """
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    path.mkdir(parents=True, exist_ok=True)
    for run in results.runs:
        with _writer(path / _safe(f"{run.scenario}-seed{run.seed}-{run.id}") / now) as writer:
            _write_run(run, writer)
    for sweep in results.sweeps:
        with _writer(path / _safe(f"{sweep.scenario}-{sweep.id[:12]}") / now) as writer:
            _write_sweep(sweep, writer)


@contextmanager
def _writer(folder: Path) -> Iterator[SummaryWriter]:
    with SummaryWriter(str(folder), comet_config=QUIET) as writer:
        yield writer


def _write_run(run: Run, writer: SummaryWriter) -> None:
    for step, loss in enumerate(run.losses):
        writer.add_scalar("loss", loss, step)
    for name, value in run.metrics.items():
        if isinstance(value, int | float):
            writer.add_scalar(name, value, run.steps)
    for name, numbers in run.parameters.items():
        values = np.ravel(np.asarray(numbers, dtype=float))
        if values.size and np.isfinite(values).all():  # a histogram cannot show non-finite numbers
            writer.add_histogram(name, values, run.steps)
    writer.add_text("run", _story(run), run.steps)


def _story(run: Run) -> str:
    """Return verdict, components and expectations of a run, as Markdown."""
    lines = [f"**{run.verdict}**: {'; '.join(run.ending)}", *(f"{key}: {value}" for key, value in run.setup.items())]
    lines += [f"{'✔' if each.passed else '✘'} {each.what}, measured {each.value}" for each in run.expectations]
    return "\n\n".join(lines)


def _write_sweep(sweep: Sweep, writer: SummaryWriter) -> None:
    for summary in sweep.summaries:
        values = {key: value if isinstance(value, int | float | str) else str(value) for key, value in _values(summary)}
        writer.add_hparams(values, _measured(summary), name=f"point{summary.index:04}")


def _values(summary: Summary) -> Iterator[tuple[str, Any]]:
    """Yield the point's values and its number of runs; the only point of a sweep over seeds has no values."""
    yield from summary.values.items()
    yield "runs", summary.runs


def _measured(summary: Summary) -> dict[str, float]:
    """Return the measured shares and median of a point; those without a value are left out."""
    found = {"sweep/passed": summary.share, "sweep/loss_median": summary.loss.median}
    found |= {f"sweep/{status}": count / summary.runs for status, count in summary.statuses.items() if summary.runs}
    return {name: float(value) for name, value in found.items() if value is not None and not math.isnan(value)}


def _safe(name: str) -> str:
    """Return a name that is valid for a folder."""
    return re.sub(r"[^\w.=-]+", "_", name).strip("._-") or "unnamed"
