"""Files that are written as a whole or not at all, and folders that are added to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playground.errors import PlaygroundError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file by way of one beside it, so that nobody ever reads half of it.

    :param write: writes to the path it is given; it may be a plugin's. What it makes a folder is added to the one that
        is there.
    :raises PlaygroundError: it cannot be written; what stood there before still does.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        if beside.is_dir():
            shutil.copytree(beside, path, dirs_exist_ok=True)
        else:
            beside.replace(path)
    except OSError as error:
        raise PlaygroundError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    except Exception as error:  # whatever a plugin's reporter raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PlaygroundError(f"{path}: not written: {reason}") from error
    finally:
        with suppress(OSError):  # its folder may be no folder
            shutil.rmtree(beside) if beside.is_dir() else beside.unlink(missing_ok=True)
