"""The optimizers of a comparison, as the command names them: `adam`, `mine(beta=log:0.5:0.99)`, `momentum=sgd(...)`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

from playground.errors import ComponentError, Place, PlaygroundError
from playground.plugins.manager import Plugins
from playground.plugins.parameters import Parameter, component_signature, scenario_parameters
from playground.plugins.search_ranges import Choices, LinearRange, LogRange, SearchRange
from playground.plugins.signature import validate
from playground.runner.comparing.search_spaces import SearchSpace, make_space
from playground.scenario.reader import read_yaml

RATE = "lr"
"""The parameter that is tuned unless something else is said."""

RATE_RANGE = LogRange(1e-5, 10.0)
"""Its coarse values: six decades."""

BASELINES: Mapping[str, str] = {"sgd": "sgd", "momentum": "sgd(momentum=0.9)", "adam": "adam", "adamw": "adamw"}
"""The optimizers to compare with by default, by their labels."""

_FORM = re.compile(r"(?:(?P<label>[\w.-]+)=)?(?P<name>[\w.-]+)(?:\((?P<arguments>.*)\))?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """An optimizer with what is tuned of it.

    :param label: what the result calls it.
    :param name: of the component.
    :param fixed: parameters that every run has.
    :param ranges: parameters that are tuned.
    """

    label: str
    name: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, SearchRange] = field(default_factory=dict)

    @property
    def space(self) -> SearchSpace:
        """The settings that a study tries."""
        return make_space(self.ranges)

    def __str__(self) -> str:
        """`sgd(momentum=0.9, lr=log:1e-05:10)`."""
        given = {**self.fixed, **self.ranges}
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in given.items())})"


def split_contestants(text: str) -> list[str]:
    """Split a list of optimizers at the commas outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def parse_contestant(text: str, plugins: Plugins) -> Contestant:
    """Read an optimizer of the command line.

    :param text: `NAME`, `NAME(PARAMETER=VALUE, ...)` or `LABEL=NAME(...)`. A value is YAML; `log:LOW:HIGH`, `LOW:HIGH`
        and a list are ranges to tune. A label of `BASELINES` stands for that baseline.
    :raises ComponentError: the text has another form, or there is no such optimizer or parameter.
    """
    match = _FORM.fullmatch(BASELINES.get(text, text).strip())
    if match is None:
        raise ComponentError(
            f"expected an optimizer like adam, mine(beta=0.9) or mine(beta=log:0.5:0.99), got {text!r}"
        )
    name = match["name"]
    component = plugins.registry.get("optimizer", name)
    given = dict(_split_argument(part, text) for part in split_contestants(match["arguments"] or "") if part)
    parameters = {each.name: each for each in scenario_parameters(component)}
    ranges = {key: value for key, value in given.items() if isinstance(value, SearchRange)}
    fixed = {key: value for key, value in given.items() if key not in ranges}
    marked = {key: _declared_range(each) for key, each in parameters.items()}
    declared = {key: span for key, span in marked.items() if span is not None}
    if not declared and RATE in parameters:
        declared = {RATE: RATE_RANGE}
    ranges = {key: value for key, value in declared.items() if key not in given} | ranges
    open_ended = component_signature(component).open
    for key in ranges:
        if key not in parameters and not open_ended:
            known = ", ".join(parameters) or "none"
            raise ComponentError(f"optimizer {name!r} has no parameter {key!r}; it has: {known}")
    found = Contestant(
        label=match["label"] or (text if text in BASELINES else text.strip()), name=name, fixed=fixed, ranges=ranges
    )
    try:
        validate(component, {**fixed, **dict(found.space.first[0])})
    except PlaygroundError as error:
        raise ComponentError(f"{text}: {error}") from error
    return found


def name_contestants(texts: Sequence[str], plugins: Plugins) -> list[Contestant]:
    """Read several optimizers, which must have different labels.

    :raises ComponentError: one cannot be read, or two have one label.
    """
    found: dict[str, Contestant] = {}
    for text in texts:
        contestant = parse_contestant(text, plugins)
        if contestant.label in found:
            again = f"again={text}"
            raise ComponentError(f"{contestant.label!r} is compared twice; give one a label: {again}")
        found[contestant.label] = contestant
    return list(found.values())


def _split_argument(part: str, text: str) -> tuple[str, Any]:
    """Return the name and the value of an argument."""
    name, equals, value = part.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ComponentError(f"{text}: expected PARAMETER=VALUE within the brackets, got {part!r}")
    return name.strip(), _read_value(value.strip(), text)


def _read_value(value: str, text: str) -> Any:
    """Return a range, or a value of YAML; a list of one value, which may be a list, is that value."""
    kind, bounds = (LogRange, value[4:]) if value.startswith("log:") else (LinearRange, value)
    if len(ends := bounds.split(":")) == 2 or kind is LogRange:
        try:
            low, high = map(float, ends)
        except ValueError:
            raise ComponentError(f"{text}: expected log:LOW:HIGH or LOW:HIGH, got {value!r}") from None
        if not low < high or (kind is LogRange and low <= 0):
            raise ComponentError(f"{text}: expected a range of ascending numbers, positive after log:, got {value!r}")
        return kind(low, high)
    node = read_yaml(value, partial(_keep_place, Place(text)))
    found = None if node is None else node.data()
    if isinstance(found, list):
        if not found:
            raise ComponentError(f"{text}: the list of values is empty")
        if len(found) == 1:
            return found[0]
        if any(isinstance(each, list | dict) for each in found):
            raise ComponentError(
                f"{text}: expected numbers, texts or booleans to tune, got a list of lists or mappings"
            )
        return Choices(tuple(found))
    return found


def _keep_place(place: Place, line: int, column: int) -> Place:
    return place


def _declared_range(parameter: Parameter) -> SearchRange | None:
    """Return the range in a parameter's annotation: `Annotated[float, LogRange(1e-4, 1)]`."""
    marks = get_args(parameter.annotation)[1:] if hasattr(parameter.annotation, "__metadata__") else ()
    return next((mark for mark in marks if isinstance(mark, SearchRange)), None)
