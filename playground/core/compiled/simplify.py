"""Finds operations whose value is known without computing them.

A simplification must hold for every number, including infinities, NaN and -0. Therefore `x * 0` stays, because it is
NaN for an infinite x, and so does `x + 0`, because it turns -0 into 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.core.compiled.scalar_operations import OPERATIONS

if TYPE_CHECKING:
    from playground.core.compiled.program import Program


def simplify_operation(program: Program, operation: str, operands: tuple[int, ...], dtype: Any) -> int | None:
    """Return the value of an operation if it is known or simpler to compute; None if it has to be computed.

    :param dtype: in which constants are folded.
    """
    numbers = [program.number(operand) for operand in operands]
    if all(number is not None for number in numbers):
        return _fold_constants(program, operation, numbers, dtype)
    rule = _RULES.get(operation)
    return None if rule is None else rule(program, operands, numbers)


def _fold_constants(program: Program, operation: str, numbers: list[float | bool | None], dtype: Any) -> int:
    rounded = [number if isinstance(number, bool) else dtype(number) for number in numbers]
    with np.errstate(all="ignore"):
        # Rounding the operands first gives the numbers that the kernel would compute with.
        value = OPERATIONS[operation].meaning(*rounded)
    boolean = OPERATIONS[operation].boolean or (operation == "select" and isinstance(numbers[1], bool))
    return program.constant(bool(value) if boolean else float(value))


Operands = tuple[int, ...]
KnownConstants = list[float | bool | None]


def _is_exactly(number: float | bool | None, value: float) -> bool:
    """Tell whether a number equals a value, including the sign of zero."""
    return number is not None and number == value and math.copysign(1, number) == math.copysign(1, value)


def _add(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    (a, b), (x, y) = operands, numbers
    if _is_exactly(y, -0.0):
        return a
    return b if _is_exactly(x, -0.0) else None


def _sub(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    return operands[0] if _is_exactly(numbers[1], 0.0) else None


def _mul(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    for operand, factor in (operands[0], numbers[1]), (operands[1], numbers[0]):
        if _is_exactly(factor, 1.0):
            return operand
        if _is_exactly(factor, -1.0):
            return program.apply("neg", operand)
    return None


def _fma(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    a, b, c = operands
    for operand, factor in (a, numbers[1]), (b, numbers[0]):
        if _is_exactly(factor, 1.0):
            return program.apply("add", operand, c)
        if _is_exactly(factor, -1.0):
            return program.apply("sub", c, operand)
    if numbers[0] is not None and numbers[1] is not None:
        return program.apply("add", program.apply("mul", a, b), c)
    return None


def _div(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    """Turn a division by a precomputed value into a multiplication by its reciprocal, computed in double precision.

    The result is off by up to half an ulp; a division takes as long as ten multiplications.
    """
    a, b = operands
    if _is_exactly(numbers[1], 1.0):
        return a
    if program.is_precomputed(b) and not program.is_precomputed(a):
        y = numbers[1]
        if y is None:
            return program.apply("mul", a, program.apply("div", program.constant(1.0), b))
        return program.apply("mul", a, program.constant(1 / y if y else math.copysign(math.inf, y)))
    return None


def _neg(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    node = program.nodes[operands[0]]
    return node.operands[0] if node.operation == "neg" else None


def _pow(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    """Replace a power by products or a root, as torch does."""
    a, y = operands[0], numbers[1]
    if y is None or program.is_uniform(a):
        return None
    if y == 0.5:
        return program.apply("sqrt", a)
    if y == 0:
        return program.constant(1.0)
    if y != int(y) or abs(y) > MAX_PRODUCT_POWER if math.isfinite(y) else True:
        return None
    product = _product(program, a, int(abs(y)))
    return product if y > 0 else program.apply("div", program.constant(1.0), product)


MAX_PRODUCT_POWER = 16
"""The largest exponent computed as a product: each factor adds half an ulp to the error."""


def _product(program: Program, a: int, count: int) -> int:
    if count == 1:
        return a
    half = _product(program, a, count // 2)
    square = program.apply("mul", half, half)
    return program.apply("mul", square, a) if count % 2 else square


def _float32(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    return operands[0] if program.nodes[operands[0]].operation == "float32" else None


def _select(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
    _, a, b = operands
    if numbers[0] is not None:
        return a if numbers[0] else b
    return a if a == b else None


def _logic(absorbing: bool) -> Callable[[Program, Operands, KnownConstants], int | None]:
    def rule(program: Program, operands: Operands, numbers: KnownConstants) -> int | None:
        a, b = operands
        for number, other in (numbers[0], b), (numbers[1], a):
            if number is not None:
                return program.constant(absorbing) if bool(number) is absorbing else other
        return a if a == b else None

    return rule


_RULES: dict[str, Callable[[Program, Operands, KnownConstants], int | None]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "fma": _fma,
    "div": _div,
    "neg": _neg,
    "pow": _pow,
    "float32": _float32,
    "select": _select,
    "and": _logic(absorbing=False),
    "or": _logic(absorbing=True),
}
