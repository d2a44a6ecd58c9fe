"""Finds how an explanation is to be shown."""

from __future__ import annotations

import json
from collections.abc import Callable

from playground.errors import PlaygroundError, suggestion
from playground.explanation import Explanation
from playground.report.explanation.language import translator
from playground.result import json_value

EXPLANATION_FORMATS = ("html", "json", "latex", "text")


def renderer(form: str, language: str, width: int, full: bool = True) -> Callable[[Explanation], str]:
    """Return what turns an explanation into one text.

    :param width: characters in a line of plain text.
    :param full: show a long explanation whole as plain text; otherwise it is summed up.
    :raises PlaygroundError: no such format or language.
    """
    translate = translator(language)
    if form == "json":
        return lambda told: json.dumps(json_value(told.to_dict()), indent=2, allow_nan=False)
    if form == "text":
        from playground.report.explanation.plain import text

        return lambda told: "\n".join(text(told, translate, width, full))
    if form == "html":
        from playground.report.explanation.page import page

        return lambda told: page(told, translate, language)
    if form == "latex":
        from playground.report.explanation.latex import latex

        return lambda told: latex(told, translate)
    raise PlaygroundError(f"--format: unknown format {form!r}{suggestion(form, EXPLANATION_FORMATS)}")
