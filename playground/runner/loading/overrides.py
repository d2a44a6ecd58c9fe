"""Loads scenarios with changes from the command line: overridden keys, seed, steps and memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins
from playground.runner.loading.catalogue import DESCENT_KEYS, ComponentCatalogue
from playground.scenario.model import Loaded, load_scenario, parse_scenario


@dataclass(frozen=True)
class Changes:
    """Changes to a scenario, as plain data that can travel to another process.

    :param overrides: dotted keys with YAML texts, as in `--set KEY=VALUE`.
    :param seed: replaces the scenario's seed.
    :param steps: replaces the scenario's budget; ignored by tasks that do not descend, so that it can apply to a
        folder.
    :param memory: bytes that one run may take; None for the default limit.
    """

    overrides: tuple[tuple[str, str], ...] = ()
    seed: int | None = None
    steps: int | None = None
    memory: int | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options of `playground run` that make these changes."""
        more = [(f"--{key}", getattr(self, key)) for key in ("seed", "steps", "memory")]
        numbers = tuple(word for option, value in more if value is not None for word in (option, str(value)))
        return (*(word for key, text in self.overrides for word in ("--set", f"{key}={text}")), *numbers)


def drop_foreign_overrides(file: Path, changes: Changes, plugins: Plugins) -> tuple[Changes, list[str]]:
    """Remove overrides of keys that a scenario's task does not take but another task does.

    With this, `--set optimizer=adam` can apply to a folder in which some scenarios do not descend.

    :returns: the remaining changes, and the removed overrides as `KEY=VALUE`.
    """
    foreign = find_foreign_keys(file, [key for key, _ in changes.overrides], plugins)
    kept = tuple((key, text) for key, text in changes.overrides if key not in foreign)
    unused = [f"{key}={text}" for key, text in changes.overrides if key in foreign]
    return replace(changes, overrides=kept), unused


def find_foreign_keys(file: Path, dotted: Iterable[str], plugins: Plugins) -> list[str]:
    """Return the dotted keys that a scenario's task does not take but another task does.

    Returns none if the file is not valid or the task itself is overridden; loading the file then reports the errors.
    """
    by_key = {key: key.partition(".")[0] for key in dotted}
    if not by_key or "task" in by_key.values():
        return []
    try:
        task = load_scenario(file).scenario.task.name
    except PlaygroundError:
        return []
    catalogue = ComponentCatalogue(plugins)
    taken = {name: _task_keys(name, catalogue) for name in catalogue.names("task")}
    others = set[str]().union(*taken.values())
    return [key for key, top in by_key.items() if task in taken and top in others - taken[task]]


def _task_keys(task: str, catalogue: ComponentCatalogue) -> set[str]:
    """Return the top-level keys that a task takes, without those of every scenario."""
    descent = DESCENT_KEYS if catalogue.descends(task) else ()
    return {*catalogue.task_kinds(task), *catalogue.task_parameters(task), *descent}


def load_with_changes(file: Path | str, changes: Changes, plugins: Plugins) -> Loaded:
    """Load one scenario and apply changes.

    :raises ScenarioError: the scenario is not valid with these changes.
    """
    return override_seed_and_steps(
        load_scenario(file, changes.overrides, ComponentCatalogue(plugins).known_parameters),
        changes.seed,
        changes.steps,
        plugins,
    )


def override_seed_and_steps(loaded: Loaded, seed: int | None, steps: int | None, plugins: Plugins) -> Loaded:
    """Return a scenario with another seed, and with another budget if its task descends.

    :raises ScenarioError: the seed or the budget is out of range.
    """
    source, task, catalogue = loaded.source, loaded.scenario.task.name, ComponentCatalogue(plugins)
    if seed is not None:
        source = source.set("seed", str(seed))
    if steps is not None and task in catalogue.names("task") and catalogue.descends(task):
        source = source.set("steps", str(steps))
    return loaded if source is loaded.source else Loaded(parse_scenario(source), source)
