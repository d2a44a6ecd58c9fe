"""Lets functions of Python and torch take symbolic numbers while a step is recorded.

`math.sqrt`, `float` and the like need a number that is known. While an optimizer is recorded, they are replaced: in the
module `math`, and in the modules that its code is in, for names imported into them and for built-in functions. With
ordinary numbers, the replacements call the original functions.
"""

from __future__ import annotations

import builtins
import inspect
import math
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from playground.core.compiled.number import (
    ScalarFormula,
    SymbolicNumber,
    copy_sign,
    formula_of,
    is_number,
    is_whole,
    logarithm,
)
from playground.core.compiled.program import Program
from playground.core.compiled.symbol import ACTIVE_RECORDERS, Symbol

_LOCK = threading.RLock()
"""Held while functions are replaced, because all threads see the replacements."""

Function = Callable[..., Any]


def _hypotenuse(p: Program, *sides: int) -> int:
    squares = [p.apply("mul", x, x) for x in sides]
    total = squares[0]
    for square in squares[1:]:
        total = p.apply("add", total, square)
    return p.apply("sqrt", total)


REAL_FUNCTIONS: dict[str, ScalarFormula] = {
    **{name: formula_of(name) for name in ("sqrt", "exp", "log1p", "expm1", "tanh", "sin", "cos", "atan", "erf")},
    "fabs": formula_of("abs"),
    "pow": formula_of("pow"),
    "log2": logarithm(2),
    "log10": logarithm(10),
    "copysign": copy_sign,
    "hypot": _hypotenuse,
    "degrees": lambda p, x: p.apply("mul", x, p.constant(180 / math.pi)),
    "radians": lambda p, x: p.apply("mul", x, p.constant(math.pi / 180)),
}
"""Functions of `math` that return a `float`."""

QUESTIONS: dict[str, ScalarFormula] = {
    "isnan": lambda p, x: p.apply("ne", x, x),
    "isinf": lambda p, x: p.apply("eq", p.apply("abs", x), p.constant(math.inf)),
    "isfinite": lambda p, x: p.apply("lt", p.apply("abs", x), p.constant(math.inf)),
}
"""Functions of `math` that return a truth value."""


@contextmanager
def take_symbolic_numbers(modules: Iterable[ModuleType]) -> Iterator[None]:
    """Replace functions within a `with` block.

    :param modules: that the optimizer's code is in.
    """
    with _LOCK:
        changes = _replacements(modules)
        missing = object()
        before = [(owner, name, vars(owner).get(name, missing)) for owner, name, _ in changes]
        try:
            for owner, name, value in changes:
                setattr(owner, name, value)
            yield
        finally:
            for owner, name, value in before:
                if value is missing:
                    delattr(owner, name)
                else:
                    setattr(owner, name, value)


def modules_of(objects: Iterable[Any]) -> list[ModuleType]:
    """Return the modules that the code of some objects is in, with the other modules of their packages.

    :param objects: functions, classes, or objects whose classes hold code.
    """
    objects = list(objects)
    functions = (
        inspect.unwrap(getattr(value, "__func__", value))
        for each in objects
        for kind in (each if isinstance(each, type) else type(each)).__mro__
        for value in vars(kind).values()
        if callable(value) or isinstance(value, classmethod | staticmethod)
    )
    every = (*functions, *(each for each in objects if isinstance(each, FunctionType)))
    names = {name for function in every if isinstance(name := getattr(function, "__module__", None), str)}
    names -= {"builtins", "abc", "typing", "dataclasses", "functools", "collections"}
    packages = {name.rpartition(".")[0] for name in names} - {"", "torch", "playground"}
    return [
        module
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and (name in names or name.rpartition(".")[0] in packages)
    ]


def _replacements(modules: Iterable[ModuleType]) -> list[tuple[Any, str, Any]]:
    """Return what to replace: the owner, the name, and the new function."""
    changes: list[tuple[Any, str, Any]] = [(math, name, value) for name, value in _MATH.items()]
    changes += [(torch, name, value) for name, value in _TORCH.items()]
    originals = {getattr(math, name): value for name, value in _MATH.items()}
    for module in modules:
        names = vars(module)
        changes += [
            (module, name, originals[value])
            for name, value in names.items()
            if isinstance(value, type(math.sqrt)) and value in originals
        ]
        changes += [(module, name, value) for name, value in _BUILTINS.items() if name not in names]
    return changes


