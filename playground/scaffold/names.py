"""What a new thing may be called."""

from __future__ import annotations

import re
from typing import Final

from playground.errors import PlaygroundError

MAX_NAME_CHARACTERS: Final = 24
"""Characters of a name, so that the lines it stands in stay lines."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


def require_name(name: str) -> None:
    """Refuse what cannot be part of a module's name and of a distribution's.

    :raises PlaygroundError: with what is accepted.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        raise PlaygroundError(
            f"{name!r} is not a name: expected a lower-case letter, then lower-case letters and digits, "
            f"with single '-' or '_' between them, at most {MAX_NAME_CHARACTERS} characters"
        )
