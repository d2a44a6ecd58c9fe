"""A scenario: the validated, frozen content of its file. Does not look up names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from annotated_types import Gt
from pydantic import AllowInfNan, Field, ValidationError, field_validator, model_validator

from playground.errors import Fault, ScenarioError, suggest_correction
from playground.scenario.base import Count, NonNegative, Seed, Span, Strict, Text
from playground.scenario.expect import Check
from playground.scenario.messages import FaultyKey, UnfitError, faults, format_value, mismatch, unknown_key
from playground.scenario.messages import KeyPath as Keys
from playground.scenario.replacement import ParameterLookup, keep_no_parameter
from playground.scenario.shorthand import COMPONENT_KINDS, expand_shorthand
from playground.scenario.source import SourceText, load_source
from playground.scenario.sweep import SweepAxis, SweepSection

__all__ = [
    "CORE_KEYS",
    "Check",
    "ClipSection",
    "ComponentRef",
    "Loaded",
    "Patience",
    "Scenario",
    "Stop",
    "SweepAxis",
    "SweepSection",
    "load_scenario",
    "parse_scenario",
]


class ComponentRef(Strict):
    """A component that a scenario names, with the parameters it sets there."""

    name: Text
    parameters: Mapping[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if not isinstance(value, Mapping | ComponentRef):
            raise UnfitError(mismatch("a name or {name: ..., parameter: value}", value))
        return value


class Patience(Strict):
    """How many steps a run continues without an improvement."""

    steps: Count = Field(description="Stalled when the best loss has not improved for this many steps.")
    improvement: NonNegative = Field(default=0.0, description="An improvement is a best loss lower by more than this.")


class Stop(Strict):
    """Rules that end a run before its budget of steps is used."""

    loss: float | None = Field(
        default=None,
        description="Converged when the loss is this or less; with `batch_size`, that of the step's batch.",
    )
    gradient: NonNegative | None = Field(
        default=None, description="Converged when the gradient's Euclidean norm, over all parameters, is this or less."
    )
    patience: Patience | None = Field(default=None, description="Stalled when nothing improves for a while.")
    divergence: Annotated[float, Gt(0), AllowInfNan(True)] = Field(
        default=1e6, description="Diverged when the loss is more than this times max(1, |first loss|)."
    )


class ClipSection(Strict):
    """Limits on gradients before each update."""

    norm: Annotated[float, Gt(0)] | None = Field(
        default=None, description="Scale the gradient down to this Euclidean norm, over all parameters."
    )
    value: Annotated[float, Gt(0)] | None = Field(
        default=None, description="Limit each entry of the gradient to the range from -value to value."
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.norm is None and self.value is None:
            raise UnfitError("expected 'norm' or 'value', such as {norm: 1}")
        return self


class Scenario(Strict):
    """One scenario: task, components, budget, expectations, and the task's own keys."""

    name: Text = Field(description="The scenario's name; by default that of its file.")
    summary: str = Field(default="", description="What it teaches or shows, in a sentence.")
    task: ComponentRef = Field(description="The task to run.")
    requires: list[str] = Field(default=[], description="Plugins that must be installed.")
    components: Mapping[str, ComponentRef] = Field(default={}, description="The components by kind.")
    steps: Annotated[int, Field(ge=0, le=10**9)] = Field(
        default=1000, description="The budget: how many updates at most."
    )
    seed: Seed = Field(default=0, description="Seed of the initial parameters and of the order of mini-batches.")
    batch_size: Count | None = Field(default=None, description="Samples per step; all of them by default.")
    trace_loss: Literal["batch", "all_data"] | None = Field(
        default=None,
        description="The loss that traces hold: that of the step's batch (default), or that of all data, at up to 64 "
        "steps.",
    )
    stop: Stop = Field(default=Stop(), description="Rules that end a run before its budget is used.")
    clip: ClipSection | None = Field(default=None, description="Limits on gradients before each update.")
    dtype: Literal["float32", "float64"] = Field(default="float32", description="Floating-point type of all tensors.")
    device: Text = Field(default="cpu", description="Device of all tensors: cpu, cuda, mps.")
    expect: Mapping[str, Check] = Field(default={}, description="Expectations by quantity: {loss: {below: 0.1}}.")
    plot: Mapping[str, Span] | None = Field(
        default=None, description="Range of each variable in pictures: {x: [-10, 4]}."
    )
    sweep: SweepSection | None = Field(default=None, description="Many runs of this scenario.")
    section: Mapping[str, Any] = Field(default={}, description="Every other key of the file; these belong to the task.")

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable():
            raise UnfitError(f"expected a name of printable characters on one line, got {format_value(name)}")
        return name

    @field_validator("trace_loss")
    @classmethod
    def _leave_out_default(cls, chosen: str | None) -> str | None:
        """Return None for the default, so that writing it out changes no key of a stored run."""
        return None if chosen == "batch" else chosen

    @field_validator("requires")
    @classmethod
    def _plugins(cls, requires: list[str]) -> list[str]:
        for position, name in enumerate(requires):
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
                raise UnfitError(mismatch("the name of a plugin", name), position)
        return requires


