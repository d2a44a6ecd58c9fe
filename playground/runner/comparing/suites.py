"""Loads suites: their problems as scenarios without an optimizer, with frozen targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from playground.errors import ComponentError, Fault, PlaygroundError, ScenarioError
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.runner.loading.scenario_files import TARGETS_SUFFIX
from playground.runner.sweeping.plan import digest, seedless_spec
from playground.scenario.model import Loaded, Scenario, load_scenario
from playground.scenario.source import load_source
from playground.scenario.suite import FrozenTargets, ProblemEntry, SuiteFile, parse_suite, parse_targets

MIN_FAMILIES = 20
"""Families below which nothing is said about problems like these."""


@dataclass(frozen=True, kw_only=True)
class SuiteProblem:
    """A problem of a suite.

    :param entry: what the suite's file says of it.
    :param loaded: its scenario; the optimizer in it is replaced by each contestant.
    :param least: the least loss over all data.
    :param targets: losses that count as reached, above the least loss, descending; empty if they are not frozen.
    """

    name: str
    entry: ProblemEntry
    loaded: Loaded
    least: float
    targets: Sequence[float] = ()

    @property
    def scenario(self) -> Scenario:
        """The scenario."""
        return self.loaded.scenario

    @cached_property
    def content(self) -> str:
        """A hash of everything in the scenario except its optimizer."""
        return scenario_content(self.scenario)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Problems to compare optimizers on.

    :param file: the suite's file.
    :param problems: by name.
    :param content: what the file says.
    """

    name: str
    file: Path
    problems: Mapping[str, SuiteProblem]
    content: SuiteFile

    @property
    def families(self) -> Sequence[str]:
        """The families whose problems count in the verdict, each once."""
        return list(dict.fromkeys(each.entry.family for each in self.problems.values() if each.entry.headline))

    @cached_property
    def hash(self) -> str:
        """A hash of the problems, their families and their targets."""
        return digest(
            [
                (name, each.content, each.entry.family, each.entry.headline, each.least, list(each.targets))
                for name, each in sorted(self.problems.items())
            ]
        )

    def with_problems(self, problems: Mapping[str, SuiteProblem]) -> Suite:
        """Return the suite with these problems only."""
        return replace(self, problems=problems)

    def select_tiers(self, tiers: Sequence[str]) -> Suite:
        """Return the suite with the problems of these tiers only."""
        return self.with_problems({name: each for name, each in self.problems.items() if each.entry.tier in tiers})


def scenario_content(scenario: Scenario) -> str:
    """Return a hash of everything in a scenario except its optimizer, its seed and what it is called."""
    spec = seedless_spec(scenario)
    components = {kind: ref for kind, ref in spec["components"].items() if kind != "optimizer"}
    return digest({**spec, "components": components, "expect": None, "stop": None})


def find_suite(name: str, plugins: Plugins) -> Path:
    """Return the file of a suite: a path, or the name of a registered suite.

    :raises ComponentError: there is no such suite.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    found = build(plugins.registry.get("suite", name), {})
    if not isinstance(found, Path):
        raise ComponentError(f"suite {name!r} returned a {type(found).__name__}; expected the Path of its file")
    return found


def targets_path(file: Path) -> Path:
    """Return the file of a suite's frozen targets: `core.targets.yaml` beside `core.yaml`."""
    return file.with_suffix(f"{TARGETS_SUFFIX}{file.suffix}")


def load_suite(file: Path, frozen: bool = True) -> Suite:
    """Read a suite and the scenarios of its problems.

    :param frozen: whether its targets must be frozen.
    :raises PlaygroundError: a file cannot be read, is not valid, or targets are missing or of another scenario.
    """
    source = load_source(file)
    content = parse_suite(source)
    if not content.problems:
        raise source.locate(ScenarioError(Fault("this suite has no problems", ("compare",))))
    targets = _load_targets(file)
    problems, faults = {}, []
    for name, entry in content.problems.items():
        path = file.parent / (entry.scenario or f"{file.stem}/{name}.yaml")
        try:
            problems[name] = _load_problem(name, entry, load_scenario(path), targets)
        except PlaygroundError as error:
            faults += [replace(each, place=each.place or source.place(("problems", name))) for each in error.faults]
    if not faults and frozen:
        faults = [source.add_place(fault) for fault in _find_unfrozen(file, problems, targets)]
    if faults:
        raise ScenarioError(*faults)
    return Suite(name=content.name or file.stem, file=file, problems=problems, content=content)


def _load_targets(file: Path) -> FrozenTargets:
    path = targets_path(file)
    return parse_targets(load_source(path)) if path.is_file() else FrozenTargets(problems={})


def _load_problem(name: str, entry: ProblemEntry, loaded: Loaded, targets: FrozenTargets) -> SuiteProblem:
    """Return a problem with its targets.

    :raises ScenarioError: the scenario does not descend by an optimizer.
    """
    if "optimizer" not in loaded.scenario.components:
        raise loaded.source.locate(ScenarioError(Fault("a problem of a suite needs an optimizer to replace")))
    known = targets.problems.get(name)
    least = entry.least if entry.least is not None else known.least if known else float("nan")
    return SuiteProblem(
        name=name, entry=entry, loaded=loaded, least=least, targets=tuple(known.targets) if known else ()
    )


def _find_unfrozen(file: Path, problems: Mapping[str, SuiteProblem], targets: FrozenTargets) -> list[Fault]:
    """Find problems without targets, or whose targets were made for another scenario."""
    missing = [name for name in problems if name not in targets.problems]
    changed = [name for name, each in problems.items() if name not in missing and not _fits(each, targets)]
    found = []
    for names, what in ((missing, "without targets"), (changed, "that changed since their targets were made")):
        if names:
            count = f"problem {names[0]!r}" if len(names) == 1 else f"{len(names)} problems"
            message = f"{count} {what}: run `playground suite freeze {file}`"
            found.append(Fault(message, ("problems", names[0])))
    return found


def _fits(problem: SuiteProblem, targets: FrozenTargets) -> bool:
    """Tell whether the targets were made for this scenario."""
    return targets.problems[problem.name].content == problem.content
