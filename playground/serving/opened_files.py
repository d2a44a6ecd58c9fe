"""Tells which files this process opens: those that a recording depends on, whoever reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import source_from_cache
from pathlib import Path
from threading import RLock
from typing import Any

import playground
from playground.plugins.sources import LIBRARY_PATHS
from playground.serving.watched_files import MAX_WATCHED_FILES, FileStamp, read_stamp

SYSTEM_FOLDERS = ("/dev/", "/proc/", "/sys/")
"""Their files have no content of their own; stamps there change at any time."""

FileReport = Callable[[str, FileStamp | None], None]
"""Is given the path of a file and its stamp before it is read; None if it is opened for writing."""


def report_opened_files(report: FileReport) -> None:
    """Report each file that this process opens from now on, once, without those of installed libraries.

    Python's audit hooks hear of every file that Python opens: scenarios, data, sources of plugins and of what they
    import. A hook cannot be removed, so this is for a process that ends with its work.
    """
    known: set[tuple[str, bool]] = set()
    lock = RLock()

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes):
            return
        path, is_written = _find_source(os.path.abspath(os.fsdecode(arguments[0]))), _is_writing(*arguments[1:3])
        with lock:
            if (path, is_written) in known or _is_foreign(path) or len(known) > MAX_WATCHED_FILES:
                return
            known.add((path, is_written))
            report(path, None if is_written else read_stamp(path))

    sys.addaudithook(hear)


def _find_source(path: str) -> str:
    """Return the source of a file with byte code, which is opened in its place; other files are their own source."""
    try:
        return source_from_cache(path) if path.endswith(".pyc") else path
    except ValueError:  # not in a folder __pycache__
        return path


def _is_writing(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str) and set("wax+") & set(mode):
        return True
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _is_foreign(path: str) -> bool:
    return path.startswith(SYSTEM_FOLDERS) or path.startswith(_LIBRARIES) or not path.isprintable()


_LIBRARIES = tuple(f"{folder}{os.sep}" for folder in (*LIBRARY_PATHS, str(Path(playground.__file__).parent)))
