"""Makes text from any source safe to show."""

from __future__ import annotations

import re

PLUGIN_FILE_PREFIX = "_playground_plugin_"
"""The prefix of the module names of single-file plugins; the file's name and twelve digits follow."""


_LEADING = re.compile(r"^(\s*)::", re.MULTILINE)


def escape_unprintable(text: str) -> str:
    r"""Return text in which every character without a visible shape is a Python escape, such as `\n` or `\u202e`."""
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def without_commands(text: str) -> str:
    r"""Return lines that no CI service interprets as commands: `::error::x` becomes `\x3a:error::x`.

    GitHub's runner interprets a line that begins with `::`, after any blanks, or contains `##[` anywhere.
    """
    return _LEADING.sub(r"\1\\x3a:", text).replace("##[", "#\\x23[")


def make_printable(text: str) -> str:
    r"""Return text as one line without effect on a terminal.

    Line ends and other white space become blanks. Control characters, marks that change the direction of writing and
    all other invisible characters become Python escapes: `\x1b`, `\u202e`.
    """
    return text if text.isprintable() else "".join(map(_is_visible, text))


def _is_visible(character: str) -> str:
    return " " if character.isspace() else _escape(character)


_MARKDOWN_SPECIAL = re.compile(
    r"[\\`*_{}\[\]!|~$<>&]|^[-+#=]|#(?=#*$)|(?<=^\d)[.)]|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE
)
"""The first characters of Markdown's markup, links, formulas and HTML; each may be escaped by a backslash."""


def escape_markdown(text: str) -> str:
    """Return text as one line of Markdown that shows it literally, wherever a line of text is allowed."""
    return _MARKDOWN_SPECIAL.sub(lambda sign: f"\\{sign[0]}", " ".join(make_printable(text).split()))


def cut_text(text: str, width: int) -> str:
    """Return the text, cut and with an ellipsis if it has more than `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def module_label(module: str) -> str:
    """Return a module's name for people: the file name for a plugin in a single file."""
    return re.sub(rf"\b{PLUGIN_FILE_PREFIX}(\w+)_[0-9a-f]{{12}}\b", r"\1", module)
