"""The tree of a scenario file: every value with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.errors import Fault, Place, ScenarioError

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class YamlEntry:
    """One entry of a mapping: the place of its key, and its value."""

    key: Place
    value: YamlNode


@dataclass(frozen=True)
class YamlNode:
    """One value and its place.

    :param place: where the value begins; for an alias, the place of its anchor, because the value is written there.
    :param value: a scalar, the entries of a list, or the entries of a mapping by key.
    :param lead: characters between `place` and the first character of a text (1 for a quote); None if positions inside
        the text do not map to columns: text over several lines, or with escapes.
    """

    place: Place
    value: Scalar | tuple[YamlNode, ...] | Mapping[str, YamlEntry]
    lead: int | None = None

    @classmethod
    def of(cls, data: Any, place: Place) -> YamlNode:
        """Return a tree of plain data; every value has the same place.

        :raises ScenarioError: the data contain something that YAML cannot express.
        """
        if data is None or isinstance(data, bool | str):
            return cls(place, data)
        if isinstance(data, int | float):  # a NumPy float is a subclass of float; this writes it as a plain one
            return cls(place, int(data) if isinstance(data, int) else float(data))
        if isinstance(data, Mapping) and all(isinstance(key, str) for key in data):
            return cls(place, {key: YamlEntry(place, cls.of(value, place)) for key, value in data.items()})
        if isinstance(data, Sequence) and not isinstance(data, bytes | bytearray):
            return cls(place, tuple(cls.of(value, place) for value in data))
        expected = "keys that are text" if isinstance(data, Mapping) else f"plain data, got {type(data).__name__}"
        raise ScenarioError(Fault(f"expected {expected}", place=place))

    @property
    def entries(self) -> Mapping[str, YamlEntry]:
        """The entries of a mapping; empty for any other value."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> tuple[YamlNode, ...]:
        """The entries of a list; empty for any other value."""
        return self.value if isinstance(self.value, tuple) else ()

    def data(self) -> Any:
        """Return the value as plain lists, dicts and scalars; copies the value at each alias."""
        if isinstance(self.value, tuple):
            return [node.data() for node in self.value]
        if isinstance(self.value, Mapping):
            return {key: entry.value.data() for key, entry in self.value.items()}
        return self.value

    def child(self, key: str | int) -> YamlNode | None:
        """Return the value at a key or a list position; None if there is none."""
        if isinstance(self.value, tuple):
            return self.value[key] if isinstance(key, int) and 0 <= key < len(self.value) else None
        if isinstance(self.value, Mapping) and isinstance(key, str) and key in self.value:
            return self.value[key].value
        return None

    def with_entry(self, key: str, entry: YamlEntry) -> YamlNode:
        """Return the mapping with an entry added or replaced; any other value becomes a mapping."""
        return YamlNode(self.place, {**self.entries, key: entry})

    def without(self, key: str) -> YamlNode:
        """Return the mapping without one entry."""
        return YamlNode(self.place, {name: entry for name, entry in self.entries.items() if name != key})
