"""What pages are told, and who listens: the latest content and the latest state."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Condition
from typing import Any, Final

CONTENT, STATE = "content", "state"
"""The kinds of message. Of each kind, only the latest one matters."""

FOLLOWING, RECORDING, FAULTY, ENDED = "following", "recording", "faulty", "ended"
"""The states of what a page shows."""

END_SECONDS: Final = 1.0
"""How long to wait until all who listen have heard that the command ends."""


class Feed:
    """Keeps the latest message of each kind, numbered, for threads that send them to pages."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._latest: dict[str, tuple[int, str]] = {}
        self._count = 0
        self._listeners = 0
        self.has_ended = False

    def publish(self, kind: str, message: Mapping[str, Any]) -> None:
        """Take a message in place of the latest of its kind."""
        text = json.dumps(message, allow_nan=False, separators=(",", ":"))
        with self._changed:
            self._count += 1
            self._latest[kind] = (self._count, text)
            self._changed.notify_all()

    def close(self, message: Mapping[str, Any]) -> None:
        """Publish the last state, and wait a moment until all who listen have it."""
        self.publish(STATE, message)
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._listeners == 0, END_SECONDS)

    def count_listeners(self) -> int:
        """Return how many listen now."""
        with self._changed:
            return self._listeners

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Count as somebody who listens."""
        with self._changed:
            self._listeners += 1
        try:
            yield
        finally:
            with self._changed:
                self._listeners -= 1
                self._changed.notify_all()

    def wait_for_newer(self, seen: int, seconds: float) -> list[tuple[int, str, str]]:
        """Return the messages with a number above `seen`: number, kind and text, in order.

        :param seconds: to wait for one; none is returned if there is none by then.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._count > seen or self.has_ended, seconds)
            return sorted((number, kind, text) for kind, (number, text) in self._latest.items() if number > seen)
