"""A suite of problems to compare optimizers on: the validated content of its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Interval, MinLen
from pydantic import Field, ValidationError

from playground.errors import Fault, ScenarioError, suggest_names
from playground.scenario.base import Strict, Text
from playground.scenario.messages import KeyPath, faults
from playground.scenario.source import SourceText

TARGETS = 5
"""Losses that count as reached one after the other, for each problem."""

Record = TypeVar("Record", bound=Strict)


class ProblemEntry(Strict):
    """A problem of a suite."""

    scenario: Text | None = Field(
        default=None, description="The scenario's file, relative to the suite; by default SUITE/NAME.yaml."
    )
    family: Text = Field(description="The formula that this problem shares with others of other sizes or noise.")
    probe: Text = Field(description="What it probes: ill-conditioning, noise, data.")
    least: float | None = Field(default=None, description="The least loss over all data.")
    source: str = Field(default="", description="How the least loss is known.")
    headline: bool = Field(default=True, description="Whether it counts in the verdict.")
    tier: Literal["quick", "slow"] = Field(default="quick", description="Slow problems are computed on request.")


class ContrastPair(Strict):
    """The same problem with and without a property."""

    with_: Text = Field(alias="with", description="The problem with the property.")
    without: Text = Field(description="The problem without it.")


class CompareSection(Strict):
    """A comparison that `playground run` makes and judges."""

    optimizer: Text = Field(description="The optimizer to judge: adam, mine(beta=log:0.5:0.99).")
    against: list[Text] = Field(default=[], description="Baselines; by default sgd, momentum, adam and adamw.")
    suite: Text | None = Field(default=None, description="Name or file of a suite, if this file has no problems.")
    studies: Annotated[int, Interval(ge=2, le=1000)] | None = Field(default=None, description="Tuning studies.")
    expect: list[Text] = Field(default=[], description="What must be shown: better than adam.")


class SuiteFile(Strict):
    """A suite: problems in families, and pairs of problems that differ in one property."""

    name: Text | None = Field(default=None, description="The suite's name; by default that of its file.")
    summary: str = Field(default="", description="What it covers, in a sentence.")
    problems: Mapping[str, ProblemEntry] = Field(default={}, description="The problems by name.")
    contrasts: Mapping[str, list[ContrastPair]] = Field(default={}, description="Pairs of problems by property.")
    compare: CompareSection | None = Field(default=None, description="A comparison that `playground run` judges.")


class FrozenProblem(Strict):
    """What was measured of a problem once, so that no contestant changes how others are scored."""

    least: float = Field(description="The least loss.")
    targets: Annotated[list[float], MinLen(1)] = Field(description="Losses that count as reached, descending.")
    content: Text = Field(description="Hash of the scenario that they hold for.")


class FrozenTargets(Strict):
    """The frozen targets of a suite, as `playground suite freeze` writes them."""

    made: str = Field(default="", description="How they were made.")
    problems: Mapping[str, FrozenProblem] = Field(description="By name of the problem.")


def is_suite(source: SourceText) -> bool:
    """Tell whether a file is a suite, and not a scenario: a scenario has a task."""
    return "task" not in source.root.entries and bool({"problems", "compare"} & source.root.entries.keys())


def parse_suite(source: SourceText) -> SuiteFile:
    """Validate the content of a suite's file.

    :raises ScenarioError: it is not valid; contains every fault with its place.
    """
    found = _validate(SuiteFile, source, _accepted_keys)
    pairs = ((what, place, pair) for what, some in found.contrasts.items() for place, pair in enumerate(some))
    unknown = [
        Fault(f"unknown problem {name!r}{suggest_names(name, found.problems)}", ("contrasts", what, place, key))
        for what, place, pair in pairs
        for key, name in (("with", pair.with_), ("without", pair.without))
        if name not in found.problems
    ]
    if not found.problems and not (found.compare and found.compare.suite):
        unknown.append(Fault("a suite needs problems, or compare: {suite: ...}"))
    if found.problems and found.compare and found.compare.suite:
        unknown.append(Fault("this file has problems of its own, and names another suite", ("compare", "suite")))
    if unknown:
        raise source.locate(ScenarioError(*unknown))
    return found if found.name else found.model_copy(update={"name": Path(source.file).stem})


def parse_targets(source: SourceText) -> FrozenTargets:
    """Validate the content of a suite's file of frozen targets.

    :raises ScenarioError: it is not valid; contains every fault with its place.
    """
    return _validate(FrozenTargets, source, lambda path: FrozenProblem.model_fields if len(path) == 2 else ())


def _validate(model: type[Record], source: SourceText, accepted: Any) -> Record:
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        raise source.locate(ScenarioError(*faults(error, accepted))) from error


def _accepted_keys(path: KeyPath) -> tuple[str, ...]:
    """Return the accepted keys of the mapping at `path`, for suggestions."""
    match path:
        case ():
            return tuple(SuiteFile.model_fields)
        case ("compare",):
            return tuple(CompareSection.model_fields)
        case ("problems", _):
            return tuple(ProblemEntry.model_fields)
        case ("contrasts", *_):
            return ("with", "without")
        case _:
            return ()
