"""Templates: files of ours with `$name` in them, and the texts they become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

_TEMPLATES: Final = Path(__file__).parent / "templates"


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template's text with its values in.

    :param template: its path below `templates/`, without the ending `.txt`.
    :raises KeyError: a value is missing.
    """
    return Template(text(template)).substitute(values)


def text(template: str) -> str:
    """Return a template as it is."""
    return (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")


def exists(template: str) -> bool:
    """Tell whether there is such a template."""
    return (_TEMPLATES / f"{template}.txt").is_file()
