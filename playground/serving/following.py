"""Follows a scenario's file: records it, tells the pages, and begins anew when a file changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playground.plugins.discovery import is_path
from playground.serving.feed import CONTENT, ENDED, FAULTY, FOLLOWING, RECORDING, STATE, Feed
from playground.serving.messages import OpenedFile, RecordedPage, RecordingOrder, RefusedRecording, is_last
from playground.serving.recorder import Recorder, RunningRecording
from playground.serving.watched_files import FileStamp, WatchedFiles

POLL_SECONDS = 0.05
"""How often files are looked at."""

SHOWN_SECONDS = 1.0
"""A recording that takes longer is said to be one, so that a page does not flicker with each save."""

Listener = Callable[[RecordedPage | RefusedRecording, float], object]
"""Is given each result, and the seconds that it took."""


class ScenarioFollower:
    """Keeps a feed up to date with a scenario's file, and with the plugins and data that it uses.

    :param order: what to record.
    :param recorder: makes the processes that record.
    :param feed: what the pages are told.
    :param listen: is given each result.
    """

    def __init__(self, order: RecordingOrder, recorder: Recorder, feed: Feed, listen: Listener) -> None:
        self._order = order
        self._recorder = recorder
        self._feed = feed
        self._listen = listen
        self._files = WatchedFiles(_list_first_files(order))
        self._recording: RunningRecording | None = None
        self._has_page = False
        self._is_shown = False

    def follow(self) -> None:
        """Follow the file until an exception, such as Ctrl-C; end the recording in progress, and tell the pages."""
        try:
            self._say(RECORDING, f"recording {self._order.file} …")
            self._begin()
            while True:
                self._wait()
                if self._files.find_changed():
                    self._begin()
        finally:
            if self._recording is not None:
                self._recording.end()
            with suppress(KeyboardInterrupt):  # a second Ctrl-C does not wait for the pages
                self._feed.close(_state(ENDED, "The command has ended; this page no longer follows the file."))

    def _begin(self) -> None:
        """Record, in place of an older recording that is not finished."""
        if self._recording is not None:
            self._recording.end()
        self._is_shown = not self._has_page
        self._recording = self._recorder.start(self._order)

    def _wait(self) -> None:
        """Wait a moment, and handle what the recording sends."""
        recording = self._recording
        if recording is None:
            time.sleep(POLL_SECONDS)
            return
        for message in recording.read_messages(POLL_SECONDS):
            if isinstance(message, OpenedFile):
                self._watch(message)
                continue
            if is_last(message):
                self._recording = None
            self._publish(message, recording.seconds)
        if self._recording is not None and not self._is_shown and recording.seconds > SHOWN_SECONDS:
            self._is_shown = True
            self._say(RECORDING, f"recording {self._order.file} …")

    def _watch(self, opened: OpenedFile) -> None:
        if opened.stamp is None:
            self._files.ignore(opened.path)
        else:
            self._files.add(opened.path, FileStamp(*opened.stamp))

    def _publish(self, message: RecordedPage | RefusedRecording, seconds: float) -> None:
        """Tell the pages and whoever listens what came of a recording."""
        file, at = self._order.file, time.strftime("%H:%M:%S")
        if isinstance(message, RecordedPage):
            self._has_page = True
            self._feed.publish(CONTENT, {"title": message.title, "html": message.html, "data": message.data})
            if message.is_beginning:
                return
            self._say(FOLLOWING, f"following {file}; recorded at {at} in {seconds:.2f} s", message.notes)
        else:
            kept = "; below is the last page without a fault" if self._has_page else ""
            self._say(FAULTY, f"following {file}; at {at} it could not be recorded{kept}", message.faults)
        self._listen(message, seconds)

    def _say(self, state: str, sentence: str, lines: tuple[str, ...] = ()) -> None:
        self._feed.publish(STATE, _state(state, sentence, lines))


def _state(state: str, sentence: str, lines: tuple[str, ...] = ()) -> dict[str, object]:
    return {"state": state, "sentence": sentence, "lines": lines}


def _list_first_files(order: RecordingOrder) -> list[str]:
    """Return the files that are named: the scenario, and plugins; recordings tell which others they open."""
    named = [each for each in order.plugins if is_path(each) and not each.startswith("no:")]
    return [str(Path(each).absolute()) for each in (order.file, *named)]
