"""All operations of an expression in one table: in Python, in torch, in sympy and in LaTeX.

To add a function, add a row to `FUNCTIONS`; nothing else changes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FormulaOperation:
    """One operation, in each of the forms of an expression.

    :param name: its name in an expression.
    :param scalar: its value for Python floats; raises ArithmeticError or ValueError if there is none.
    :param torch: called with the torch module and the operands: tensors, or floats beside a tensor.
    :param sympy: called with the sympy module and the operands, which are real quantities.
    :param latex: its name in LaTeX, or a template with `#` for the operands.
    :param variadic: whether it takes two or more arguments instead of exactly one.
    :param code: the same as `torch`, as Python code with `#` for the operand.
    """

    name: str
    scalar: Callable[..., float]
    torch: Callable[..., Any]
    sympy: Callable[..., Any]
    latex: str = ""
    variadic: bool = False
    code: str = ""


def _common(name: str, latex: str = "") -> FormulaOperation:
    """Return a function of one argument that has the same name in `math`, `torch` and `sympy`."""
    return FormulaOperation(
        name,
        getattr(math, name),
        lambda torch, u: getattr(torch, name)(u),
        lambda sympy, u: getattr(sympy, name)(u),
        latex or rf"\{name}",
    )


def _sigmoid(u: float) -> float:
    """Return 1 / (1 + exp(-u)), without overflow for large |u|."""
    return 1 / (1 + math.exp(-u)) if u >= 0 else math.exp(u) / (1 + math.exp(u))


def _softplus(u: float) -> float:
    """Return log(1 + exp(u)) = max(u, 0) + log(1 + exp(-|u|)), which cannot overflow."""
    return max(u, 0.0) + math.log1p(math.exp(-abs(u)))


def _as_tensors(torch: Any, values: tuple[Any, ...]) -> list[Any]:
    """Return all values as tensors of one dtype and device: `maximum` and `minimum` accept no floats."""
    like = next(value for value in values if isinstance(value, torch.Tensor))
    return [
        value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=like.dtype, device=like.device)
        for value in values
    ]


def _split_in_halves(bound: Any, values: tuple[Any, ...]) -> Any:
    """Return sympy's Max or Min of two halves, unevaluated: sympy would compare every pair, which can take minutes."""
    if len(values) == 1:
        return values[0]
    middle = len(values) // 2
    return bound(_split_in_halves(bound, values[:middle]), _split_in_halves(bound, values[middle:]), evaluate=False)


def _by_name(*operations: FormulaOperation) -> dict[str, FormulaOperation]:
    return {operation.name: operation for operation in operations}


CONSTANTS = _by_name(
    FormulaOperation("pi", lambda: math.pi, lambda torch: torch.pi, lambda sympy: sympy.pi, r"\pi"),
    FormulaOperation("e", lambda: math.e, lambda torch: torch.e, lambda sympy: sympy.E, "e"),
)

OPERATORS = _by_name(
    FormulaOperation("+", lambda u, v: u + v, lambda _, u, v: u + v, lambda _, u, v: u + v),
    FormulaOperation("-", lambda u, v: u - v, lambda _, u, v: u - v, lambda _, u, v: u - v),
    FormulaOperation("*", lambda u, v: u * v, lambda _, u, v: u * v, lambda _, u, v: u * v),
    FormulaOperation("/", lambda u, v: u / v, lambda _, u, v: u / v, lambda _, u, v: u / v),
    # math.pow raises; (-8.0) ** 0.5 would be a complex number in Python
    FormulaOperation("**", math.pow, lambda _, u, v: u**v, lambda _, u, v: u**v),
    FormulaOperation("neg", lambda u: -u, lambda _, u: -u, lambda _, u: -u),
)

FUNCTIONS = _by_name(
    _common("sin"),
    _common("cos"),
    _common("tan"),
    _common("exp", "e^{#}"),
    _common("log"),
    FormulaOperation(
        "log2",
        math.log2,
        lambda torch, u: torch.log2(u),
        lambda sympy, u: sympy.log(u) / sympy.log(2),
        r"\log_{2}",
    ),
    FormulaOperation(
        "log10",
        math.log10,
        lambda torch, u: torch.log10(u),
        lambda sympy, u: sympy.log(u) / sympy.log(10),
        r"\log_{10}",
    ),
    _common("sqrt", r"\sqrt{#}"),
    # sympy simplifies the root to Abs(u) if it knows that u is real; otherwise Abs would have a derivative by re and im
    FormulaOperation("abs", abs, lambda torch, u: torch.abs(u), lambda sympy, u: sympy.sqrt(u**2), r"\left|#\right|"),
    _common("tanh"),
    FormulaOperation(
        "sigmoid",
        _sigmoid,
        lambda torch, u: torch.sigmoid(u),
        lambda sympy, u: 1 / (1 + sympy.exp(-u)),
        r"\sigma",
    ),
    FormulaOperation(
        "relu",
        lambda u: max(u, 0.0),
        lambda torch, u: torch.relu(u),
        lambda sympy, u: _split_in_halves(sympy.Max, (u, 0)),
        r"\operatorname{relu}",
    ),
    # torch's softplus is u for u > 20, which is wrong by 2e-9
    FormulaOperation(
        "softplus",
        _softplus,
        lambda torch, u: -torch.nn.functional.logsigmoid(-u),
        lambda sympy, u: sympy.log(1 + sympy.exp(u)),
        r"\operatorname{softplus}",
        code="-torch.nn.functional.logsigmoid(-#)",
    ),
    _common("erf", r"\operatorname{erf}"),
    _common("atan", r"\arctan"),
    _common("sinh"),
    _common("cosh"),
    FormulaOperation(
        "max",
        max,
        lambda torch, *u: functools.reduce(torch.maximum, _as_tensors(torch, u)),
        lambda sympy, *u: _split_in_halves(sympy.Max, u),
        r"\max",
        variadic=True,
    ),
    FormulaOperation(
        "min",
        min,
        lambda torch, *u: functools.reduce(torch.minimum, _as_tensors(torch, u)),
        lambda sympy, *u: _split_in_halves(sympy.Min, u),
        r"\min",
        variadic=True,
    ),
)

OPERATIONS = CONSTANTS | OPERATORS | FUNCTIONS
