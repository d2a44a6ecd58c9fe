"""What Python users call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import PluginError, ScenarioError
from playground.plugins.manager import Plugins, load_plugins
from playground.result import Run
from playground.runner.loading.catalogue import ComponentCatalogue
from playground.runner.loading.overrides import override_seed_and_steps
from playground.runner.single.memory import limit_memory
from playground.runner.single.record_options import RecordOptions
from playground.runner.single.running import run_one
from playground.runner.sweeping.summary import StoredSweep
from playground.runner.sweeping.sweep import SweepOptions, run_sweep
from playground.scenario.grid import with_axes
from playground.scenario.model import Loaded, parse_scenario
from playground.scenario.source import SourceText, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_scenario(path: str | Path, changes: Mapping[str, Any] | None = None, *, plugins: Sequence[str] = ()) -> Loaded:
    """Load and validate a scenario file.

    :param path: the file.
    :param changes: dotted keys with new values: `{"optimizer.lr": 0.1}`. A component in the place of another keeps the
        parameters that both have.
    :param plugins: files or names of plugins that have components among the changes.
    :returns: the scenario and where each of its values stands.
    :raises ScenarioError: it is not valid; every fault with its place.
    """
    return _apply_changes(load(path), changes, _load_plugins(plugins))


def run(
    path: str | Path | Loaded,
    changes: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    steps: int | None = None,
    plugins: Sequence[str] = (),
    record: int = 0,
    memory: int | None = None,
) -> Run:
    """Run a scenario once.

    :param path: the scenario's file, or what `load_scenario` returned.
    :param changes: dotted keys with new values: `{"optimizer.lr": 0.1}`.
    :param seed: in place of the scenario's own.
    :param steps: in place of the scenario's own, where the task descends.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out, as `-p` does.
    :param record: keep the parameters at up to this many steps, spaced evenly by ratio, and at the end:
        `result.trace.recording`; then `result.views` has what can be looked at.
    :param memory: bytes that the run may take; 2 GB where it is not given, as for `--memory`.
    :returns: the run, as plain data; in a notebook it shows itself.
    :raises ScenarioError: the scenario is not valid.
    :raises PluginError: a plugin in `plugins` cannot be loaded.
    """
    loaded_plugins = _load_plugins(plugins)
    source = path.source if isinstance(path, Loaded) else load(path)
    scenario = _apply_changes(source, changes, loaded_plugins)
    loaded = override_seed_and_steps(scenario, seed, steps, loaded_plugins)
    with limit_memory(memory):
        return run_one(loaded, loaded_plugins, record=RecordOptions(record))


def sweep(
    path: str | Path,
    over: Mapping[str, Any] | None = None,
    seeds: int | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    plugins: Sequence[str] = (),
    options: SweepOptions | None = None,
) -> StoredSweep:
    """Run a scenario many times at once; results are kept in `.playground` below the working directory.

    :param path: the scenario's file.
    :param over: dotted keys with what a scenario's `sweep.over` may hold: `{"optimizer.lr": [0.01, 0.1]}`,
        `{"optimizer.lr": {"log": [1e-4, 1], "points": 20}}`.
    :param seeds: run every point from the seeds 0 to `seeds - 1`.
    :param changes: dotted keys with new values.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out, as `-p` does.
    :param options: engine, processes, memory, whether to compute again what is stored.
    :returns: the sweep summed up; `to_pandas()` has every run.
    :raises ScenarioError: the scenario or its sweep is not valid.
    :raises PluginError: a plugin in `plugins` cannot be loaded.
    """
    loaded_plugins = _load_plugins(plugins)
    loaded = _apply_changes(load(path), changes, loaded_plugins)
    if over or seeds is not None:
        loaded = with_axes(loaded, over or {}, seeds)
    return run_sweep(loaded, loaded_plugins, options)


def plot(result: Run | StoredSweep, kind: str | None = None, *, width: float = 5.0) -> Figure:
    """Draw a run or a sweep; a notebook shows the figure, `savefig` writes it.

    :param result: of `run(..., record=60)`, without which there is only its loss, or of `sweep`.
    :param kind: `path`, `surface`, `function`, `boundary`, `fit`, `loss`; of a sweep `lr` or `loss`; None for the best.
    :param width: in inches.
    :raises PlaygroundError: there is no such picture of this, or matplotlib is not installed.
    """
    from playground.report.plotting.needed import require

    require()
    from playground.report.plotting.kinds import drawing
    from playground.runner.sweeping.ensemble import read_ensemble

    subject = result if isinstance(result, Run) else read_ensemble(Path(result.store).parent.parent, result.id)
    return drawing(subject, kind, width).figure


def _apply_changes(source: SourceText, changes: Mapping[str, Any] | None, plugins: Plugins) -> Loaded:
    known = ComponentCatalogue(plugins).known_parameters
    for key, value in (changes or {}).items():
        source = source.set(key, _yaml_text(key, value), known)
    return Loaded(parse_scenario(source), source)


def _load_plugins(specs: Sequence[str]) -> Plugins:
    """Load plugins; one that was asked for and fails is an error."""
    plugins = load_plugins(specs=tuple(specs), folder=Path.cwd())
    failures = [failure for failure in plugins.failures if failure.requested]
    if failures:
        raise PluginError(*map(str, failures))
    return plugins


def _yaml_text(key: str, value: Any) -> str:
    """Write a value as the YAML that `--set` would give; every text in quotes, so that none is taken for a number.

    :raises ScenarioError: YAML cannot say it.
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
