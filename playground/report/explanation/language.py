"""The languages of an explanation: `gettext` catalogues in `playground/locale`."""

from __future__ import annotations

import gettext
from collections.abc import Callable
from importlib.resources import as_file, files

from playground.errors import PlaygroundError, suggest_names

LANGUAGES = ("en", "id")
"""English: the language of the source."""

Translate = Callable[[str], str]


def translator(language: str) -> Translate:
    """Return a function that translates a text.

    :raises PlaygroundError: the language is unknown.
    """
    if language not in LANGUAGES:
        raise PlaygroundError(f"unknown language {language!r}{suggest_names(language, LANGUAGES)}")
    if language == "en":
        return lambda text: text
    with as_file(files("playground") / "locale") as folder:
        return gettext.translation("playground", folder, [language]).gettext
