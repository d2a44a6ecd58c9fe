"""Fills templates: files with placeholders such as `$name`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

_TEMPLATES: Final = Path(__file__).parent / "templates"


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return the text of a template, filled with values.

    :param template: path below `templates/`, without the suffix `.txt`.
    :param values: by placeholder.
    :raises KeyError: a value is missing.
    """
    return Template(read_template(template)).substitute(values)


def read_template(template: str) -> str:
    """Return a template with its placeholders."""
    return (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")


def has_template(template: str) -> bool:
    """Tell whether a template exists."""
    return (_TEMPLATES / f"{template}.txt").is_file()
