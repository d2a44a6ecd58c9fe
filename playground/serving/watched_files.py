"""Notices that files change, by asking for their stamps: it works on every system, and whatever an editor does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from stat import S_ISREG

MAX_WATCHED_FILES = 1000
"""Files whose stamps are asked for; a scenario that reads more of them is not recorded anew for the others."""

SETTLING_SECONDS = 0.2
"""How long a file may be absent or empty before that counts: an editor may remove it, then write it."""


@dataclass(frozen=True)
class FileStamp:
    """What differs after a file was written or replaced; of a file that is not there, all are 0.

    :param modified: the time of its last change, in nanoseconds.
    :param size: in bytes.
    :param inode: differs if another file took its place.
    """

    modified: int = 0
    size: int = 0
    inode: int = 0


def read_stamp(path: str) -> FileStamp:
    """Return the stamp of a file; that of a file which is not there if it is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # not there, or no path at all
        return FileStamp()
    return FileStamp(found.st_mtime_ns, found.st_size, found.st_ino) if S_ISREG(found.st_mode) else FileStamp()


class WatchedFiles:
    """Files, each with the stamp that it had when it was last read.

    :param paths: absolute paths of the first files.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._stamps = {path: read_stamp(path) for path in paths}
        self._ignored: set[str] = set()
        self._unsettled: dict[str, float] = {}

    def add(self, path: str, stamp: FileStamp) -> None:
        """Watch one more file, unless it is watched already.

        :param stamp: from before it was read, so that no change is missed.
        """
        if path not in self._ignored and len(self._stamps) < MAX_WATCHED_FILES:
            self._stamps.setdefault(path, stamp)

    def ignore(self, path: str) -> None:
        """Watch a file no longer: a recording writes it."""
        self._ignored.add(path)
        self._stamps.pop(path, None)

    def find_changed(self) -> list[str]:
        """Return the files that changed since the last call, and take their stamps as known."""
        changed = []
        for path, known in self._stamps.items():
            stamp = read_stamp(path)
            if stamp != known and self._is_settled(path, stamp):
                self._stamps[path] = stamp
                changed.append(path)
        return changed

    def _is_settled(self, path: str, stamp: FileStamp) -> bool:
        """Tell whether a file that changed has a content, or has had none for some time."""
        now = time.monotonic()
        if stamp.size or now - self._unsettled.setdefault(path, now) >= SETTLING_SECONDS:
            self._unsettled.pop(path, None)
            return True
        return False
