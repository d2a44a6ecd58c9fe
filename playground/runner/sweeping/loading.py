"""Scenarios with the axes of a command line in their sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playground.errors import Fault, Place, PlaygroundError
from playground.plugins.manager import Plugins
from playground.runner.loading.overrides import Changes, drop_foreign_overrides, find_foreign_keys, load_with_changes
from playground.scenario.grid import with_axes
from playground.scenario.model import Loaded


@dataclass(frozen=True)
class AxisOptions:
    """What `--over` and `--seeds` ask for.

    :param over: dotted keys with what a scenario's `sweep.over` may hold for them, as plain data.
    :param seeds: run each point from the seeds 0 to `seeds - 1`.
    """

    over: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None


@dataclass(frozen=True)
class LoadedSweep:
    """A scenario whose runs are to be computed.

    :param loaded: None for one of many files in which nothing varies.
    :param unused: options that mean nothing to its task, as they were given: `--set optimizer.lr=1`.
    """

    loaded: Loaded | None
    unused: tuple[str, ...] = ()


def load_sweep(
    file: Path, changes: Changes, axes: AxisOptions, plugins: Plugins, one_of_many: bool = False
) -> LoadedSweep:
    """Load a scenario with axes in its sweep.

    :param one_of_many: leave out changes and axes that mean nothing to its task.
    :raises PlaygroundError: it is not valid, or nothing varies in the only one.
    """
    unused: list[str] = []
    over = dict(axes.over)
    if one_of_many:
        changes, overrides = drop_foreign_overrides(file, changes, plugins)
        foreign = find_foreign_keys(file, over, plugins)
        unused = [f"--set {override}" for override in overrides] + [f"--over {key}" for key in foreign]
        over = {key: values for key, values in over.items() if key not in foreign}
    loaded = load_with_changes(file, changes, plugins)
    if over or axes.seeds is not None:
        loaded = with_axes(loaded, over, axes.seeds)
    if loaded.scenario.sweep is None and one_of_many:
        return LoadedSweep(None, tuple(unused))
    if loaded.scenario.sweep is None:
        way = "give --over or --seeds, or write a `sweep:` into the file"
        raise PlaygroundError(Fault(f"nothing to sweep over: {way}", place=Place(str(file))))
    return LoadedSweep(loaded, tuple(unused))
