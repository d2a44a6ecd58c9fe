"""Text from anywhere, made safe to show."""

from __future__ import annotations

import re

PLUGIN_FILE_PREFIX = "_playground_plugin_"
"""What the names of modules begin with that are plugins in single files; the file's name and twelve digits follow."""


_LEADING = re.compile(r"^(\s*)::", re.MULTILINE)


def escape_unprintable(text: str) -> str:
    r"""Return text with a Python escape, as `\n` or `\u202e`, for every character that has no shape of its own."""
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def without_commands(text: str) -> str:
    r"""Return lines that no CI service takes for its commands: `::error::x` becomes `\x3a:error::x`.

    GitHub's runner obeys a line that begins with `::`, after any blanks, or that has `##[` anywhere.
    """
    return _LEADING.sub(r"\1\\x3a:", text).replace("##[", "#\\x23[")


def make_printable(text: str) -> str:
    r"""Return text as one line in which nothing acts on a terminal.

    Line ends and other white space become blanks. Control characters, marks that turn the direction of writing and
    whatever else has no shape of its own are written as Python escapes: `\x1b`, `\u202e`.
    """
    return text if text.isprintable() else "".join(map(_is_visible, text))


def _is_visible(character: str) -> str:
    return " " if character.isspace() else _escape(character)


_MARKDOWN_SPECIAL = re.compile(
    r"[\\`*_{}\[\]!|~$<>&]|^[-+#=]|#(?=#*$)|(?<=^\d)[.)]|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE
)
"""What begins a mark, a link, a formula or HTML in Markdown; each may have a backslash before it."""


def markdown(text: str) -> str:
    """Return text as Markdown that shows it as it is, on one line, wherever a line of text may stand."""
    return _MARKDOWN_SPECIAL.sub(lambda sign: f"\\{sign[0]}", " ".join(make_printable(text).split()))


def cut(text: str, width: int) -> str:
    """Return the text, or its beginning and an ellipsis when it has more than `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def module_label(module: str) -> str:
    """Return what people call a module: that of a plugin in a single file by the file's name."""
    return re.sub(rf"\b{PLUGIN_FILE_PREFIX}(\w+)_[0-9a-f]{{12}}\b", r"\1", module)
