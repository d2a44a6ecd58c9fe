"""Files that are written as a whole or not at all, and folders that are added to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playground.errors import PlaygroundError

SOURCE_SUFFIXES = (".py", ".ipynb", ".yaml", ".yml", ".tex")
"""Suffixes of files that people write and go on editing; pictures, reports and data are written anew each time."""


def require_free(path: Path | None, force: bool | None = None) -> None:
    """Refuse, before anything is computed, to overwrite a file that somebody may have edited.

    :param path: where something is to be written; None stands for standard output.
    :param force: whether `--force` was given; None where there is no such option.
    :raises PlaygroundError: the file is there, and is a source.
    """
    if (
        path is not None
        and not force
        and path.suffix.lower() in SOURCE_SUFFIXES
        and (path.exists() or path.is_symlink())
    ):
        way = "" if force is None else ", or overwrite it with --force"
        raise PlaygroundError(f"{path}: is there already, and is not overwritten; write elsewhere{way}")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file by way of one beside it, so that nobody ever reads half of it.

    :param write: writes to the path it is given; it may be a plugin's. What it makes a folder is added to the one that
        is there.
    :raises PlaygroundError: it cannot be written; what stood there before still does.
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
    except Exception as error:  # whatever a plugin's reporter raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PlaygroundError(f"{path}: not written: {reason}") from error
    finally:
        with suppress(OSError):  # its folder may be no folder
            shutil.rmtree(beside) if beside.is_dir() else beside.unlink(missing_ok=True)


def _replace(path: Path, beside: Path) -> None:
    """Put a file in the place of another; a link goes on pointing where it did, and permissions stay."""
    target = path.resolve()
    if target.exists():
        shutil.copymode(target, beside)
    beside.replace(target)
