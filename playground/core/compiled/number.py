"""A number that Python code computes with while a step is recorded.

Optimizers compute with plain numbers as much as with tensors: `1 - beta1**step`, `alpha=-lr`, `lerp_(g, 1 - beta1)`. A
`SymbolicNumber` stands for such a number where it differs between runs or between steps. It is a `torch.SymFloat`,
which torch's argument parser accepts wherever an operation takes a Python number, and passes to the recorder unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.scalar_operations import Dependence

if TYPE_CHECKING:
    from playground.core.compiled.program import Program
    from playground.core.compiled.recorder import ProgramRecorder

ScalarFormula = Callable[..., int]
"""Called with the program and values; returns the value of the result."""


def floor_divide(program: Program, a: int, b: int) -> int:
    """⌊a / b⌋ of whole numbers.

    A kernel multiplies by the reciprocal, so the quotient may come out just below a whole number: the remainder then
    tells that 1 is missing.
    """
    quotient = program.apply("floor", program.apply("div", a, b))
    if program.is_precomputed(quotient):
        return quotient
    if program.dependence[quotient] & Dependence.RUN:
        raise CannotCompileError("a remainder of numbers that differ between runs")
    rest = program.apply("sub", a, program.apply("mul", b, quotient))
    missing = program.apply("ge", program.apply("abs", rest), program.apply("abs", b))
    return program.apply("select", missing, program.apply("add", quotient, program.constant(1.0)), quotient)


def remainder(program: Program, a: int, b: int) -> int:
    """a - b ⌊a / b⌋, which has the sign of b."""
    return program.apply("sub", a, program.apply("mul", b, floor_divide(program, a, b)))


def copy_sign(program: Program, size: int, sign: int) -> int:
    """|a| with the sign of b, also of b = -0, whose reciprocal is -∞."""
    apply, zero = program.apply, program.constant(0.0)
    reciprocal = apply("div", program.constant(1.0), sign)
    negative = apply("or", apply("lt", sign, zero), apply("lt", reciprocal, zero))
    size = apply("abs", size)
    return apply("select", negative, apply("neg", size), size)


def logarithm(base: float) -> ScalarFormula:
    """Return the formula of the logarithm to a base."""
    return lambda program, x: program.apply("mul", program.apply("log", x), program.constant(1 / math.log(base)))


def formula_of(operation: str) -> ScalarFormula:
    """Return the formula that is one scalar operation."""
    return lambda program, *operands: program.apply(operation, *operands)


class SymbolicNumber(torch.SymFloat):
    """A number of Python that has no value yet.

    Arithmetic adds operations to the program. A comparison, and whatever else needs the value, asks the recorder how to
    go on.

    :param recorder: of the program.
    :param index: the value in the program.
    :param whole: whether Python would have an `int` here.
    """

    def __init__(self, recorder: ProgramRecorder, index: int, whole: bool = False) -> None:
        # torch wraps what is in `node` in a new SymFloat on the way to the recorder, which takes it out again.
        self.node: Any = self
        self.recorder = recorder
        self.index = index
        self.whole = whole

    def compute(self, formula: ScalarFormula, *operands: Any, whole: bool | None = None) -> Any:
        """Return the number that a formula gives for these operands.

        :param operands: numbers of Python, symbolic or not.
        :param whole: whether the result is an `int`; by default, if all operands are.
        """
        if not all(is_number(each) for each in operands):
            return NotImplemented
        values = [self.recorder.scalar(each) for each in operands]
        every = all(is_whole(each) for each in operands) if whole is None else whole
        return self.recorder.number(formula(self.recorder.program, *values), every)

    def decide(self, operation: str, other: Any) -> Any:
        """Return how a comparison comes out."""
        if not is_number(other):
            return NotImplemented
        values = self.recorder.scalar(self), self.recorder.scalar(other)
        return self.recorder.decide(self.recorder.program.apply(operation, *values))

    def __add__(self, other: Any) -> Any:
        return self.compute(formula_of("add"), self, other)

    def __radd__(self, other: Any) -> Any:
        return self.compute(formula_of("add"), other, self)

    def __sub__(self, other: Any) -> Any:
        return self.compute(formula_of("sub"), self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.compute(formula_of("sub"), other, self)

    def __mul__(self, other: Any) -> Any:
        return self.compute(formula_of("mul"), self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.compute(formula_of("mul"), other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.compute(formula_of("div"), self, other, whole=False)

    def __rtruediv__(self, other: Any) -> Any:
        return self.compute(formula_of("div"), other, self, whole=False)

    def __floordiv__(self, other: Any) -> Any:
        return self.compute(floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self.compute(floor_divide, other, self)

    def __mod__(self, other: Any) -> Any:
        return self.compute(remainder, self, other)

    def __rmod__(self, other: Any) -> Any:
        return self.compute(remainder, other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pow__(self, other: Any) -> Any:
        whole = self.whole and isinstance(other, int) and other >= 0
        return self.compute(formula_of("pow"), self, other, whole=whole)

    def __rpow__(self, other: Any) -> Any:
        return self.compute(formula_of("pow"), other, self, whole=False)

    def __neg__(self) -> Any:
        return self.compute(formula_of("neg"), self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self.compute(formula_of("abs"), self)

    def __round__(self, digits: int | None = None) -> Any:  # type: ignore[override]
        if self.whole and digits is not None and digits >= 0:
            return self
        if digits:  # Python rounds the decimal number, which no scalar operation does
            return round(float(self), digits)
        return self.compute(formula_of("round"), self, whole=digits is None)

    def __trunc__(self) -> Any:
        return self.compute(formula_of("trunc"), self, whole=True)

    def __floor__(self) -> Any:
        return self.compute(formula_of("floor"), self, whole=True)

    def __ceil__(self) -> Any:
        return self.compute(formula_of("ceil"), self, whole=True)

    # numpy calls these methods for its functions of the same names.

    def sqrt(self) -> Any:
        """√x."""
        return self.compute(formula_of("sqrt"), self, whole=False)

    def exp(self) -> Any:
        """eˣ."""
        return self.compute(formula_of("exp"), self, whole=False)

    def log(self) -> Any:
        """ln x."""
        return self.compute(formula_of("log"), self, whole=False)

    def item(self) -> Any:
        """Return the number itself, as numpy's numbers do."""
        return self

    def is_integer(self) -> Any:
        """Tell whether the number is whole."""
        return self.decide("eq", self.__floor__())

    # Where Python needs a value

    def __eq__(self, other: object) -> Any:
        return self.decide("eq", other)

    def __ne__(self, other: object) -> Any:
        return self.decide("ne", other)

    def __lt__(self, other: Any) -> Any:
        return self.decide("lt", other)

    def __le__(self, other: Any) -> Any:
        return self.decide("le", other)

    def __gt__(self, other: Any) -> Any:
        return self.decide("gt", other)

    def __ge__(self, other: Any) -> Any:
        return self.decide("ge", other)

    def __bool__(self) -> bool:
        return bool(self.decide("ne", 0))

    def __float__(self) -> float:
        return self.recorder.require_known(self.index, "float()")

    def __int__(self) -> int:
        return int(self.recorder.require_known(self.index, "int()"))

    def __index__(self) -> int:
        return int(self.recorder.require_known(self.index, "an index or a size"))

    def __hash__(self) -> int:
        return hash(("symbolic number", self.index))

    def __repr__(self) -> str:
        return f"v{self.index}"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __deepcopy__(self, memo: Any) -> SymbolicNumber:
        return self

    # What torch asks the node of a SymFloat

    def is_float(self) -> bool:
        """Tell torch that this is a float."""
        return True

    def is_int(self) -> bool:
        """Tell torch that this is no int."""
        return False

    def is_bool(self) -> bool:
        """Tell torch that this is no bool."""
        return False

    def is_symbolic(self) -> bool:
        """Tell torch that the value is not known."""
        return True

    def is_constant(self) -> bool:
        """Tell torch that the value is no constant."""
        return False

    def maybe_as_float(self) -> None:
        """Tell torch that there is no value."""

    def guard_float(self, *_: Any) -> float:
        """Return the value, where torch cannot go on without it."""
        return float(self)

    def clone(self) -> SymbolicNumber:
        """Return the node itself: it never changes."""
        return self


def is_number(value: Any) -> bool:
    """Tell whether a value is a number of Python, symbolic or not."""
    return isinstance(value, SymbolicNumber | bool | int | float)


def is_whole(value: Any) -> bool:
    """Tell whether a number of Python is an `int`, or would be one."""
    return value.whole if isinstance(value, SymbolicNumber) else isinstance(value, int)
