"""Keeps machine code on disk between processes, in the user's cache folder.

The cache only saves time: a folder that cannot be read or written, a full disk or a damaged entry never cause an error.
Damaged machine code would crash the process, so an entry is used only if its checksum holds.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "PLAYGROUND_CACHE_DIR"

MAX_CACHE_BYTES: Final = 100_000_000
"""The size beyond which the entries used least recently are deleted; the code of a program has 10 to 100 kB."""

DIGEST_BYTES: Final = hashlib.sha256().digest_size


def hash_parts(*parts: str) -> str:
    """Return a name for content that depends on these parts, and on nothing else."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)  # the length keeps neighbouring parts apart
    return digest.hexdigest()


def find_cache_folder() -> Path | None:
    """Return the folder of compiled programs, which need not exist; None if the cache is turned off.

    `PLAYGROUND_CACHE_DIR` replaces the user's cache folder; the cache is off if it is empty.
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given is not None:
        return Path(given, "compiled") if given else None
    try:
        return _user_cache_folder() / "playground" / "compiled"
    except RuntimeError:  # the user has no home folder
        return None


def _user_cache_folder() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"  # XDG: a relative path is ignored


@dataclass(frozen=True)
class ObjectCache:
    """A folder of machine code, shared by all processes.

    :param folder: contains nothing else; None keeps nothing.
    :param max_bytes: of all entries.
    """

    folder: Path | None
    max_bytes: int = MAX_CACHE_BYTES

    def load(self, key: str) -> bytes | None:
        """Return the code stored under this key; None if there is none, or if it is damaged."""
        if self.folder is None:
            return None
        path = self.folder / key
        try:
            entry = path.read_bytes()
        except OSError:
            return None
        digest, code = entry[:DIGEST_BYTES], entry[DIGEST_BYTES:]
        if digest != _checksum(key, code):
            return None
        with suppress(OSError):
            os.utime(path)  # the time of the last use, for `_evict`
        return code

    def store(self, key: str, code: bytes) -> None:
        """Store code, if the folder can be written; other processes see all of it or nothing."""
        if self.folder is None:
            return
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=f"{key}.")
            try:
                with open(descriptor, "wb") as file:
                    file.write(_checksum(key, code) + code)
                os.replace(temporary, self.folder / key)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
            if key.endswith("0"):  # one key in sixteen, because listing a full folder takes as long as compiling a step
                self._evict(self.folder)

    def _evict(self, folder: Path) -> None:
        """Delete the entries used least recently, and files that killed processes left, until the rest fits."""
        entries = []
        for entry in os.scandir(folder):
            with suppress(OSError):  # another process has deleted it
                stat = entry.stat()
                entries.append((stat.st_mtime_ns, stat.st_size, entry.path))
        size = sum(size for _, size, _ in entries)
        for _, freed, path in sorted(entries):
            if size <= self.max_bytes:
                return
            with suppress(OSError):
                os.unlink(path)
            size -= freed


def _checksum(key: str, code: bytes) -> bytes:
    """Return a checksum of an entry, which does not hold under another key."""
    return hashlib.sha256(key.encode() + code).digest()
