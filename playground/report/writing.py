"""Writes files completely or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playground.errors import PlaygroundError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name and rename it, so that nobody reads an incomplete file.

    :param write: writes to the path it is given; may belong to a plugin. If it creates a folder, the contents are
        added to the existing folder.
    :raises PlaygroundError: the file cannot be written; the old one is kept.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe or a device
            write(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        if beside.is_dir():
            shutil.copytree(beside, path, dirs_exist_ok=True)
        else:
            _replace(path, beside)
    except OSError as error:
        raise PlaygroundError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    except Exception as error:  # a plugin's reporter may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PlaygroundError(f"{path}: not written: {reason}") from error
    finally:
        with suppress(OSError):  # its parent may not be a folder
            shutil.rmtree(beside) if beside.is_dir() else beside.unlink(missing_ok=True)


def _replace(path: Path, beside: Path) -> None:
    """Replace a file; a link keeps its target, and permissions are kept."""
    target = path.resolve()
    if target.exists():
        shutil.copymode(target, beside)
    beside.replace(target)
