"""Finds conditions that people write as text, and the form that a scenario accepts for them."""

from __future__ import annotations

import re

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_PERCENT = rf"{_NUMBER}\s*(?:%|percent|per cent)"

_FORMS = (
    (rf"(?:<=|≤|=<|at most|max(?:imum)?:?)\s*{_NUMBER}", "{{at_most: {0}}}"),
    (rf"(?:>=|≥|=>|at least|min(?:imum)?:?)\s*{_NUMBER}", "{{at_least: {0}}}"),
    (rf"(?:<|below|under|less than)\s*{_NUMBER}", "{{below: {0}}}"),
    (rf"(?:>|above|over|more than|greater than)\s*{_NUMBER}", "{{above: {0}}}"),
    (rf"{_NUMBER}\s*(?:\+-|\+/-|±|\+−|within)\s*{_NUMBER}", "{{near: {0}, within: {1}}}"),
    (rf"(?:~=?|≈|about|approx\.?|approximately|near|around)\s*{_NUMBER}", "{{near: {0}, within: 0.001}}"),
    (rf"(?:between\s+)?{_NUMBER}\s*(?:\.\.+|…|–|to|and)\s*{_NUMBER}", "{{at_least: {0}, at_most: {1}}}"),
    (rf"(?:==?|equals?|is)?\s*{_NUMBER}", "{0}"),
)
"""Recognized forms, in order of precedence, each with its form in a scenario."""


def rewrite(text: str) -> str:
    """Return the scenario's form of a text such as `< 0.1`, `2.25 +- 0.001` or `100%`; empty if there is none."""
    words = re.sub(_PERCENT, lambda match: _share(match[1]), text.strip(), flags=re.IGNORECASE)
    for form, template in _FORMS:
        if match := re.fullmatch(form, words, re.IGNORECASE):
            return template.format(*match.groups())
    return ""


def _share(percent: str) -> str:
    """Return a percentage as a share: `1.0` for `100`."""
    return repr(float(percent) / 100)
