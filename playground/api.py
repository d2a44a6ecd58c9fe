"""The functions for Python users."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.comparison import Comparison
from playground.errors import PluginError, ScenarioError
from playground.plugins.manager import Plugins, load_plugins
from playground.plugins.registry import Component, Origin
from playground.result import Run
from playground.runner.loading.catalogue import ComponentCatalogue
from playground.runner.loading.overrides import override_seed_and_steps
from playground.runner.single.memory import limit_memory
from playground.runner.single.record_options import RecordOptions
from playground.runner.single.running import run_one
from playground.runner.sweeping.summary import StoredSweep
from playground.runner.sweeping.sweep import SweepOptions, SweepProgress, run_sweep
from playground.scenario.grid import with_axes
from playground.scenario.model import Loaded, parse_scenario
from playground.scenario.source import SourceText, load_source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from playground.runner.comparing.measuring import CompareProgress


def load_scenario(
    path: str | Path, changes: Mapping[str, Any] | None = None, *, plugins: Sequence[str] | Plugins = ()
) -> Loaded:
    """Load and validate a scenario file.

    :param path: the file.
    :param changes: new values by dotted key: `{"optimizer.lr": 0.1}`. A component that replaces another one keeps the
        parameters that both have.
    :param plugins: files or names of plugins whose components the changes use, or the result of `load_plugins`.
    :returns: the scenario, with the places of its values.
    :raises ScenarioError: the scenario is not valid; contains every fault with its place.
    """
    return _apply_changes(load_source(path), changes, load_requested_plugins(plugins))


def run(
    path: str | Path | Loaded,
    changes: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    steps: int | None = None,
    plugins: Sequence[str] | Plugins = (),
    record: int = 0,
    memory: int | None = None,
) -> Run:
    """Run a scenario once.

    :param path: the scenario's file, or the result of `load_scenario`.
    :param changes: new values by dotted key: `{"optimizer.lr": 0.1}`.
    :param seed: replaces the scenario's seed.
    :param steps: replaces the scenario's budget of steps, if the task descends.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out a plugin, as for `-p`; or the result
        of `load_plugins`.
    :param record: record the parameters at up to this many steps, spaced evenly by ratio, and at the end, in
        `result.trace.recording`; `result.views` then has the available views.
    :param memory: bytes that the run may use; by default 2 GB, as for `--memory`.
    :returns: the run, as plain data; a notebook displays it.
    :raises ScenarioError: the scenario is not valid.
    :raises PluginError: a plugin in `plugins` cannot be loaded.
    """
    loaded_plugins = load_requested_plugins(plugins)
    scenario = _apply_changes(_source_of(path), changes, loaded_plugins)
    loaded = override_seed_and_steps(scenario, seed, steps, loaded_plugins)
    with limit_memory(memory):
        return run_one(loaded, loaded_plugins, record=RecordOptions(record))


def sweep(
    path: str | Path | Loaded,
    over: Mapping[str, Any] | None = None,
    seeds: int | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    plugins: Sequence[str] | Plugins = (),
    options: SweepOptions | None = None,
    folder: str | Path | None = None,
    progress: SweepProgress | None = None,
) -> StoredSweep:
    """Run a scenario many times; store the results in `.playground` in the working directory.

    :param path: the scenario's file, or the result of `load_scenario`.
    :param over: values by dotted key, as in a scenario's `sweep.over`: `{"optimizer.lr": [0.01, 0.1]}`,
        `{"optimizer.lr": {"log": [1e-4, 1], "points": 20}}`.
    :param seeds: run every point with the seeds 0 to `seeds - 1`.
    :param changes: new values by dotted key.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out a plugin, as for `-p`; or the result
        of `load_plugins`.
    :param options: engine, processes, memory, and whether to compute stored runs again.
    :param folder: the folder of `.playground`, instead of the working directory.
    :param progress: updated during the sweep, for a display to read.
    :returns: the summary of the sweep; `to_pandas()` returns every run.
    :raises ScenarioError: the scenario or its sweep is not valid.
    :raises PluginError: a plugin in `plugins` cannot be loaded.
    """
    loaded_plugins = load_requested_plugins(plugins)
    loaded = _apply_changes(_source_of(path), changes, loaded_plugins)
    if over or seeds is not None:
        loaded = with_axes(loaded, over or {}, seeds)
    return run_sweep(loaded, loaded_plugins, options, progress, None if folder is None else Path(folder))


def compare(
    optimizer: str | type,
    against: Sequence[str | type] = (),
    *,
    suite: str | Path = "core",
    plugins: Sequence[str] | Plugins = (),
    folder: str | Path | None = None,
    progress: CompareProgress | None = None,
    **options: Any,
) -> Comparison:
    """Judge an optimizer on a suite of problems, each optimizer tuned with the same budget.

    :param optimizer: a name, such as `"adam"` or `"mine(beta=log:0.5:0.99)"`, or a class of your own, which may be any
        `torch.optim.Optimizer`.
    :param against: the baselines, likewise; by default sgd, momentum, adam and adamw.
    :param suite: name of a suite, or its file.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out a plugin, as for `-p`; or the result
        of `load_plugins`.
    :param folder: the folder of `.playground`, instead of the working directory.
    :param progress: updated meanwhile, for a display to read.
    :param options: further fields of `CompareOptions`: `all_pairs`, `more`, `studies`, `expect`, `jobs`.
    :returns: the findings; a notebook displays them, and `to_pandas()` returns the table.
    :raises PlaygroundError: an optimizer or the suite is not valid.
    """
    from playground.runner.comparing.compare import CompareOptions, compare_optimizers

    loaded = load_requested_plugins(plugins)
    names = [_name_optimizer(each, loaded) for each in (optimizer, *against)]
    chosen = CompareOptions(against=names[1:], suite=str(suite), **options)
    return compare_optimizers(names[0], loaded, chosen, progress, None if folder is None else Path(folder))


def plot(result: Run | StoredSweep, kind: str | None = None, *, width: float = 5.0) -> Figure:
    """Draw a run or a sweep; a notebook displays the figure, `savefig` writes it.

    :param result: the result of `sweep`, or of `run(..., record=60)`; without `record` only the loss can be drawn.
    :param kind: `path`, `surface`, `function`, `boundary`, `fit`, `loss`; for a sweep `lr` or `loss`; None for the
        first one available.
    :param width: in inches.
    :raises PlaygroundError: the result has no such picture, or matplotlib is not installed.
    """
    from playground.report.plotting.needed import require

    require()
    from playground.report.plotting.kinds import drawing
    from playground.runner.sweeping.ensemble import read_ensemble

    subject = result if isinstance(result, Run) else read_ensemble(Path(result.store).parent.parent, result.id)
    return drawing(subject, kind, width).figure


def _name_optimizer(optimizer: str | type, plugins: Plugins) -> str:
    """Return the name of an optimizer; a class of the user's own is registered by its name.

    :raises ComponentError: another optimizer has this name.
    """
    if isinstance(optimizer, str):
        return optimizer
    known = [
        name for name in plugins.names("optimizer") if plugins.registry.get("optimizer", name).factory is optimizer
    ]
    if known:
        return known[0]
    module = sys.modules.get(optimizer.__module__)
    origin = Origin(optimizer.__module__, file=str(getattr(module, "__file__", "")))
    plugins.registry.add(Component("optimizer", optimizer.__name__, optimizer, origin))
    return optimizer.__name__


def _source_of(path: str | Path | Loaded) -> SourceText:
    return path.source if isinstance(path, Loaded) else load_source(path)


def _apply_changes(source: SourceText, changes: Mapping[str, Any] | None, plugins: Plugins) -> Loaded:
    known = ComponentCatalogue(plugins).known_parameters
    for key, value in (changes or {}).items():
        source = source.set(key, _yaml_text(key, value), known)
    return Loaded(parse_scenario(source), source)


def load_requested_plugins(specs: Sequence[str] | Plugins) -> Plugins:
    """Load plugins; a requested plugin that fails is an error."""
    if isinstance(specs, Plugins):
        return specs
    plugins = load_plugins(specs=tuple(specs), folder=Path.cwd())
    failures = [failure for failure in plugins.failures if failure.requested]
    if failures:
        raise PluginError(*map(str, failures))
    return plugins


def _yaml_text(key: str, value: Any) -> str:
    """Write a value as YAML, as an argument of `--set`; every text is quoted, so that none is read as a number.

    :raises ScenarioError: YAML cannot express the value.
    """
    match value:
        case None | bool():
            return json.dumps(value)
        case Integral():
            return str(int(value))
        case Real():
            return json.dumps(float(value)).replace("Infinity", ".inf").replace("NaN", ".nan")
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return f"[{', '.join(_yaml_text(key, item) for item in value)}]"
        case Mapping():
            return (
                f"{{{', '.join(f'{_yaml_text(key, name)}: {_yaml_text(key, item)}' for name, item in value.items())}}}"
            )
    raise ScenarioError(f"{key}: expected plain data, got {type(value).__name__}")
