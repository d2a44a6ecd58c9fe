"""What Python users call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playground.errors import PluginError
from playground.plugins.manager import load_plugins
from playground.result import Run
from playground.runner.batch import changed
from playground.runner.running import run_one
from playground.scenario.model import Loaded
from playground.scenario.model import load_scenario as _load_scenario


def load_scenario(path: str | Path, changes: Mapping[str, Any] | None = None) -> Loaded:
    """Load and validate a scenario file.

    :param path: the file.
    :param changes: dotted keys with new values: `{"optimizer.lr": 0.1}`.
    :returns: the scenario and where each of its values stands.
    :raises ScenarioError: it is not valid; every fault with its place.
    """
    return _load_scenario(path, _overrides(changes))


def run(
    scenario: str | Path | Loaded,
    changes: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    steps: int | None = None,
    plugins: Sequence[str] = (),
) -> Run:
    """Run a scenario once.

    :param scenario: a file, or what `load_scenario` returned.
    :param changes: dotted keys with new values, for a file: `{"optimizer.lr": 0.1}`.
    :param seed: in place of the scenario's own.
    :param steps: in place of the scenario's own, where the task descends.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out, as `-p` does.
    :returns: the run, as plain data; in a notebook it shows itself.
    :raises ScenarioError: the scenario is not valid.
    :raises PluginError: a plugin in `plugins` cannot be loaded.
    """
    loaded_plugins = load_plugins(specs=tuple(plugins), folder=Path.cwd())
    failures = [failure for failure in loaded_plugins.failures if failure.requested]
    if failures:
        raise PluginError(*map(str, failures))
    loaded = scenario if isinstance(scenario, Loaded) else load_scenario(scenario, changes)
    return run_one(changed(loaded, seed, steps, loaded_plugins), loaded_plugins)


def _overrides(changes: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Write values as the YAML text that the command line would give; JSON is YAML."""
    import json

    return tuple(
        (key, value if isinstance(value, str) else json.dumps(value)) for key, value in (changes or {}).items()
    )
