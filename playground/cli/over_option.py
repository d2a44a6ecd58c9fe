"""What `--over KEY=VALUES` says: `optimizer.lr=log:1e-4:1:20`, `optimizer.lr=0.003,0.01` or `model.hidden=[4],[8]`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from playground.errors import Fault, Place, PlaygroundError, suggestion
from playground.scenario.messages import faults, format_value
from playground.scenario.reader import read
from playground.scenario.source import argument
from playground.scenario.sweep import SweepAxis

RANGE_PARTS = {
    "log": ("low", "high", "points"),
    "linear": ("low", "high", "points"),
    "random": ("low", "high", "count", "seed"),
}
"""The parts of each range, in order; a seed may be left out."""

_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def parse_over(text: str) -> tuple[str, Any]:
    """Return a dotted key and what a scenario's `sweep.over` would hold for it: a list, or a range as a mapping.

    A list is split at its commas, but not inside brackets or quotes; each of its values is YAML.

    :raises PlaygroundError: it cannot be understood; one line, with the option as it was given.
    """
    place = argument(f"--over {text}")
    key, equals, values = (part.strip() for part in text.partition("="))
    if not (key and equals and values):
        raise PlaygroundError(Fault("expected KEY=VALUES, such as optimizer.lr=0.01,0.1", place=place))
    return key, _range(values, place) or [_value(part, place) for part in _split(values, place)]


def _range(text: str, place: Place) -> dict[str, Any] | None:
    """Return `log:1e-4:1:20` as `{log: [1e-4, 1], points: 20}`; None where the text is no range."""
    word, *parts = text.split(":")
    if word not in RANGE_PARTS or not parts:  # `model=linear` names a model
        if re.fullmatch(r"[A-Za-z]+(:[^:,]*){3,4}", text):
            raise PlaygroundError(
                Fault(f"unknown range {format_value(word)}{suggestion(word, RANGE_PARTS)}", place=place)
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
    """Read one value.

    :raises PlaygroundError: it is empty, or not YAML.
    """
    if not text.strip():
        raise PlaygroundError(Fault("a value is empty; write null or '' if that is meant", place=place))
    node = read(text, lambda line, column: place)
    return node.data() if node else None


def _split(text: str, place: Place) -> list[str]:
    """Split at the commas that stand outside of brackets and quotes.

    :raises PlaygroundError: brackets or quotes do not match.
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
            raise PlaygroundError(Fault(f"{character!r} closes nothing that is open", place=place))
        elif character == "," and not closing:
            parts.append("")
            continue
        parts[-1] += character
    if quote or closing:
        raise PlaygroundError(Fault(f"{quote or closing[-1]!r} is missing at the end", place=place))
    return parts