CORE_KEYS = tuple(key for key in Scenario.model_fields if key not in ("components", "section"))
"""The top-level keys that every scenario may have, apart from the kinds of component and the task's own keys."""


@dataclass(frozen=True)
class Loaded:
    """A scenario together with its source text, which has the place of every value.

    :param in_hand: the components that it names and no plugin has: objects that a call was given.
    """

    scenario: Scenario
    source: SourceText
    in_hand: tuple[Any, ...] = field(default=(), compare=False, repr=False)


def load_scenario(
    path: str | Path, overrides: Sequence[tuple[str, str]] = (), known: ParameterLookup = keep_no_parameter
) -> Loaded:
    """Read and validate a scenario file.

    :param overrides: dotted keys with values as YAML, as in `--set optimizer.lr=0.1`; later ones take precedence.
    :param known: returns the parameters of a component; decides which old parameters a replacement component keeps.
    :raises ScenarioError: the file is not valid; contains every fault with its place.
    """
    source = load_source(path)
    for dotted, text in overrides:
        source = source.set(dotted, text, known)
    return Loaded(parse_scenario(source), source)


def parse_scenario(source: SourceText, valid: Loaded | None = None) -> Scenario:
    """Validate the values of a scenario.

    :param valid: a validated scenario of the same file. Values that are the same objects in both sources are not
        validated again but shared. This makes many variants of one scenario cheap.
    :raises ScenarioError: the values are not valid; contains every fault with its place.
    """
    found: list[Fault] = []
    scenario = None
    try:
        scenario = Scenario.model_validate(_arrange(source, valid))
    except ValidationError as error:
        found = [replace(fault, path=_written_path(fault.path, source.data)) for fault in faults(error, _accepted_keys)]
    found += _find_misplaced(source.data)
    if scenario is None or found:
        raise source.locate(ScenarioError(*found))
    return scenario


def _arrange(source: SourceText, valid: Loaded | None) -> dict[str, Any]:
    """Return the file's top level in the layout of `Scenario`: core keys, components, and the task's section."""
    data, known = source.data, _reuse_valid(source, valid) if valid else {}
    arranged = {key: known.get(key, data[key]) for key in CORE_KEYS if key in data}
    arranged.setdefault("name", Path(source.file).stem)
    references = {kind: known.get(kind) or _reference(kind, data[kind]) for kind in _REFERENCES if kind in data}
    if "task" in references:
        arranged["task"] = references.pop("task")
    arranged["components"] = references
    arranged["section"] = {key: value for key, value in data.items() if key not in (*CORE_KEYS, *COMPONENT_KINDS)}
    return arranged


_REFERENCES = ("task", *COMPONENT_KINDS)


def _reuse_valid(source: SourceText, valid: Loaded) -> dict[str, Any]:
    """Return the values that are already validated, by top-level key."""
    scenario = valid.scenario
    read = {key: getattr(scenario, key) for key in CORE_KEYS} | dict(scenario.components)
    return {key: read[key] for key in source.common(valid.source) if key in read}


def _reference(kind: str, value: Any) -> Any:
    """Return a component in the layout of `ComponentRef`; anything but text or a mapping is left for validation."""
    mapping = expand_shorthand(kind, value)
    if not isinstance(mapping, dict):
        return mapping
    parameters = {key: given for key, given in mapping.items() if key != "name"}
    return {"name": mapping["name"], "parameters": parameters} if "name" in mapping else {"parameters": parameters}


def _written_path(path: Keys, data: Mapping[str, Any]) -> Keys:
    """Return a fault's path in the file: components are top-level keys there, and shorthand leaves out keys."""
    match path:
        case ("components", *rest):
            return tuple(rest)
        case ("expect", quantity, "equals", *rest) if not isinstance(data["expect"][quantity], dict):
            return ("expect", quantity, *rest)
        case ("sweep", "expect", quantity, "equals", *rest) if not isinstance(data["sweep"]["expect"][quantity], dict):
            return ("sweep", "expect", quantity, *rest)
        case _:
            return path


def _find_misplaced(data: Mapping[str, Any]) -> list[Fault]:
    """Find faults that the models cannot see: parameters inside `task`, and a misspelt `task`."""
    task = data.get("task")
    if isinstance(task, dict):
        message = "a task's own keys belong at the top level of the file, beside 'task'"
        return [
            Fault(f"{message}; move {format_value(key)} there", ("task", FaultyKey(key)))
            for key in task
            if key != "name"
        ]
    if "task" in data:
        return []
    known = (*CORE_KEYS, *COMPONENT_KINDS)
    strangers = [key for key in data if key not in known and suggest_correction(key, ["task"])]
    return [Fault(unknown_key(key, ["task"]), (FaultyKey(key),)) for key in strangers]


def _accepted_keys(path: Keys) -> tuple[str, ...]:
    """Return the accepted keys of the mapping at `path`, for suggestions."""
    match path:
        case ("stop",):
            model: type[Strict] = Stop
        case ("stop", "patience"):
            model = Patience
        case ("clip",):
            model = ClipSection
        case ("sweep",):
            model = SweepSection
        case ("sweep", "over", _):
            model = SweepAxis
        case ("expect", _) | ("sweep", "expect", _):
            model = Check
        case _:
            return ()
    return tuple(model.model_fields)
