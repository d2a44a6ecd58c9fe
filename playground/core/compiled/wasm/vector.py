"""Vectors of numbers in WebAssembly: the second dialect of `vectormath` and of the operations of a program.

A register of WebAssembly has 128 bits: four numbers of single precision or two of double precision. A vector is as
many registers as its lanes need, so that four numbers of double precision are two registers. A truth is an integer as
wide as the numbers that were compared, with all bits set or none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from playground.core.compiled.wasm.binary import ValueType, encode_float, encode_unsigned
from playground.core.compiled.wasm.function import Node, WasmFunction

if TYPE_CHECKING:
    from playground.core.compiled.wasm.functions import FunctionTable

NUMBER, INTEGER, TRUTH = "number", "integer", "truth"

REGISTER_BYTES = 16

SINGLE_OPERATIONS = {
    "add": 0xE4,
    "sub": 0xE5,
    "mul": 0xE6,
    "div": 0xE7,
    "fabs": 0xE0,
    "neg": 0xE1,
    "sqrt": 0xE3,
    "ceil": 0x67,
    "floor": 0x68,
    "trunc": 0x69,
    "rint": 0x6A,
    "oeq": 0x41,
    "une": 0x42,
    "olt": 0x43,
    "ogt": 0x44,
    "ole": 0x45,
    "oge": 0x46,
    "iadd": 0xAE,
    "isub": 0xB1,
    "shl": 0xAB,
    "shr": 0xAC,
    "eq": 0x37,
    "ne": 0x38,
    "slt": 0x39,
    "sgt": 0x3B,
    "sle": 0x3D,
    "sge": 0x3F,
}
DOUBLE_OPERATIONS = {
    "add": 0xF0,
    "sub": 0xF1,
    "mul": 0xF2,
    "div": 0xF3,
    "fabs": 0xEC,
    "neg": 0xED,
    "sqrt": 0xEF,
    "ceil": 0x74,
    "floor": 0x75,
    "trunc": 0x7A,
    "rint": 0x94,
    "oeq": 0x47,
    "une": 0x48,
    "olt": 0x49,
    "ogt": 0x4A,
    "ole": 0x4B,
    "oge": 0x4C,
    "iadd": 0xCE,
    "isub": 0xD1,
    "shl": 0xCB,
    "shr": 0xCC,
    "eq": 0xD6,
    "ne": 0xD7,
    "slt": 0xD8,
    "sgt": 0xD9,
    "sle": 0xDA,
    "sge": 0xDB,
}
"""Instructions on a register of numbers, and of integers that are as wide, by the names of `Dialect`."""

NOT, AND, OR, XOR, CHOOSE, ANY = 0x4D, 0x4E, 0x50, 0x51, 0x52, 0x53
SHUFFLE = 0x0D
LOAD, LOAD_SPLAT_32, LOAD_SPLAT_64, STORE = 0x00, 0x09, 0x0A, 0x0B
DEMOTE, PROMOTE = 0x5E, 0x5F


@lru_cache(maxsize=256)
def simd(number: int) -> bytes:
    """Return the instruction of a vector operation."""
    return b"\xfd" + encode_unsigned(number)


def shuffle_words(*words: int) -> bytes:
    """Return the instruction that builds a register of four words of 32 bits, of the eight of two registers."""
    return simd(SHUFFLE) + bytes(4 * word + byte for word in words for byte in range(4))


@dataclass(frozen=True)
class WasmLanes:
    """The numbers in a vector.

    :param number: `float` or `double`.
    :param width: the number of lanes.
    """

    number: str
    width: int

    @property
    def bytes_each(self) -> int:
        """The bytes of a number."""
        return 4 if self.number == "float" else 8

    @property
    def registers(self) -> int:
        """How many registers a vector has."""
        return max(1, self.width * self.bytes_each // REGISTER_BYTES)


@dataclass(frozen=True)
class WasmCode:
    """A function under construction that computes with vectors.

    :param function: receives values and statements.
    :param lanes: the numbers.
    :param table: the functions that it may call.
    """

    function: WasmFunction
    lanes: WasmLanes
    table: FunctionTable

    def in_double_precision(self) -> WasmCode:
        """Return the same function, for vectors of as many numbers of double precision."""
        return replace(self, lanes=WasmLanes("double", self.lanes.width))

    def in_single_precision(self) -> WasmCode:
        """Return the same function, for vectors of as many numbers of single precision."""
        return replace(self, lanes=WasmLanes("float", self.lanes.width))

    def adopt(self, value: WasmVector) -> WasmVector:
        """Return a value so that operations on it have the precision of this code; truths become as wide."""
        if value.kind != TRUTH or value.code.lanes.number == self.lanes.number:
            return replace(value, code=self)
        if self.lanes.number == "float":
            pairs = zip(value.registers[::2], value.registers[1::2], strict=True)
            found = [self.register(shuffle_words(0, 2, 4, 6), *pair) for pair in pairs]
        else:
            halves = (shuffle_words(0, 0, 1, 1), shuffle_words(2, 2, 3, 3))
            found = [self.register(half, each, each) for each in value.registers for half in halves]
        return WasmVector(self, tuple(found), TRUTH)

    def register(self, code: bytes, *operands: Node) -> Node:
        """Return a register that an instruction computes."""
        return self.function.node(code, ValueType.V128, *operands)

    def operation(self, name: str, *operands: Node) -> Node:
        """Return a register that an operation on numbers, or on integers that are as wide, computes."""
        table = SINGLE_OPERATIONS if self.lanes.number == "float" else DOUBLE_OPERATIONS
        return self.register(simd(table[name]), *operands)

    def vector(self, register: Node, kind: str = NUMBER, is_constant: bool = False) -> WasmVector:
        """Return a vector whose registers are all the same."""
        return WasmVector(self, (register,) * self.lanes.registers, kind, is_constant)

    def constant(self, value: float) -> WasmVector:
        """Return a number, the same in each lane."""
        if self.lanes.number == "float":
            scalar = self.function.node(b"\x43" + encode_float(value), ValueType.F32)
            return self.vector(self.register(simd(0x13), scalar), is_constant=True)
        scalar = self.function.node(b"\x44" + struct.pack("<d", value), ValueType.F64)
        return self.vector(self.register(simd(0x14), scalar), is_constant=True)

    def whole(self, value: int) -> WasmVector:
        """Return an integer as wide as a number, the same in each lane."""
        single = self.lanes.number == "float"
        scalar = self.function.integer(value, ValueType.I32 if single else ValueType.I64)
        return self.vector(self.register(simd(0x11 if single else 0x12), scalar), INTEGER, is_constant=True)

    def truth(self, value: bool) -> WasmVector:
        """Return a truth, the same in each lane."""
        return replace(self.whole(-1 if value else 0), kind=TRUTH)

    def intrinsic(self, name: str, *operands: WasmVector) -> WasmVector:
        """Return `fabs`, `sqrt`, `floor`, `ceil`, `trunc`, `rint`, `copysign` or `fmuladd` of numbers."""
        first = operands[0]
        if name == "fmuladd":
            return first * operands[1] + operands[2]
        if name == "copysign":
            sign = self.whole(-(1 << 8 * self.lanes.bytes_each - 1))
            return replace(sign, kind=TRUTH).select(operands[1], first)
        return replace(
            first, registers=tuple(self.operation(name, each) for each in first.registers), is_constant=False
        )

    def call_function(self, name: str, *operands: WasmVector) -> WasmVector:
        """Call a function of `vectormath`, once for each register."""
        index = self.table.index_of(name, self.lanes.number)
        rows = zip(*(each.registers for each in operands), strict=True)
        found = tuple(self.function.call(index, ValueType.V128, *row) for row in rows)
        return WasmVector(self, found, NUMBER)

    def library(self, name: str, *operands: WasmVector) -> WasmVector:
        """Write what other languages have a mathematical library for."""
        return self.table.write_library(name, *operands)

    def choose_rarely(self, where: WasmVector, usual: WasmVector, rare: Callable[[], WasmVector]) -> WasmVector:
        """Replace a value in some lanes; the replacement is only computed if there are such lanes."""
        function = self.function
        variables = [function.variable(each) for each in usual.registers]

        def replacement() -> None:
            before = replace(usual, registers=tuple(map(function.read, variables)))
            function.assign(variables, where.select(rare(), before).registers)

        function.when(self.any(where), replacement)
        return replace(usual, registers=tuple(map(function.read, variables)), is_constant=False)

    def any(self, mask: WasmVector) -> Node:
        """Return whether a truth holds in any lane, as an integer."""
        joined = mask.registers[0]
        for each in mask.registers[1:]:
            joined = self.register(simd(OR), joined, each)
        return self.function.node(simd(ANY), ValueType.I32, joined)

    def load(self, address: Node, offset: int, kind: str = NUMBER) -> WasmVector:
        """Load a vector."""
        registers = [
            self.function.load(
                simd(LOAD) + b"\x04" + encode_unsigned(offset + REGISTER_BYTES * i), ValueType.V128, address
            )
            for i in range(self.lanes.registers)
        ]
        return WasmVector(self, tuple(registers), kind)

    def load_everywhere(self, address: Node, offset: int, kind: str = NUMBER) -> WasmVector:
        """Load one number or integer into each lane."""
        single = self.lanes.number == "float"
        code = simd(LOAD_SPLAT_32) + b"\x02" if single else simd(LOAD_SPLAT_64) + b"\x03"
        return self.vector(self.function.load(code + encode_unsigned(offset), ValueType.V128, address), kind)

    def store(self, value: WasmVector, address: Node, offset: int) -> None:
        """Store a vector."""
        for i, each in enumerate(value.registers):
            self.function.do(simd(STORE) + b"\x04" + encode_unsigned(offset + REGISTER_BYTES * i), address, each)


@dataclass(frozen=True, eq=False)
class WasmVector:
    """A value in a function under construction.

    :param code: of the function; has the precision of the value.
    :param registers: that hold the lanes.
    :param kind: number, integer or truth.
    """

    code: WasmCode
    registers: tuple[Node, ...]
    kind: str
    is_constant: bool = False

    def _lift(self, other: WasmVector | float) -> WasmVector:
        if isinstance(other, WasmVector):
            return other
        if self.kind == TRUTH:
            return self.code.truth(bool(other))
        return self.code.whole(int(other)) if self.kind == INTEGER else self.code.constant(other)

    def _each(self, combine: Callable[..., Node], *others: WasmVector, kind: str | None = None) -> WasmVector:
        rows = zip(self.registers, *(each.registers for each in others), strict=True)
        return WasmVector(self.code, tuple(combine(*row) for row in rows), kind or self.kind)

    def _apply(self, name: str, *others: WasmVector, kind: str | None = None) -> WasmVector:
        return self._each(lambda *row: self.code.operation(name, *row), *others, kind=kind)

    def _logic(self, number: int, *others: WasmVector) -> WasmVector:
        return self._each(lambda *row: self.code.register(simd(number), *row), *others)

    def __add__(self, other: WasmVector | float) -> WasmVector:
        return self._apply("iadd" if self.kind == INTEGER else "add", self._lift(other))

    def __sub__(self, other: WasmVector | float) -> WasmVector:
        return self._apply("isub" if self.kind == INTEGER else "sub", self._lift(other))

    def __mul__(self, other: WasmVector | float) -> WasmVector:
        return self._apply("mul", self._lift(other))

    def __truediv__(self, other: WasmVector | float) -> WasmVector:
        return self._apply("div", self._lift(other))

    def __neg__(self) -> WasmVector:
        return self._apply("neg")

    def __and__(self, other: WasmVector | int) -> WasmVector:
        return self._logic(AND, self._lift(other))

    def __or__(self, other: WasmVector) -> WasmVector:
        return self._logic(OR, other)

    def __invert__(self) -> WasmVector:
        return self._logic(NOT)

    def compare(self, how: str, other: WasmVector | float) -> WasmVector:
        """Compare by one of the conditions of `Dialect`."""
        second = self._lift(other)
        if self.kind == TRUTH:
            differ = self._logic(XOR, second)
            return differ if how == "ne" else ~differ
        match how:
            case "uno":
                unknown = self._apply("une", self, kind=TRUTH)
                return unknown if second is self else unknown | second._apply("une", second, kind=TRUTH)
            case "one":
                return self._apply("olt", second, kind=TRUTH) | self._apply("ogt", second, kind=TRUTH)
            case "ugt":
                return ~self._apply("ole", second, kind=TRUTH)
            case "ule":
                return ~self._apply("ogt", second, kind=TRUTH)
        return self._apply(how, second, kind=TRUTH)

    def select(self, a: WasmVector | float, b: WasmVector | float) -> WasmVector:
        """Return a in the lanes where this truth holds, else b; at least one of them is no Python number."""
        like = a if isinstance(a, WasmVector) else b
        if not isinstance(like, WasmVector):
            raise TypeError("select needs a vector among its operands: two numbers have no precision")
        first, second = like._lift(a), like._lift(b)
        mask = like.code.adopt(self)
        return first._each(lambda x, y, m: first.code.register(simd(CHOOSE), x, y, m), second, mask)

    def times_plus(self, factor: WasmVector | float, term: WasmVector | float) -> WasmVector:
        """self * factor + term, each rounded."""
        return self * self._lift(factor) + self._lift(term)

    def shift(self, bits: int) -> WasmVector:
        """Shift an integer left; right, keeping its sign, if `bits` is negative."""
        amount = self.code.function.integer(abs(bits))
        return self._each(lambda x: self.code.operation("shl" if bits > 0 else "shr", x, amount))

    def to_integer(self) -> WasmVector:
        """Convert a whole number of at most 31 bits to an integer; NaN becomes 0."""
        register = self.code.register
        if self.code.lanes.number == "float":
            return self._each(lambda x: register(simd(0xF8), x), kind=INTEGER)
        return self._each(lambda x: register(simd(0xC7), register(simd(0xFC), x)), kind=INTEGER)

    def to_number(self) -> WasmVector:
        """Convert an integer of at most 31 bits to a number."""
        register = self.code.register
        if self.code.lanes.number == "float":
            return self._each(lambda x: register(simd(0xFA), x), kind=NUMBER)
        return self._each(lambda x: register(simd(0xFE), register(shuffle_words(0, 2, 0, 2), x, x)), kind=NUMBER)

    def bits(self) -> WasmVector:
        """Return the bits of a number as an integer."""
        return replace(self, kind=INTEGER)

    def as_number(self) -> WasmVector:
        """Return the number that has these bits."""
        return replace(self, kind=NUMBER)

    def widen(self) -> WasmVector:
        """Convert numbers of single to double precision."""
        register, wide = self.code.register, self.code.in_double_precision()
        found: list[Node] = []
        for each in self.registers:
            upper = register(shuffle_words(2, 3, 2, 3), each, each)
            found += [register(simd(PROMOTE), each), register(simd(PROMOTE), upper)]
        return WasmVector(wide, tuple(found[: wide.lanes.registers]), NUMBER, self.is_constant)

    def narrow(self) -> WasmVector:
        """Convert numbers of double to single precision; those of one register are followed by zeros."""
        register, code = self.code.register, self.code.in_single_precision()
        halves = [register(simd(DEMOTE), each) for each in self.registers]
        pairs: Sequence[tuple[Node, ...]] = list(zip(halves[::2], halves[1::2], strict=False)) or [(halves[0],)]
        found = [pair[0] if len(pair) == 1 else register(shuffle_words(0, 1, 4, 5), *pair) for pair in pairs]
        return WasmVector(code, tuple(found), NUMBER, self.is_constant)
