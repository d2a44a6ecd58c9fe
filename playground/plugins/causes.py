"""Formats any exception as one line."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Final

from playground.errors import Place

ISOLATED_EXCEPTIONS: Final = (Exception, SystemExit)
"""Exceptions of foreign code that must not end the command; Ctrl-C is not one of them."""

_MAX_MESSAGE_CHARACTERS: Final = 300
_OWN_PATHS: Final = (str(Path(__file__).parent.parent), str(Path(importlib.__file__ or "").parent))


def exception_message(error: BaseException) -> str:
    """Return the text of an exception on one line, shortened; empty when it has none."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # str() of a plugin's exception may raise
        return ""
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else f"{text[:_MAX_MESSAGE_CHARACTERS]}…"


def describe_exception(error: BaseException, file: str = "") -> str:
    """Return an exception's type, text and place on one line: `"ValueError: too steep (lion.py, line 3)"`.

    Lines in torch and in playground do not count as a place: they do not help to fix a plugin.

    :param file: the plugin's own file. Its innermost frame gives the place, even if code further inside raised.
    """
    if isinstance(error, SyntaxError):  # its text contains its place
        return f"{type(error).__name__}: {exception_message(error)}"
    line, place = exception_headline(error), _place(error, file)
    return f"{line} ({place})" if place else line


def exception_headline(error: BaseException) -> str:
    """Return an exception's type and text on one line, without its place: `"ValueError: too steep"`."""
    text = exception_message(SyntaxError(error.msg) if isinstance(error, SyntaxError) else error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def deepest_place(error: BaseException, root: str) -> Place | None:
    """Return the last place that the exception's traceback reaches inside a file or folder.

    :param root: the plugin's file, or the folder of its package.
    """
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno or 0))
    inside = [Place(name, line, 1) for name, line in frames if Path(name).is_relative_to(root)]
    return inside[-1] if inside else None


def _place(error: BaseException, file: str) -> str:
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [frame for frame in frames if frame[0] == file]
    torch = str(Path(getattr(sys.modules.get("torch"), "__file__", None) or "<").parent)
    foreign = [frame for frame in frames if not frame[0].startswith(("<", *_OWN_PATHS, torch))]
    if not (own or foreign):
        return ""
    name, line = (own or foreign)[-1]
    return f"{Path(name).name}, line {line}"
