"""Selects the format of an explanation."""

from __future__ import annotations

import json
from collections.abc import Callable

from playground.errors import PlaygroundError, suggest_names
from playground.explanation import Explanation
from playground.report.explanation.language import translator
from playground.result import json_value

EXPLANATION_FORMATS = ("html", "json", "latex", "text")


def renderer(
    form: str, language: str, width: int, full: bool = True, option: str = "--full"
) -> Callable[[Explanation], str]:
    """Return a function that formats an explanation as text.

    :param width: characters in a line of plain text.
    :param full: show a long explanation in full as plain text; otherwise it is shortened.
    :param option: what a shortened one names as the way to the full one.
    :raises PlaygroundError: the format or the language is unknown.
    """
    translate = translator(language)
    if form == "json":
        return lambda explanation: json.dumps(json_value(explanation.to_dict()), indent=2, allow_nan=False)
    if form == "text":
        from playground.report.explanation.plain import explanation_lines

        return lambda explanation: "\n".join(explanation_lines(explanation, translate, width, full, option))
    if form == "html":
        from playground.report.explanation.page import explanation_page

        return lambda explanation: explanation_page(explanation, translate, language)
    if form == "latex":
        from playground.report.explanation.latex import latex_document

        return lambda explanation: latex_document(explanation, translate)
    raise PlaygroundError(f"unknown format {form!r}{suggest_names(form, EXPLANATION_FORMATS)}")
