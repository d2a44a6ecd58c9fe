"""What the series of `vectormath` and the operations of a program need of the language that they are written in.

There are two such languages: LLVM's (`code.py`), for kernels that run here, and WebAssembly (`wasm/vector.py`), for
kernels that run in a page. A function that is written against this interface gives both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar


class Vector(Protocol):
    """A value of a function under construction: a number, an integer or a truth in each lane."""

    @property
    def code(self: V) -> Dialect[V]:
        """The function; operations on the value are written into it."""

    @property
    def is_constant(self) -> bool:
        """Whether the value is a constant."""

    def __add__(self: V, other: V | float, /) -> V: ...
    def __sub__(self: V, other: V | float, /) -> V: ...
    def __mul__(self: V, other: V | float, /) -> V: ...
    def __truediv__(self: V, other: V | float, /) -> V: ...
    def __neg__(self: V) -> V: ...
    def __and__(self: V, other: V | int, /) -> V: ...
    def __or__(self: V, other: V, /) -> V: ...
    def __invert__(self: V) -> V: ...

    def compare(self: V, how: str, other: V | float, /) -> V:
        """Compare: `olt` (ordered and less than), `une` (unordered or not equal) for numbers; `ne` for integers."""

    def select(self: V, a: V | float, b: V | float, /) -> V:
        """Return a in the lanes where this truth holds, else b; at least one of them is no Python number."""

    def times_plus(self: V, factor: V | float, term: V | float, /) -> V:
        """self * factor + term, rounded once or twice."""

    def shift(self: V, bits: int, /) -> V:
        """Shift an integer left; right, keeping its sign, if `bits` is negative."""

    def to_integer(self: V) -> V:
        """Convert a whole number of at most 31 bits to an integer; NaN becomes an arbitrary one."""

    def to_number(self: V) -> V:
        """Convert an integer of at most 31 bits to a number."""

    def bits(self: V) -> V:
        """Return the bits of a number as an integer."""

    def as_number(self: V) -> V:
        """Return the number that has these bits."""

    def widen(self: V) -> V:
        """Convert numbers of single to double precision; what is computed with the result has it as well."""

    def narrow(self: V) -> V:
        """Convert numbers of double precision to single precision."""


V = TypeVar("V", bound=Vector)


class LaneTypes(Protocol):
    """The numbers in a vector."""

    @property
    def number(self) -> str:
        """`float` or `double`."""

    @property
    def width(self) -> int:
        """The number of lanes."""


class Dialect(Protocol[V]):
    """A function under construction."""

    @property
    def lanes(self) -> LaneTypes:
        """The numbers in its vectors."""

    def in_double_precision(self) -> Dialect[V]:
        """Return the same function, for vectors of as many numbers of double precision."""

    def in_single_precision(self) -> Dialect[V]:
        """Return the same function, for vectors of as many numbers of single precision."""

    def adopt(self, value: V) -> V:
        """Return a value so that operations on it have the precision of this code."""

    def constant(self, value: float, /) -> V:
        """Return a number, the same in each lane."""

    def truth(self, value: bool, /) -> V:
        """Return a truth, the same in each lane."""

    def intrinsic(self, name: str, /, *operands: V) -> V:
        """Return `fabs`, `sqrt`, `floor`, `ceil`, `trunc`, `rint`, `copysign` or `fmuladd` of numbers."""

    def call_function(self, name: str, /, *operands: V) -> V:
        """Call a function of `vectormath` of numbers of this precision."""

    def library(self, name: str, /, *operands: V) -> V:
        """Return what a mathematical library gives: `atan`, `pow`, or `sin` and `cos` of arguments of any size."""

    def choose_rarely(self, where: V, usual: V, rare: Callable[[], V], /) -> V:
        """Replace a value in some lanes; the replacement is only computed if there are such lanes."""
