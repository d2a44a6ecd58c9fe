"""What a recording process reports, and what pages are told: plain data, as JSON on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from playground.runner.loading.overrides import Changes
from playground.runner.single.record_options import RecordOptions


@dataclass(frozen=True, kw_only=True)
class RecordingOrder:
    """What to record; travels to another process.

    :param file: the scenario's file, as the user named it.
    :param changes: to the scenario, and the memory limit.
    :param plugins: files and names of plugins to load.
    :param strict: refuse to record if a plugin fails to load.
    :param record: what to keep of the run.
    """

    file: str
    changes: Changes
    plugins: tuple[str, ...] = ()
    strict: bool = False
    record: RecordOptions = field(default_factory=RecordOptions)


@dataclass(frozen=True)
class OpenedFile:
    """A file that the recording opened.

    :param stamp: modified, size and inode before it was read; None if it is opened for writing.
    """

    path: str
    stamp: tuple[int, int, int] | None


@dataclass(frozen=True)
class RecordedPage:
    """The page of a run.

    :param title: of the page.
    :param html: what its main element contains.
    :param data: for its script, by part.
    :param line: the run in a line.
    :param notes: plugins that failed to load, and warnings about the scenario.
    :param is_beginning: whether it shows the first steps alone, and the page of the whole run follows.
    """

    title: str
    html: str
    data: Mapping[str, Any]
    line: str
    notes: tuple[str, ...] = ()
    is_beginning: bool = False


@dataclass(frozen=True)
class RefusedRecording:
    """Why there is no page.

    :param faults: one line each: where, what, and what would be accepted.
    :param notes: as of a page.
    :param traceback: of the exception behind the faults; empty if there is none.
    """

    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    traceback: str = ""


RecordingMessage: TypeAlias = OpenedFile | RecordedPage | RefusedRecording

_KINDS: Mapping[str, type[RecordingMessage]] = {
    each.__name__: each for each in (OpenedFile, RecordedPage, RefusedRecording)
}


def encode_message(message: RecordingMessage) -> bytes:
    """Return a message as JSON, in ASCII."""
    return json.dumps([type(message).__name__, vars(message)], allow_nan=False, separators=(",", ":")).encode()


def decode_message(encoded: bytes) -> RecordingMessage:
    """Return the message of `encode_message`.

    :raises ValueError: it is none.
    """
    name, fields = json.loads(encoded)
    given: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in fields.items()}
    return _KINDS[name](**given)


def is_last(message: RecordingMessage) -> bool:
    """Tell whether a recording ends with this message."""
    return isinstance(message, RefusedRecording) or (isinstance(message, RecordedPage) and not message.is_beginning)
