"""Reads YAML 1.2 text into a tree of values with places, within limits.

PyYAML reads YAML 1.1: `1e-3` is a text, `no` is false, `010` is eight, and a repeated key silently overrides the first.
This module uses only PyYAML's parser, which splits the text into events, and interprets the events by the core schema
of YAML 1.2. Working on events also enforces the limits before a hostile file uses much memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import yaml

from playground.errors import Fault, Place, ScenarioError
from playground.scenario.messages import format_value
from playground.scenario.node import Scalar, YamlEntry, YamlNode

MAX_DEPTH = 64
"""Maximum depth of nested lists and mappings, with aliases expanded."""

MAX_NODES = 100_000
"""Maximum number of values in one file, with aliases expanded."""

MAX_DIGITS = 1_000
"""Maximum number of characters of one number."""

Placer = Callable[[int, int], Place]
"""Converts a line and a column, both counted from 0, to a place."""


def read_yaml(text: str, placer: Placer) -> YamlNode | None:
    """Return the one document in `text`; None if it is empty.

    :raises ScenarioError: the text is not valid; contains every fault with its place.
    """
    composer = _Composer(text, placer)
    try:
        root = composer.document()
    except ScenarioError as error:
        raise ScenarioError(*composer.faults, *error.faults) from None
    except yaml.reader.ReaderError as error:
        raise ScenarioError(_forbidden_character(error, text, placer)) from None
    except yaml.MarkedYAMLError as error:
        raise ScenarioError(*composer.faults, _syntax(error, placer)) from None
    except (ValueError, OverflowError):
        # For an escape beyond Unicode, such as "\U00110000", PyYAML lets an exception of Python through.
        fault = Fault("not valid YAML near here: an unknown escape or directive", place=composer.last)
        raise ScenarioError(*composer.faults, fault) from None
    if composer.faults:
        raise ScenarioError(*composer.faults)
    return root


class _Composer:
    """Builds the tree from the parser's events and collects faults."""

    def __init__(self, text: str, placer: Placer) -> None:
        self.faults: list[Fault] = []
        self.last = placer(0, 0)
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        self._placer = placer
        self._nodes = 0
        self._anchors: dict[str, tuple[YamlNode, int, int] | None] = {}

    def document(self) -> YamlNode | None:
        self._next()  # the start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        root, _ = self._node(self._next(), 0)
        self._next()  # the end of the document
        if not isinstance(self._next(), yaml.StreamEndEvent):
            self._stop("a second document starts here; a scenario file holds one")
        return root

    def _next(self) -> Any:
        event = next(self._events)
        self.last = self._place(event)
        return event

    def _place(self, event: Any) -> Place:
        return self._placer(event.start_mark.line, event.start_mark.column)

    def _stop(self, message: str) -> NoReturn:
        raise ScenarioError(Fault(message, place=self.last))

    def _fault(self, event: Any, message: str) -> None:
        self.faults.append(Fault(message, place=self._place(event)))

    def _node(self, event: Any, depth: int) -> tuple[YamlNode, int]:
        """Return the value that starts with `event`, and its depth."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        # Each value is counted when it is read, and all values below an anchor again at each of its aliases. A file
        # that expands aliases exponentially ("billion laughs") thus exceeds the limit before the tree is copied.
        before = self._nodes
        self._count(1, depth)
        if event.anchor:
            self._anchors[event.anchor] = None  # an alias inside its own anchor would never end
        if event.tag:
            self._fault(event, f"tag {_tag(event.tag)} is not accepted; a scenario holds plain data only")
        if isinstance(event, yaml.SequenceStartEvent):
            node, height = self._sequence(event, depth)
        elif isinstance(event, yaml.MappingStartEvent):
            node, height = self._mapping(event, depth)
        else:
            node, height = self._scalar(event), 0
        if event.anchor:
            self._anchors[event.anchor] = node, height, self._nodes - before
        return node, height

    def _count(self, nodes: int, depth: int) -> None:
        self._nodes += nodes
        if depth > MAX_DEPTH:
            self._stop(f"nested more than {MAX_DEPTH} deep")
        if self._nodes > MAX_NODES:
            self._stop(f"more than {MAX_NODES:,} values, aliases followed")

    def _alias(self, event: Any, depth: int) -> tuple[YamlNode, int]:
        if event.anchor not in self._anchors:
            self._stop(f"alias {format_value('*' + event.anchor)} has no anchor above it")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            self._stop(f"alias {format_value('*' + event.anchor)} is inside its own anchor")
        node, height, nodes = anchored
        self._count(nodes, depth + height)
        return node, height

    def _sequence(self, start: Any, depth: int) -> tuple[YamlNode, int]:
        nodes, height = [], 0
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            node, below = self._node(event, depth + 1)
            nodes.append(node)
            height = max(height, below + 1)
        return YamlNode(self._place(start), tuple(nodes)), height

    def _mapping(self, start: Any, depth: int) -> tuple[YamlNode, int]:
        entries: dict[str, YamlEntry] = {}
        height = 0
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key, _ = self._node(event, depth + 1)
            value, below = self._node(self._next(), depth + 1)
            height = max(height, below + 1)
            entry = YamlEntry(self._place(event), value)
            if (wrong := _wrong_key(event, key, entry, entries)) is not None:
                self._fault(event, wrong)
            elif isinstance(key.value, str):
                entries[key.value] = entry
        return YamlNode(self._place(start), entries), height

    def _scalar(self, event: Any) -> YamlNode:
        value: Scalar = event.value
        if event.implicit[0]:
            try:
                value = resolve_scalar(event.value)
            except ValueError as error:
                self._fault(event, str(error))
        elif _UNSUPPORTED_CHARACTERS.search(event.value):
            value = self._text(event)
        start, end = event.start_mark, event.end_mark
        # On one line, the source is longer than the text by 0 characters (plain) or 2 (quotes) unless it has escapes.
        around = end.column - start.column - len(event.value) if start.line == end.line else -1
        return YamlNode(self._place(event), value, around // 2 if around in (0, 2) else None)

    def _text(self, event: Any) -> str:
        """Return a text, with escapes resolved; JSON writes a character beyond U+FFFF as two escapes, joined here."""
        try:
            text = str(event.value).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self._fault(event, "a text contains half of a surrogate pair, which is not a character")
            return ""
        if "\0" in text:
            self._fault(event, "a text must not contain the character NUL")
        return text


_UNSUPPORTED_CHARACTERS = re.compile("[\x00\ud800-\udfff]")

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def resolve_scalar(text: str) -> Scalar:
    """Return the value of a plain scalar by the core schema of YAML 1.2.

    :raises ValueError: a number has too many digits, or is beyond a float's range.
    """
    if _NULL.fullmatch(text):
        return None
    if match := _BOOL.fullmatch(text):
        return match[1] is not None
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if not _FLOAT.fullmatch(text) and not _INT.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} characters; at most {MAX_DIGITS:,} are accepted")
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if math.isinf(number := float(text)):
        raise ValueError("a number beyond a float's range; write .inf for infinity")
    return number


def _wrong_key(event: Any, key: YamlNode, entry: YamlEntry, entries: dict[str, YamlEntry]) -> str | None:
    """Return what is wrong with a key; None if it is valid."""
    if isinstance(key.value, tuple | Mapping):
        return f"a key must be text, got {'a list' if isinstance(key.value, tuple) else 'a mapping'}"
    if not isinstance(key.value, str):
        return f"a key must be text, got {format_value(key.value)}; put it in quotes"
    plain = isinstance(event, yaml.ScalarEvent) and event.implicit[0]
    if plain and key.value == "<<":
        return "merge keys (<<) are not part of YAML 1.2; repeat the entries, or use an alias for the whole value"
    if plain and re.search(r"\w:\S", key.value) and entry.value.value is None:
        return f"key {format_value(key.value)} has no value; put a space after the colon"
    if key.value in entries:
        first = entries[key.value].key.line
        lines = f", on lines {first} and {event.start_mark.line + 1}" if first else ""
        return f"key {format_value(key.value)} is given twice{lines}"
    return None


def _tag(tag: str) -> str:
    return format_value(tag.replace("tag:yaml.org,2002:", "!!"))


def _forbidden_character(error: yaml.reader.ReaderError, text: str, placer: Placer) -> Fault:
    """Return the fault for a character that YAML does not allow; PyYAML counts it from the start of the text."""
    before = text[: error.position]
    line = before.count("\n")
    code = ord(text[error.position])
    place = placer(line, len(before) - before.rfind("\n") - 1)
    return Fault(f"character U+{code:04X} is not allowed in YAML; is this a text file?", place=place)


_PLAIN_MESSAGES = {
    "mapping values are not allowed here": "a ':' is not allowed here; quote a text that contains one",
    "found character '\\t' that cannot start any token": "a tab is not allowed here; indent with spaces",
}


def _syntax(error: yaml.MarkedYAMLError, placer: Placer) -> Fault:
    """Turn a syntax error into a one-line fault; PyYAML's message has several lines and an excerpt."""
    problem, mark, context = error.problem or "syntax error", error.problem_mark, error.context_mark
    message = _PLAIN_MESSAGES.get(problem, f"not valid YAML: {problem}")
    if problem == "could not find expected ':'" and context:
        message, mark = (
            "not valid YAML: this line has no ':' after its key",
            context,
        )  # the scanner reports the line after the faulty one
    elif problem not in _PLAIN_MESSAGES and error.context and context:
        message += f", {error.context} that starts on line {context.line + 1}"
    place = placer(mark.line, mark.column) if mark else placer(0, 0)
    return Fault(_one_line(message), place=place)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
