"""What a factory's docstring says about it: in Sphinx's style, and in Google's, which `torch.optim` is written in."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, Final

_SPHINX: Final = re.compile(r"^\s*:param\s+(?:[^:]*\s)?\**(?P<name>\w+):(?P<text>.*)$")
_GOOGLE: Final = re.compile(r"^\s*\**(?P<name>\w+)\s*(?:\([^)]*\))?:(?:\s|$)(?P<text>.*)$")
_GOOGLE_SECTION: Final = re.compile(r"^(?:Args|Arguments|Keyword Args):$")
_BLOCK: Final = re.compile(rf"^\s*\.\. |{_GOOGLE_SECTION.pattern}")


def own_docstring(factory: Callable[..., Any]) -> str:
    """Return the docstring that was written for this factory: not inherited, not made up by `dataclass`."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    if not (isinstance(factory, type) or inspect.isroutine(factory)):
        factory = type(factory)
    text = vars(factory).get("__doc__") if isinstance(factory, type) else factory.__doc__
    if not isinstance(text, str):
        return ""
    made_up = dataclasses.is_dataclass(factory) and text.startswith(f"{factory.__name__}(")
    return "" if made_up else inspect.cleandoc(text)


def summary(text: str) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(text.strip().split("\n\n")[0].split())


def descriptions(factory: Callable[..., Any]) -> dict[str, str]:
    """Return what docstrings say of each parameter: those of a class, of its bases and of its constructor."""
    if not isinstance(factory, type):
        return parse_descriptions(own_docstring(factory))
    found: dict[str, str] = {}
    for base in reversed(factory.__mro__[:-1]):
        found |= parse_descriptions(own_docstring(base))
        if "__init__" in vars(base):
            found |= parse_descriptions(own_docstring(vars(base)["__init__"]))
    return found


def prose(text: str) -> str:
    """Return what a docstring says to people.

    Parameters are told beside the parameters themselves; directives such as `.. math::`, with which torch's optimizers
    begin, mean something only to what typesets them.
    """
    kept: list[str] = []
    inside: int | None = None  # how deep the line is whose continuation lines are left out
    across = False  # whether blank lines belong to what is left out
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if inside is not None and (depth > inside if line.strip() else across):
            continue
        inside = None
        if _SPHINX.match(line) or _BLOCK.match(line):
            inside, across = depth, not _SPHINX.match(line)
            continue
        if line.strip() or (kept and kept[-1].strip()):  # no two blank lines where fields stood
            kept.append(line)
    return "\n".join(kept).strip()


def parse_descriptions(text: str) -> dict[str, str]:
    """Return the description of each parameter that a docstring names, each on one line."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None  # the lines of the parameter being described
    entries: int | None = None  # how deep the entries of a Google section are; 0 until its first line is seen
    indent = 0
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if not line.strip():
            current = None
            continue
        if depth == 0:
            entries = 0 if _GOOGLE_SECTION.match(line) else None
        elif entries == 0:
            entries = depth
        field = _SPHINX.match(line) or (_GOOGLE.match(line) if depth and entries == depth else None)
        if field:
            current, indent = found.setdefault(field["name"], []), depth
            current.append(field["text"])
        elif current is not None and depth > indent:
            current.append(line)
        else:
            current = None
    return {name: " ".join(" ".join(lines).split()) for name, lines in found.items()}
