"""The kinds of figures, and which of them a result has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from playground.errors import PlaygroundError, suggest_names
from playground.report.plotting import boundaries, curves, losses, surfaces, sweeps
from playground.report.plotting.figure import FIGURE_INCHES, Drawing, use_style
from playground.result import Run
from playground.views import BoundaryView, CurveView, Ensemble, FitView, PathView, SurfaceView

Draw = Callable[..., Drawing]

VIEW_KINDS: Mapping[type, Mapping[str, Draw]] = {
    BoundaryView: {"boundary": boundaries.boundary},
    FitView: {"fit": curves.fit},
    CurveView: {"path": curves.path, "function": curves.function},
    SurfaceView: {"path": surfaces.path, "surface": surfaces.surface},
    PathView: {"path": surfaces.plane},
}
"""The figures for each kind of view, best first; each takes the run, the view and a width."""

PICTURE_KINDS = tuple(dict.fromkeys([*(kind for kinds in VIEW_KINDS.values() for kind in kinds), "loss", "lr"]))


def check_kind(kind: str | None) -> None:
    """Refuse a misspelt kind before anything is computed.

    :raises PlaygroundError: the kind is unknown.
    """
    if kind is not None and kind not in PICTURE_KINDS:
        raise PlaygroundError(f"--kind {kind}: unknown{suggest_names(kind, PICTURE_KINDS)}")


def drawing(subject: Run | Ensemble, kind: str | None = None, width: float = FIGURE_INCHES) -> Drawing:
    """Draw a run or a sweep.

    :param kind: the kind of figure; None for the best one available.
    :param width: in inches.
    :raises PlaygroundError: the result has no such figure.
    """
    offered = _of_sweep(subject) if isinstance(subject, Ensemble) else _of_run(subject)
    check_kind(kind)
    if not offered:
        raise PlaygroundError(f"{subject.scenario}: nothing to draw: there are neither losses nor a path")
    kind = kind or next(iter(offered))
    if kind not in offered:
        raise PlaygroundError(f"{subject.scenario} has no picture {kind!r}; it has {', '.join(offered)}")
    with use_style():
        return offered[kind](width=width)


def _of_run(run: Run) -> dict[str, Callable[..., Drawing]]:
    offered: dict[str, Any] = {
        kind: partial(draw, run, view) for view in run.views for kind, draw in VIEW_KINDS.get(type(view), {}).items()
    }
    return {**offered, "loss": partial(losses.loss, run)} if run.losses else offered


def _of_sweep(sweep: Ensemble) -> dict[str, Callable[..., Drawing]]:
    offered: dict[str, Any] = {"lr": partial(sweeps.lr, sweep)} if sweeps.rate_axis(sweep) else {}
    return {**offered, "loss": partial(sweeps.loss, sweep)} if sweep.bands else offered
