"""Evaluates formulas of `explain`, if they are plain arithmetic of entries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from torch import Tensor

from playground.errors import PlaygroundError
from playground.expression import parse

_SIGNS: Final = {"·": "*", "−": "-", "²": "**2", "^": "**", "π": "pi", "σ(": "sigmoid(", "√(": "sqrt("}


def evaluate_formula(formula: str, numbers: Mapping[str, Tensor]) -> Tensor | None:
    """Return the value of a formula in mathematical signs, entry by entry.

    :param formula: a formula with the names of `numbers`, such as `2·x² + √y`.
    :param numbers: tensors of one shape.
    :returns: None if the formula is not arithmetic of entries: words, sums over axes, matrix products.
    """
    written = re.sub(r"\|([^|]*)\|", r"abs(\1)", re.sub(r"√(\w+)", r"sqrt(\1)", formula))
    for sign, meaning in _SIGNS.items():
        written = written.replace(sign, meaning)
    try:
        expression = parse(written)
    except PlaygroundError:
        return None
    known = all(length is None and name in numbers for name, length in expression.variables.items())
    return expression(**numbers) if known else None
