"""Checks the names of new plugins and scenarios."""

from __future__ import annotations

import re
from typing import Final

from playground.errors import PlaygroundError

MAX_NAME_CHARACTERS: Final = 24
"""Maximum characters of a name, so that lines that contain it stay short."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


def require_name(name: str) -> None:
    """Refuse a name that cannot be part of the name of a module and of a distribution.

    :raises PlaygroundError: the message says what is accepted.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        raise PlaygroundError(
            f"{name!r} is not a name: expected a lower-case letter, then lower-case letters and digits, "
            f"with single '-' or '_' between them, at most {MAX_NAME_CHARACTERS} characters"
        )
