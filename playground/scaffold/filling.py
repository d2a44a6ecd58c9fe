"""Templates: files of ours with `$name` in them, and the texts they become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

_TEMPLATES: Final = Path(__file__).parent / "templates"


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return a template's text with its values in.

    :param template: its path below `templates/`, without the ending `.txt`.
    :raises KeyError: a value is missing.
    """
    return Template(read_template(template)).substitute(values)


def read_template(template: str) -> str:
    """Return a template as it is."""
    return (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")


def has_template(template: str) -> bool:
    """Tell whether there is such a template."""
    return (_TEMPLATES / f"{template}.txt").is_file()
