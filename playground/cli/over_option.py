"""Parse `--over KEY=VALUES`: `optimizer.lr=log:1e-4:1:20`, `optimizer.lr=0.003,0.01` or `model.hidden=[4],[8]`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from playground.errors import Fault, Place, PlaygroundError, suggest_names
from playground.scenario.messages import faults, format_value
from playground.scenario.reader import read_yaml
from playground.scenario.source import argument
from playground.scenario.sweep import SweepAxis

RANGE_PARTS = {
    "log": ("low", "high", "points"),
    "linear": ("low", "high", "points"),
    "random": ("low", "high", "count", "seed"),
}
"""The parts of each range, in order; the seed is optional."""

_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def parse_over(text: str) -> tuple[str, Any]:
    """Return a dotted key and its value in a scenario's `sweep.over`: a list, or a range as a mapping.

    A list is split at commas outside brackets and quotes; each value is YAML.

    :raises PlaygroundError: the text is invalid; the message repeats the option.
    """
    place = argument(f"--over {text}")
    key, equals, values = (part.strip() for part in text.partition("="))
    if not (key and equals and values):
        raise PlaygroundError(Fault("expected KEY=VALUES, such as optimizer.lr=0.01,0.1", place=place))
    return key, _range(values, place) or [_value(part, place) for part in _split(values, place)]


def _range(text: str, place: Place) -> dict[str, Any] | None:
    """Return `log:1e-4:1:20` as `{log: [1e-4, 1], points: 20}`; None if the text is not a range."""
    word, *parts = text.split(":")
    if word not in RANGE_PARTS or not parts:  # `model=linear` names a model
        if re.fullmatch(r"[A-Za-z]+(:[^:,]*){3,4}", text):
            raise PlaygroundError(
                Fault(f"unknown range {format_value(word)}{suggest_names(word, RANGE_PARTS)}", place=place)
            )
        return None
    names = RANGE_PARTS[word]
    least = len(names) - ("seed" in names)
    if not least <= len(parts) <= len(names):
        form = ":".join((word, *(name.upper() for name in names[:least])))
        optional = "[:SEED]" if "seed" in names else ""
        raise PlaygroundError(Fault(f"expected {form}{optional}, got {len(parts)} parts after {word!r}", place=place))
    low, high, *rest = (_value(part, place) for part in parts)
    axis = {word: [low, high], **dict(zip(names[2:], rest, strict=False))}
    try:
        SweepAxis.model_validate(axis)
    except ValidationError as error:
        raise PlaygroundError(*(Fault(fault.message, place=place) for fault in faults(error))) from None
    return axis


def _value(text: str, place: Place) -> Any:
    """Parse one value.

    :raises PlaygroundError: the text is empty or not YAML.
    """
    if not text.strip():
        raise PlaygroundError(Fault("a value is empty; write null or '' for an empty value", place=place))
    node = read_yaml(text, lambda line, column: place)
    return node.data() if node else None


def _split(text: str, place: Place) -> list[str]:
    """Split at commas outside brackets and quotes.

    :raises PlaygroundError: brackets or quotes are not balanced.
    """
    parts = [""]
    closing: list[str] = []
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and not parts[-1][-1:].isalnum():  # inside a word it is an apostrophe
            quote = character
        elif character in _BRACKETS:
            closing.append(_BRACKETS[character])
        elif character in _BRACKETS.values() and (not closing or character != closing.pop()):
            raise PlaygroundError(Fault(f"{character!r} has no opening bracket", place=place))
        elif character == "," and not closing:
            parts.append("")
            continue
        parts[-1] += character
    if quote or closing:
        raise PlaygroundError(Fault(f"{quote or closing[-1]!r} is missing at the end", place=place))
    return parts
