"""Finds the line of the user's program that led to an event."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

import torch

_TORCH: Final = str(Path(torch.__file__).parent)
_OWN: Final = str(Path(__file__).parents[1])
_LIBRARIES: Final = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class CodePlace(NamedTuple):
    """A line of a program.

    :param function: the name of the function that the line is in.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """`train.py:12`."""
        return f"{_shorten(self.file)}:{self.line}"


_REPEATED: Final[list[CodePlace | None]] = []
"""The line of the call that is being repeated, if any."""


@contextmanager
def repeat_line(place: CodePlace | None) -> Iterator[None]:
    """Let `find_user_line` return the line of a recorded call while it is repeated."""
    _REPEATED.append(place)
    try:
        yield
    finally:
        _REPEATED.pop()


def find_user_line() -> CodePlace | None:
    """Return the innermost line outside torch, playground and other libraries.

    If all code is in libraries, such as an installed training program, it is the innermost line outside torch and
    playground.
    """
    if _REPEATED:
        return _REPEATED[-1]
    fallback = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        distance = _distance(frame.f_code.co_filename)
        if distance == 0:
            return _place_of(frame)
        if distance == 1 and fallback is None:
            fallback = frame
        frame = frame.f_back
    return None if fallback is None else _place_of(fallback)


def _place_of(frame: FrameType) -> CodePlace:
    return CodePlace(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


@lru_cache(maxsize=4096)
def _distance(file: str) -> int:
    """Return 0 for the user's code, 1 for a library's, 2 for that of torch and playground."""
    if file.startswith((f"{_TORCH}/", f"{_OWN}/", f"{_TORCH}\\", f"{_OWN}\\", "<frozen ")):
        return 2
    return 1 if file.startswith(_LIBRARIES) else 0


def _shorten(file: str) -> str:
    """Return a file relative to the working directory, if it is in it."""
    try:
        path = Path(file)
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
    except OSError:  # the working directory was removed
        return file
