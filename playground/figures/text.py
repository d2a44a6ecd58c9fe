"""Text from anywhere, made safe to show."""

from __future__ import annotations

import re

PLUGIN_FILE = "_playground_plugin_"
"""What the names of modules begin with that are plugins in single files; the file's name and twelve digits follow."""


def printable(text: str) -> str:
    r"""Return text as one line in which nothing acts on a terminal.

    Line ends and other white space become blanks. Control characters, marks that turn the direction of writing and
    whatever else has no shape of its own are written as Python escapes: `\x1b`, `\u202e`.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")


def cut(text: str, width: int) -> str:
    """Return the text, or its beginning and an ellipsis when it has more than `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def module_label(module: str) -> str:
    """Return what people call a module: that of a plugin in a single file by the file's name."""
    return re.sub(rf"\b{PLUGIN_FILE}(\w+)_[0-9a-f]{{12}}\b", r"\1", module)
