"""Parses and evaluates formulas in mathematical notation, so that a wrong formula is detected before it is shown.

The notation is that of `Operation.formula`: `(σ(p) − t) / n`, `2·x² + √y`, `[x > 0]`, `|p − t|`, `y(1 − y)`. Words, and
anything else that is not arithmetic, raise `UnreadableFormulaError`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

import torch
from torch import Tensor

FormulaValues = Mapping[str, Any]
"""Tensors or floats by the names they have in a formula."""

_TOKEN: Final = re.compile(
    r"\s*(?:(\d+\.?\d*(?:e[+\-−]?\d+)?|inf\b|nan\b)|([A-Za-z_][A-Za-z0-9_]*|[σΦφ])|(≤|≥|≠|[^\s]))", re.ASCII
)


class UnreadableFormulaError(ValueError):
    """The text is not arithmetic of known names and functions."""


def evaluate_formula(formula: str, numbers: FormulaValues) -> Tensor:
    """Evaluate a formula for these numbers, entry by entry, in float64.

    :param formula: such as `dy · y(1 − y)`; `mean(…)` and `Σ(…)` run over all entries.
    :param numbers: the value of each name; shapes broadcast.
    :raises UnreadableFormulaError: it is not arithmetic.
    """
    exact = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in numbers.items()}
    return _Reader(formula, exact).read()


def _clamp(x: Tensor, *bounds: Tensor) -> Tensor:
    """`clamp(x, ±b)` or `clamp(x, low, high)`."""
    low, high = (-bounds[0], bounds[0]) if len(bounds) == 1 else bounds
    return torch.minimum(torch.maximum(x, low), high)


_FUNCTIONS: Final[Mapping[str, Callable[..., Tensor]]] = {
    **{
        name: getattr(torch, name)
        for name in (
            *("exp", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan"),
            *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "sign", "sqrt", "abs", "mean"),
        )
    },
    "max": lambda *each: reduce(torch.maximum, each),
    "min": lambda *each: reduce(torch.minimum, each),
    "clamp": _clamp,
    "softplus": lambda x: -torch.nn.functional.logsigmoid(-x),
    "σ": torch.sigmoid,
    "Φ": torch.special.ndtr,
    "φ": lambda x: torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi),
}

_COMPARISONS: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "<": torch.lt,
    ">": torch.gt,
    "≤": torch.le,
    "≥": torch.ge,
    "≠": torch.ne,
    "=": torch.eq,
}


class _Reader:
    """A recursive-descent parser that evaluates while it parses."""

    def __init__(self, text: str, numbers: Mapping[str, Tensor]) -> None:
        self._tokens = [match.groups() for match in _TOKEN.finditer(text.strip())]
        self._place = 0
        self._numbers = numbers

    def read(self) -> Tensor:
        value = self._sum()
        if self._sign():
            raise UnreadableFormulaError(self._sign())
        return value

    def _sign(self) -> str:
        """Return the next token without consuming it; empty at the end."""
        return next(filter(None, self._tokens[self._place]), "") if self._place < len(self._tokens) else ""

    def _takes(self, *signs: str) -> str:
        """Consume and return the next token if it is one of these."""
        sign = self._sign()
        if sign not in signs or not sign:
            return ""
        self._place += 1
        return sign

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise UnreadableFormulaError(self._sign())

    def _sum(self) -> Tensor:
        value = self._product()
        while sign := self._takes("+", "−", "-"):
            other = self._product()
            value = value + other if sign == "+" else value - other
        return value

    def _product(self) -> Tensor:
        value = self._negated()
        while True:
            sign = self._takes("·", "/")
            if not sign and self._sign() not in ("(", "["):
                return value
            other = self._negated()
            value = value / other if sign == "/" else value * other

    def _negated(self) -> Tensor:
        return -self._negated() if self._takes("−", "-") else self._power()

    def _power(self) -> Tensor:
        value = self._atom()
        if self._takes("²"):
            return value**2
        return value ** self._negated() if self._takes("^") else value

    def _atom(self) -> Tensor:
        if self._takes("("):
            return self._closed(")")
        if self._takes("|"):
            return self._closed("|").abs()
        if self._takes("["):
            return self._case()
        if self._takes("√"):
            return self._atom().sqrt()
        if self._takes("Σ"):
            return self._power().sum()
        if self._takes("π"):
            return torch.tensor(math.pi, dtype=torch.float64)
        return self._named()

    def _named(self) -> Tensor:
        number, name, _ = self._tokens[self._place] if self._place < len(self._tokens) else (None, None, None)
        self._place += 1
        if number is not None:
            return torch.tensor(float(number.replace("−", "-")), dtype=torch.float64)
        if name is None:
            raise UnreadableFormulaError(self._sign())
        if name in self._numbers:
            return self._numbers[name]
        if name not in _FUNCTIONS:
            raise UnreadableFormulaError(name)
        if name == "log" and self._sign() != "(":  # log p, log σ(x)
            return self._power().log()
        self._needs("(")
        arguments = [self._argument()]
        while self._takes(","):
            arguments.append(self._argument())
        self._needs(")")
        try:
            return _FUNCTIONS[name](*arguments)
        except (TypeError, ValueError) as error:
            raise UnreadableFormulaError(name) from error

    def _argument(self) -> Tensor:
        self._takes("±")
        return self._sum()

    def _closed(self, end: str) -> Tensor:
        value = self._sum()
        self._needs(end)
        return value

    def _case(self) -> Tensor:
        """`[x > 0]`, `[a ≤ x ≤ b]`: 1 or 0; `[1 if x > 0, else c]`."""
        first = self._sum()
        if self._takes("if"):
            condition = self._condition(self._sum())
            self._takes(",")
            self._needs("else")
            return torch.where(condition.bool(), first, self._closed("]"))
        value = self._condition(first)
        self._needs("]")
        return value

    def _condition(self, left: Tensor) -> Tensor:
        holds: Tensor | None = None
        while sign := self._takes(*_COMPARISONS):
            right = self._sum()
            found = _COMPARISONS[sign](left, right)
            holds, left = found if holds is None else holds & found, right
        if holds is None:
            raise UnreadableFormulaError(self._sign())
        return holds.to(torch.float64)