def _is_symbolic(value: Any) -> bool:
    return isinstance(value, SymbolicNumber | Symbol)


def _to_number(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor) else value


def _compute(formula: ScalarFormula, operands: Iterable[Any], whole: bool = False) -> Any:
    """Return the number that a formula gives for numbers or tensors of one element."""
    numbers = [_to_number(each) for each in operands]
    recorder = ACTIVE_RECORDERS[-1]
    return recorder.number(formula(recorder.program, *(recorder.scalar(each) for each in numbers)), whole)


def _real_function(name: str, formula: ScalarFormula) -> Function:
    plain = getattr(math, name)
    return lambda *xs: _compute(formula, xs) if any(map(_is_symbolic, xs)) else plain(*xs)


def _question(name: str, formula: ScalarFormula) -> Function:
    plain = getattr(math, name)

    def ask(x: Any) -> bool:
        if not _is_symbolic(x):
            return bool(plain(x))
        number, recorder = _to_number(x), ACTIVE_RECORDERS[-1]
        return recorder.decide(formula(recorder.program, recorder.scalar(number)))

    return ask


def _rounding(name: str) -> Function:
    plain = getattr(math, name)
    return lambda x: getattr(_to_number(x), f"__{name}__")() if isinstance(x, SymbolicNumber) else plain(x)


def _math_log(x: Any, *base: Any, plain: Function = math.log) -> Any:
    if not any(map(_is_symbolic, (x, *base))):
        return plain(x, *base)
    first, *rest = (_compute(formula_of("log"), (each,)) for each in (x, *base))
    return first / rest[0] if rest else first


def _extreme(plain: Function, operation: str) -> Function:
    """Return `max` or `min`; by itself it would have to decide."""

    def extreme(*values: Any, **options: Any) -> Any:
        entries = list(values[0]) if len(values) == 1 else list(values)
        symbolic = any(isinstance(each, SymbolicNumber) for each in entries)
        if options or not symbolic or not all(is_number(each) for each in entries):
            return plain(entries, **options) if entries else plain(*values, **options)
        found, *rest = entries
        for each in rest:
            found = _compute(formula_of(operation), (found, each), is_whole(found) and is_whole(each))
        return found

    return extreme


def _new_tensor(plain: Function) -> Function:
    """Return `torch.tensor` or its like, which read their numbers at once."""

    def tensor(data: Any, *args: Any, **options: Any) -> Any:
        if not any(map(_is_symbolic, tree_leaves(data))) or isinstance(data, torch.Tensor):
            return plain(data, *args, **options)
        recorder = ACTIVE_RECORDERS[-1]
        ids = tree_map(lambda each: recorder.scalar(_to_number(each)), data)
        wanted = options.get("dtype") or torch.get_default_dtype()
        with _disable_current_modes():
            return recorder.symbol(torch.as_tensor(ids, dtype=torch.int64), wanted)

    return tensor


class _NumberType(type):
    """The type of the stand-ins for `float` and `int`: symbolic numbers count as their instances."""

    plain: type
    whole: bool

    def __instancecheck__(cls, value: Any) -> bool:
        if isinstance(value, SymbolicNumber):
            return value.whole == cls.whole
        return isinstance(value, cls.plain)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, cls.plain)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        if len(args) == 1 and _is_symbolic(args[0]):
            number = _to_number(args[0])
            if isinstance(number, SymbolicNumber):
                return number.__trunc__() if cls.whole else _compute(lambda _, x: x, (number,))
            return cls.plain(number)
        return cls.plain(*args, **options)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.plain, name)


class _Float(metaclass=_NumberType):
    plain, whole = builtins.float, False


class _Int(metaclass=_NumberType):
    plain, whole = builtins.int, True


_MATH: dict[str, Function] = {
    **{name: _real_function(name, formula) for name, formula in REAL_FUNCTIONS.items()},
    **{name: _question(name, formula) for name, formula in QUESTIONS.items()},
    **{name: _rounding(name) for name in ("floor", "ceil", "trunc")},
    "log": _math_log,
}

_TORCH: dict[str, Function] = {name: _new_tensor(getattr(torch, name)) for name in ("tensor", "as_tensor")}

_BUILTINS: dict[str, Any] = {
    "max": _extreme(builtins.max, "maximum"),
    "min": _extreme(builtins.min, "minimum"),
    "float": _Float,
    "int": _Int,
}
