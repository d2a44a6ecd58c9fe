"""Operations of torch that act on each entry separately, as formulas of scalar operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.number import copy_sign, floor_divide, logarithm, remainder
from playground.core.compiled.program import Program
from playground.core.compiled.symbol import Symbol

if TYPE_CHECKING:
    from playground.core.compiled.recorder import ProgramRecorder, ScalarRule

NUMBER, REAL, TRUTH = "number", "real", "truth"
"""The result type of a formula: that of its operands, that type or a floating-point one, or boolean."""

Formula = Callable[..., int]
"""Called with the program and the values of one entry; returns the value of the result."""


def _single_operation(operation: str) -> Formula:
    return lambda p, *operands: p.apply(operation, *operands)


def _apply_number(p: Program, a: int, operation: str, b: float) -> int:
    return p.apply(operation, a, p.constant(b))


def _reciprocal(p: Program, a: int) -> int:
    return p.apply("div", p.constant(1.0), a)


def _sign(p: Program, a: int) -> int:
    negative = p.apply("select", _apply_number(p, a, "lt", 0.0), p.constant(-1.0), p.constant(0.0))
    return p.apply("select", _apply_number(p, a, "gt", 0.0), p.constant(1.0), negative)


def _sinh(p: Program, a: int) -> int:
    """(e + e / (e + 1)) / 2 with e = exp(|a|) - 1, and the sign of a: exact near 0, unlike (exp a - exp -a) / 2."""
    e = p.apply("expm1", p.apply("abs", a))
    half = _apply_number(p, p.apply("add", e, p.apply("div", e, _apply_number(p, e, "add", 1.0))), "mul", 0.5)
    return p.apply("select", _apply_number(p, a, "lt", 0.0), p.apply("neg", half), half)


def _cosh(p: Program, a: int) -> int:
    """h + 1 / (4 h) with h = exp(|a|) / 2."""
    e = p.apply("exp", p.apply("abs", a))
    return p.apply("add", _apply_number(p, e, "mul", 0.5), p.apply("div", p.constant(0.5), e))


def _clamp(p: Program, a: int, low: int | None = None, high: int | None = None) -> int:
    a = a if low is None else p.apply("maximum", a, low)
    return a if high is None else p.apply("minimum", a, high)


def _lerp(p: Program, a: int, b: int, weight: int) -> int:
    """Interpolate from a to b by the weight, starting at the nearer end, as torch does."""
    way = p.apply("sub", b, a)
    from_a = p.apply("add", a, p.apply("mul", weight, way))
    from_b = p.apply("sub", b, p.apply("mul", way, p.apply("sub", p.constant(1.0), weight)))
    return p.apply("select", _apply_number(p, p.apply("abs", weight), "lt", 0.5), from_a, from_b)


NUMBER_FORMULAS: dict[str, Formula] = {
    "add": lambda p, a, b, alpha=None: p.apply("add", a, b if alpha is None else p.apply("mul", alpha, b)),
    "sub": lambda p, a, b, alpha=None: p.apply("sub", a, b if alpha is None else p.apply("mul", alpha, b)),
    "rsub": lambda p, a, b, alpha=None: p.apply("sub", b, a if alpha is None else p.apply("mul", alpha, a)),
    "mul": _single_operation("mul"),
    "neg": _single_operation("neg"),
    "abs": _single_operation("abs"),
    "square": lambda p, a: p.apply("mul", a, a),
    "sign": _sign,
    "sgn": _sign,
    "floor": _single_operation("floor"),
    "ceil": _single_operation("ceil"),
    "trunc": _single_operation("trunc"),
    "round": _single_operation("round"),
    "relu": lambda p, a: _clamp(p, a, p.constant(0.0)),
    "maximum": _single_operation("maximum"),
    "minimum": _single_operation("minimum"),
    "clamp": _clamp,
    "clamp_min": lambda p, a, low: _clamp(p, a, low),
    "clamp_max": lambda p, a, high: _clamp(p, a, None, high),
    "pow": _single_operation("pow"),
    "lerp": _lerp,
    "addcmul": lambda p, a, b, c, value=None: p.apply(
        "add", a, p.apply("mul", b if value is None else p.apply("mul", value, b), c)
    ),
    "copysign": copy_sign,
    "floor_divide": floor_divide,
    "remainder": remainder,
}
"""Formulas whose result has the type of their operands."""

REAL_FORMULAS: dict[str, Formula] = {
    "div": _single_operation("div"),
    "true_divide": _single_operation("div"),
    "reciprocal": _reciprocal,
    "sqrt": _single_operation("sqrt"),
    "rsqrt": lambda p, a: _reciprocal(p, p.apply("sqrt", a)),
    "exp": _single_operation("exp"),
    "exp2": lambda p, a: p.apply("pow", p.constant(2.0), a),
    "expm1": _single_operation("expm1"),
    "log": _single_operation("log"),
    "log1p": _single_operation("log1p"),
    "log2": logarithm(2),
    "log10": logarithm(10),
    "sin": _single_operation("sin"),
    "cos": _single_operation("cos"),
    "tan": lambda p, a: p.apply("div", p.apply("sin", a), p.apply("cos", a)),
    "atan": _single_operation("atan"),
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _single_operation("tanh"),
    "sigmoid": _single_operation("sigmoid"),
    "erf": _single_operation("erf"),
    "addcdiv": lambda p, a, b, c, value=None: p.apply(
        "add", a, p.apply("div", b if value is None else p.apply("mul", value, b), c)
    ),
}
"""Formulas whose result is floating-point even for integer operands."""

TRUTH_FORMULAS: dict[str, Formula] = {
    **{name: _single_operation(name) for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    "isnan": lambda p, a: p.apply("ne", a, a),
    "isinf": lambda p, a: _apply_number(p, p.apply("abs", a), "eq", math.inf),
    "logical_and": _single_operation("and"),
    "logical_or": _single_operation("or"),
    "logical_not": _single_operation("not"),
    "logical_xor": _single_operation("ne"),
    "bitwise_and": _single_operation("and"),
    "bitwise_or": _single_operation("or"),
    "bitwise_not": _single_operation("not"),
    "bitwise_xor": _single_operation("ne"),
}
"""Formulas whose result is boolean."""

LOGICAL_NAMES = tuple(name for name in TRUTH_FORMULAS if name.startswith(("logical", "bitwise")))
"""Formulas whose operands are booleans."""


def result_type(kind: str, operands: Sequence[Any]) -> torch.dtype:
    """Return the dtype in which torch computes with numbers and tensors.

    Tensors with axes decide, unless a number or a tensor without axes is of a higher kind: boolean < integer < real.
    """
    tensors = [each for each in operands if isinstance(each, Tensor)]
    groups = [
        [each.dtype for each in tensors if each.dim()],
        [each.dtype for each in tensors if not each.dim()],
        [torch.tensor(each).dtype for each in operands if not isinstance(each, Tensor)],
    ]
    found = torch.bool
    for dtype in (reduce(torch.promote_types, group) for group in groups if group):
        found = dtype if _rank(dtype) > _rank(found) or found is torch.bool else found
    return torch.get_default_dtype() if kind == REAL and not found.is_floating_point else found


def _rank(dtype: torch.dtype) -> int:
    return 2 if dtype.is_floating_point else 0 if dtype is torch.bool else 1


def _entrywise_rule(name: str, formula: Formula, kind: str) -> ScalarRule:
    """Return the rule that applies a formula to each entry."""

    def rule(recorder: ProgramRecorder, *args: Any, **kwargs: Any) -> Symbol:
        for option in ("rounding_mode", "decimals"):
            if kwargs.pop(option, None):
                raise CannotCompileError(f"torch's operation {name!r} with {option} has no rule")
        given = {key: value for key, value in kwargs.items() if value is not None}
        places = [i for i, value in enumerate(args) if value is not None]
        operands = [*(args[i] for i in places), *given.values()]
        dtype = result_type(kind, operands)

        def scalar(*entries: int) -> int:
            filled: list[int | None] = [None] * len(args)
            for place, entry in zip(places, entries, strict=False):
                filled[place] = entry
            return formula(recorder.program, *filled, **dict(zip(given, entries[len(places) :], strict=True)))

        lifted = [_cast_operand(recorder, name, each, dtype) for each in operands]
        if kind == TRUTH or dtype is not torch.bool:
            return recorder.entrywise(scalar, torch.bool if kind == TRUTH else dtype, *lifted)
        # formulas take booleans as numbers: true + true is 2, which is true
        return recorder.cast(recorder.entrywise(scalar, recorder.dtype, *lifted), torch.bool)

    return rule


def _cast_operand(recorder: ProgramRecorder, name: str, value: Any, dtype: torch.dtype) -> Symbol:
    """Return an operand in the type that a formula computes in."""
    if name not in LOGICAL_NAMES:
        symbol = recorder.cast(value, dtype)
        return recorder.cast(symbol, recorder.dtype) if dtype is torch.bool else symbol
    if name.startswith("bitwise") and dtype is not torch.bool:
        raise CannotCompileError(f"torch's operation {name!r} on whole numbers has no rule")
    return recorder.cast(value, torch.bool)


def where(recorder: ProgramRecorder, condition: Any, a: Any, b: Any) -> Symbol:
    """Select a where the condition holds, else b."""
    dtype = result_type(NUMBER, (a, b))
    chosen = recorder.cast(condition, torch.bool)
    return recorder.entrywise(
        lambda c, x, y: recorder.program.apply("select", c, x, y),
        dtype,
        chosen,
        recorder.cast(a, dtype),
        recorder.cast(b, dtype),
    )


def masked_fill(recorder: ProgramRecorder, a: Any, mask: Any, value: Any) -> Symbol:
    """Write a value where the mask is set."""
    return where(recorder, mask, recorder.cast(value, a.dtype), a)


def to_copy(recorder: ProgramRecorder, a: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Symbol:
    """Return a tensor in another dtype; device and layout are ignored."""
    found = recorder.cast(a, dtype or a.dtype)
    return Symbol(found.ids.clone(), found.dtype)


def to(recorder: ProgramRecorder, a: Any, *args: Any, dtype: torch.dtype | None = None, **_: Any) -> Symbol:
    """Return the same tensor if it already has the dtype, as torch does."""
    wanted = [getattr(each, "dtype", each) for each in (*args, dtype)]
    wanted = [each for each in wanted if isinstance(each, torch.dtype)]
    return a if not wanted or wanted[0] == a.dtype else to_copy(recorder, a, dtype=wanted[0])


def view(recorder: ProgramRecorder, a: Symbol, size: Any) -> Symbol:
    """Return the same entries in another shape; reinterpreting bytes as another dtype is refused."""
    if isinstance(size, torch.dtype):
        raise CannotCompileError("the module reinterprets the bytes of a number")
    return Symbol(a.ids.view(size), a.dtype)


RULES: dict[str, ScalarRule] = {
    **{name: _entrywise_rule(name, formula, NUMBER) for name, formula in NUMBER_FORMULAS.items()},
    **{name: _entrywise_rule(name, formula, REAL) for name, formula in REAL_FORMULAS.items()},
    **{name: _entrywise_rule(name, formula, TRUTH) for name, formula in TRUTH_FORMULAS.items()},
    "where": where,
    "masked_fill": masked_fill,
    "_to_copy": to_copy,
    "to": to,
    "view": view,
}
