"""A scenario with another rate, seed or budget than its file says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playground.plugins.manager import Plugins
from playground.runner.catalogue import Catalogue
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


def load(file: Path | str, changes: Changes, plugins: Plugins) -> Loaded:
    """Load one scenario with changes applied.

    :raises ScenarioError: it is not valid, or is not with these changes.
    """
    return changed(load_scenario(file, changes.overrides), changes.seed, changes.steps, plugins)


def changed(loaded: Loaded, seed: int | None, steps: int | None, plugins: Plugins) -> Loaded:
    """Return a scenario with another seed, and another budget if its task descends.

    :raises ScenarioError: one of them is out of range.
    """
    source, task, catalogue = loaded.source, loaded.scenario.task.name, Catalogue(plugins)
    if seed is not None:
        source = source.set("seed", str(seed))
    if steps is not None and task in catalogue.names("task") and catalogue.descends(task):
        source = source.set("steps", str(steps))
    return loaded if source is loaded.source else Loaded(parse_scenario(source), source)
