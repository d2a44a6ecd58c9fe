"""The text of a scenario: its values, their places, and values set from the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from playground.errors import Fault, Place, PlaygroundError, ScenarioError, suggest_correction
from playground.scenario.messages import FaultyKey, format_value
from playground.scenario.node import YamlEntry, YamlNode
from playground.scenario.reader import MAX_DEPTH, read_yaml
from playground.scenario.replacement import ParameterLookup, expand_component, keep_no_parameter, replace_component
from playground.scenario.shorthand import COMPONENT_KINDS
from playground.suggestions import find_closest

MAX_BYTES = 1_000_000
"""Maximum size of a scenario file."""

Error = TypeVar("Error", bound=PlaygroundError)


@dataclass(frozen=True)
class SourceText:
    """The values of one scenario file and their places.

    :param file: the file as the user named it.
    :param root: the top-level mapping.
    :param basis: the source that this one was derived from by changing a few values; the other values are shared.
    """

    file: str
    root: YamlNode
    basis: SourceText | None = field(default=None, repr=False, compare=False)

    @cached_property
    def data(self) -> dict[str, Any]:
        """The values as plain dicts, lists and scalars; do not modify them, because other sources may share them."""
        shared = self.common(self.basis) if self.basis else ()
        known = self.basis.data if self.basis else {}
        return {key: known[key] if key in shared else entry.value.data() for key, entry in self.root.entries.items()}

    def common(self, other: SourceText) -> set[str]:
        """Return the top-level keys whose values are the same objects in both sources, not only equal."""
        theirs = other.root.entries
        return {key for key, entry in self.root.entries.items() if key in theirs and theirs[key].value is entry.value}

    @property
    def changed(self) -> set[str]:
        """The top-level keys whose values were set from a command line or by a sweep, not by the file."""
        original = self
        while original.basis is not None:
            original = original.basis
        return self.root.entries.keys() - self.common(original)

    def place(self, path: Sequence[str | int], key: bool = False) -> Place:
        """Return where the value at `path` begins; if there is none, where its deepest existing parent begins.

        :param path: keys and list positions from the top.
        :param key: return the place of the last key instead; a path that ends in a `FaultyKey` has the same effect.
        """
        if path and (key or isinstance(path[-1], FaultyKey)):
            holder, found = self._deepest(path[:-1])
            if found and isinstance(holder.value, Mapping) and (entry := holder.value.get(str(path[-1]))):
                return entry.key
        return self._deepest(path)[0].place

    def add_place(self, fault: Fault) -> Fault:
        """Return the fault with its place; a fault that already has a place is unchanged."""
        if fault.place is not None:
            return fault
        place = self.place(fault.path)
        node = self._deepest(fault.path)[0]
        if fault.offset and place.line and node.lead is not None and place == node.place:
            place = replace(place, column=place.column + node.lead + fault.offset)
        return replace(fault, place=place)

    def locate(self, error: Error) -> Error:
        """Return the same error with a place for each fault, in the order of the file."""
        faults = sorted(map(self.add_place, error.faults), key=lambda fault: fault.place or Place(self.file))
        return type(error)(*faults)

    def set(self, dotted: str, text: str, known: ParameterLookup = keep_no_parameter) -> SourceText:
        """Return a source with one value replaced, as `--set optimizer.lr=0.1` does.

        :param dotted: keys and list positions joined by dots (`optimizer.lr`, `start.x.0`); an existing key that itself
            contains dots takes precedence. Creates keys that do not exist.
        :param text: the value as YAML.
        :param known: returns the parameters of a component; a new component keeps those (`replace_component`).
        :raises ScenarioError: the key cannot have a value, or the text is not YAML.
        """
        place = argument(f"--set {dotted}={text}")
        return self.assign(
            dotted, YamlEntry(place, read_yaml(text, lambda line, column: place) or YamlNode(place, None)), known
        )

    def assign(self, dotted: str, entry: YamlEntry, known: ParameterLookup = keep_no_parameter) -> SourceText:
        """Return a source with the value at a dotted key replaced; `set` describes the key.

        :param entry: the value and its place; keys that do not exist are created at that place.
        :param known: as for `set`.
        :raises ScenarioError: the key cannot have a value.
        """
        keys = dotted.split(".")
        if not all(keys) or len(keys) > MAX_DEPTH:
            raise ScenarioError(
                Fault(f"{format_value(dotted)} is not a key; write it like optimizer.lr", place=entry.key)
            )
        entry = replace(entry, value=replace_component(dotted, self.root.child(dotted), entry.value, known))
        return SourceText(self.file, _assign(self.root, dotted, entry, ()), self.basis or self)

    def _deepest(self, path: Sequence[str | int]) -> tuple[YamlNode, bool]:
        """Return the last existing value along `path`, and whether it is the one at `path` itself."""
        node = self.root
        for key in path:
            child = node.child(key)
            if child is None:
                return node, False
            node = child
        return node, True


def load_source(path: str | Path) -> SourceText:
    """Read a scenario file.

    :raises ScenarioError: the file cannot be read, or is not one YAML 1.2 mapping within the limits.
    """
    file = str(path)
    return parse_source(_decode(_bytes(Path(path), file), file), file)


def parse_source(text: str, file: str) -> SourceText:
    """Read a scenario from text.

    :param file: the file name that places show.
    :raises ScenarioError: the text is not one YAML 1.2 mapping within the limits.
    """
    if len(text) > MAX_BYTES:
        raise ScenarioError(Fault(f"larger than {MAX_BYTES:,} bytes", place=Place(file)))
    root = read_yaml(text, lambda line, column: Place(file, line + 1, column + 1))
    if root is None or root.value is None:
        raise ScenarioError(Fault("the file is empty; a scenario has at least a task", place=Place(file)))
    if not isinstance(root.value, Mapping):
        message = f"expected keys and values, such as 'task: minimize', got {format_value(root.data())}"
        raise ScenarioError(Fault(message, place=root.place))
    return SourceText(file, root)


def _bytes(path: Path, file: str) -> bytes:
    try:
        if path.is_dir():
            raise ScenarioError(Fault("is a folder, not a scenario file", place=Place(file)))
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ScenarioError(Fault(f"no such file{_suggest_file(path)}", place=Place(file))) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ScenarioError(Fault(f"cannot be read: {reason.lower()}", place=Place(file))) from None
    if len(data) > MAX_BYTES:
        raise ScenarioError(Fault(f"larger than {MAX_BYTES:,} bytes", place=Place(file)))
    return data


def _suggest_file(path: Path) -> str:
    """Suggest a file in the same folder with a similar name."""
    files = sorted(path.parent.glob("*.y*ml"))
    near = find_closest(path.stem, [file.stem for file in files])
    return suggest_correction(path.name, [file.name for file in files if file.stem in near])


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(file, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        message = f"byte 0x{data[error.start]:02x} is not UTF-8; is this a text file?"
        raise ScenarioError(Fault(message, place=place)) from None


def _assign(node: YamlNode, dotted: str | None, new: YamlEntry, trail: tuple[str, ...]) -> YamlNode:
    """Return `node` with the new value at `dotted`; `trail` is the path to `node`, for messages."""
    if dotted is None:
        return new.value
    if len(trail) == 1 and trail[0] in ("task", *COMPONENT_KINDS):
        node = expand_component(node, trail[0])
    if node.value is None:
        node = YamlNode(node.place, {})
    if isinstance(node.value, tuple):
        return _assign_in_list(node.place, node.value, dotted, new, trail)
    if not isinstance(node.value, Mapping):
        where = ".".join(trail)
        raise ScenarioError(
            Fault(
                f"{format_value(where)} is {format_value(node.value)} and has no keys; set it as a whole", place=new.key
            )
        )
    key, rest = first_key(node.value, dotted)
    old = node.value.get(key, YamlEntry(new.key, YamlNode(new.key, None)))
    changed = YamlEntry(old.key, _assign(old.value, rest, new, (*trail, key)))
    return node.with_entry(key, changed)


def _assign_in_list(
    place: Place, nodes: tuple[YamlNode, ...], dotted: str, new: YamlEntry, trail: tuple[str, ...]
) -> YamlNode:
    position, _, rest = dotted.partition(".")
    positions = [str(number) for number in range(len(nodes))]
    if position not in positions:
        entries = f"entries 0 to {len(nodes) - 1}" if nodes else "no entries"
        message = f"{format_value('.'.join(trail))} is a list with {entries}, got {format_value(position)}"
        raise ScenarioError(Fault(message, place=new.key))
    index = positions.index(position)
    changed = _assign(nodes[index], rest or None, new, (*trail, position))
    return YamlNode(place, (*nodes[:index], changed, *nodes[index + 1 :]))


def first_key(entries: Mapping[str, YamlEntry], dotted: str) -> tuple[str, str | None]:
    """Split off the first key: the longest existing one (`layer1.weight`), otherwise everything up to the first dot."""
    existing = [key for key in entries if dotted == key or dotted.startswith(f"{key}.")]
    key = max(existing, key=len) if existing else dotted.partition(".")[0]
    return key, dotted[len(key) + 1 :] or None


def argument(text: str) -> Place:
    """Return a part of the command line as a place; unprintable characters are escaped."""
    return Place(
        re.sub(r"[^\x20-\x7e]", lambda match: match[0] if match[0].isprintable() else repr(match[0])[1:-1], text)
    )
