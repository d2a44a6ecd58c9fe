"""The tree of a scenario file: every value with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playground.errors import Place

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Entry:
    """One entry of a mapping: the place of its key, and its value."""

    key: Place
    value: Node


@dataclass(frozen=True)
class Node:
    """One value and where it stands.

    :param place: where it begins; for an alias, where its anchor stands, because that is where the value is.
    :param value: a scalar, the entries of a list, or those of a mapping by key.
    :param lead: characters between `place` and the first character of a text (1 for a quote); None where a position
        inside the text is not simply a column further on: text over several lines, or with escapes.
    """

    place: Place
    value: Scalar | tuple[Node, ...] | Mapping[str, Entry]
    lead: int | None = None

    def data(self) -> Any:
        """Return the value as plain lists, dicts and scalars; what an alias repeats is copied."""
        if isinstance(self.value, tuple):
            return [node.data() for node in self.value]
        if isinstance(self.value, Mapping):
            return {key: entry.value.data() for key, entry in self.value.items()}
        return self.value

    def child(self, key: str | int) -> Node | None:
        """Return the value at a key or a list position, None where there is none."""
        if isinstance(self.value, tuple):
            return self.value[key] if isinstance(key, int) and 0 <= key < len(self.value) else None
        if isinstance(self.value, Mapping) and isinstance(key, str) and key in self.value:
            return self.value[key].value
        return None
