"""A scenario with another rate, seed or budget than its file says."""

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
    """What is to be different, as plain data that can travel to another process.

    :param overrides: dotted keys with their YAML text, as `--set` gives them.
    :param seed: in place of the scenario's own.
    :param steps: in place of the scenario's own, where the task descends; so a folder can be given one budget.
    :param memory: bytes that one run may take; None for what is allowed anyway.
    """

    overrides: tuple[tuple[str, str], ...] = ()
    seed: int | None = None
    steps: int | None = None
    memory: int | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The part of a command line of `run` that asks for them."""
        more = [(f"--{key}", getattr(self, key)) for key in ("seed", "steps", "memory")]
        numbers = tuple(word for option, value in more if value is not None for word in (option, str(value)))
        return (*(word for key, text in self.overrides for word in ("--set", f"{key}={text}")), *numbers)


def drop_foreign_overrides(file: Path, changes: Changes, plugins: Plugins) -> tuple[Changes, list[str]]:
    """Leave out the overrides of keys that mean nothing to a scenario's task, but do to others'.

    So a folder of scenarios can be given another optimizer, though some in it do not descend.

    :returns: the changes that are left, and the overrides that are not, as `KEY=VALUE`.
    """
    foreign = find_foreign_keys(file, [key for key, _ in changes.overrides], plugins)
    kept = tuple((key, text) for key, text in changes.overrides if key not in foreign)
    unused = [f"{key}={text}" for key, text in changes.overrides if key in foreign]
    return replace(changes, overrides=kept), unused


def find_foreign_keys(file: Path, dotted: Iterable[str], plugins: Plugins) -> list[str]:
    """Return those of some dotted keys that a scenario's task does not take, and another task does.

    None of a file that is not valid, or is given another task: what is wrong there is told when it is loaded.
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
    """Return the top-level keys that a task takes besides those of every scenario."""
    descent = DESCENT_KEYS if catalogue.descends(task) else ()
    return {*catalogue.task_kinds(task), *catalogue.task_parameters(task), *descent}


def load_with_changes(file: Path | str, changes: Changes, plugins: Plugins) -> Loaded:
    """Load one scenario with changes applied.

    :raises ScenarioError: it is not valid, or is not with these changes.
    """
    return override_seed_and_steps(
        load_scenario(file, changes.overrides, ComponentCatalogue(plugins).known_parameters),
        changes.seed,
        changes.steps,
        plugins,
    )


def override_seed_and_steps(loaded: Loaded, seed: int | None, steps: int | None, plugins: Plugins) -> Loaded:
    """Return a scenario with another seed, and another budget if its task descends.

    :raises ScenarioError: one of them is out of range.
    """
    source, task, catalogue = loaded.source, loaded.scenario.task.name, ComponentCatalogue(plugins)
    if seed is not None:
        source = source.set("seed", str(seed))
    if steps is not None and task in catalogue.names("task") and catalogue.descends(task):
        source = source.set("steps", str(steps))
    return loaded if source is loaded.source else Loaded(parse_scenario(source), source)
