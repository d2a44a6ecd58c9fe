"""Builds text in LLVM's intermediate language from Python expressions: `a * b + c` writes two vector instructions."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count


@dataclass(frozen=True)
class Lanes:
    """The vector types of a kernel: one lane per run.

    :param number: `float` or `double`.
    :param width: the number of lanes.
    """

    number: str
    width: int

    @property
    def bits(self) -> int:
        """The bits of a number, and of an integer of the same width."""
        return 32 if self.number == "float" else 64

    def of(self, element: str) -> str:
        """Return the type of a vector."""
        return f"<{self.width} x {element}>"

    @property
    def numbers(self) -> str:
        """The type with a number in each lane."""
        return self.of(self.number)

    @property
    def whole(self) -> str:
        """The type with an integer in each lane, as wide as the number."""
        return self.of(f"i{self.bits}")

    @property
    def truths(self) -> str:
        """The type with a boolean in each lane."""
        return self.of("i1")

    @property
    def name(self) -> str:
        """The vector's suffix in names of intrinsics: `v16f32`."""
        return f"v{self.width}f{self.bits}"


def format_literal(value: float, element: str) -> str:
    """Format a number without rounding, as LLVM requires: the bits of the double, also for a `float`."""
    if element.startswith("i"):
        return str(int(value))
    if element == "float":
        value = _as_float(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def _as_float(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


@dataclass
class Code:
    """The text of a function under construction.

    :param lanes: its vector types.
    :param declared: declarations of the intrinsics and C library functions that it calls.
    :param functions: the functions of `vectormath` that it calls.
    """

    lanes: Lanes
    declared: dict[str, None] = field(default_factory=dict)
    functions: dict[tuple[str, Lanes], None] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def in_double_precision(self) -> Code:
        """Return the same function under construction, for vectors of as many numbers of double precision."""
        return self if self.lanes.number == "double" else replace(self, lanes=Lanes("double", self.lanes.width))

    def in_single_precision(self) -> Code:
        """Return the same function under construction, for vectors of as many numbers of single precision."""
        return self if self.lanes.number == "float" else replace(self, lanes=Lanes("float", self.lanes.width))

    def adopt(self, value: VectorValue) -> VectorValue:
        """Return a value so that operations on it have the precision of this code."""
        return replace(value, code=self)

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        """Start a basic block."""
        self.lines.append(f"{name}:")

    def fresh(self, name: str) -> str:
        """Return an unused label."""
        return f"{name}{next(self._numbers)}"

    def instruction(self, text: str, type_: str) -> VectorValue:
        """Write an instruction whose result has this type."""
        name = f"%v{next(self._numbers)}"
        self.line(f"{name} = {text}")
        return VectorValue(self, name, type_)

    def constant(self, value: float, type_: str | None = None) -> VectorValue:
        """Return a constant; as a vector, it has the same value in each lane."""
        type_ = type_ or self.lanes.numbers
        if not type_.startswith("<"):
            return VectorValue(self, format_literal(value, type_), type_)
        element = type_[:-1].split(" x ")[1]
        return VectorValue(self, f"splat ({element} {format_literal(value, element)})", type_)

    def truth(self, value: bool) -> VectorValue:
        """Return a constant boolean, the same in each lane."""
        return self.constant(value, self.lanes.truths)

    def call(self, name: str, type_: str, *operands: VectorValue) -> VectorValue:
        """Call a function; intrinsics are declared."""
        if name.startswith("llvm."):
            self.declared[f"declare {type_} @{name}({', '.join(each.type for each in operands)})"] = None
        return self.instruction(f"call {type_} @{name}({', '.join(map(str, operands))})", type_)

    def intrinsic(self, name: str, *operands: VectorValue) -> VectorValue:
        """Call an intrinsic on vectors of numbers."""
        return self.call(f"llvm.{name}.{self.lanes.name}", self.lanes.numbers, *operands)

    def call_function(self, name: str, *operands: VectorValue) -> VectorValue:
        """Call a function of `vectormath`; `assemble_module` adds its definition."""
        self.functions[name, self.lanes] = None
        return self.call(function_name(name, self.lanes), self.lanes.numbers, *operands)

    def library(self, name: str, *operands: VectorValue) -> VectorValue:
        """Call a C library function for each lane, in double precision."""
        x, number = operands[0], self.lanes.number
        self.declared[f"declare double @{name}({', '.join(['double'] * len(operands))})"] = None
        # The select of equal operands copies x, as a value whose lanes can then be replaced one by one.
        result = self.instruction(f"select i1 true, {x}, {x}", x.type)
        for lane in range(self.lanes.width):
            scalars = [self.instruction(f"extractelement {each}, i32 {lane}", number) for each in operands]
            if number == "float":
                scalars = [each.convert("fpext", "double") for each in scalars]
            found = self.instruction(f"call double @{name}({', '.join(map(str, scalars))})", "double")
            if number == "float":
                found = found.convert("fptrunc", "float")
            result = self.instruction(f"insertelement {result}, {found}, i32 {lane}", x.type)
        return result

    def choose_rarely(self, where: VectorValue, usual: VectorValue, rare: Callable[[], VectorValue]) -> VectorValue:
        """Replace a value in some lanes; the replacement is only computed if there are such lanes."""
        any_ = self.call(f"llvm.vector.reduce.or.v{self.lanes.width}i1", "i1", where)
        before = self.fresh("usual")
        self.line(f"br label %{before}")
        self.label(before)
        then, after = self.fresh("rare"), self.fresh("after")
        self.line(f"br i1 {any_.text}, label %{then}, label %{after}")
        self.label(then)
        found = where.select(rare(), usual)
        self.line(f"br label %{after}")
        self.label(after)
        return self.instruction(f"phi {usual.type} [{usual.text}, %{before}], [{found.text}, %{then}]", usual.type)

    def load(self, pointer: str, element: str, index: VectorValue | str, type_: str | None = None) -> VectorValue:
        """Load the value `index` elements after a pointer; with a vector type, that many consecutive elements."""
        return self.instruction(
            f"load {type_ or element}, ptr {self.address(pointer, element, index)}, align {_size(element)}",
            type_ or element,
        )

    def store(self, value: VectorValue, pointer: str, element: str, index: VectorValue | str) -> None:
        """Store a value `index` elements after a pointer."""
        self.line(f"store {value}, ptr {self.address(pointer, element, index)}, align {_size(element)}")

    def address(self, pointer: str, element: str, index: VectorValue | str) -> str:
        """Return the address `index` elements after a pointer."""
        text = index.text if isinstance(index, VectorValue) else index
        return self.instruction(f"getelementptr {element}, ptr {pointer}, i64 {text}", "ptr").text

    def everywhere(self, value: VectorValue) -> VectorValue:
        """Copy a scalar into each lane."""
        width, vector = self.lanes.width, self.lanes.of(value.type)
        first = self.instruction(f"insertelement {vector} poison, {value}, i32 0", vector)
        return self.instruction(f"shufflevector {first}, {vector} poison, <{width} x i32> zeroinitializer", vector)


def function_name(name: str, lanes: Lanes) -> str:
    """Return the name that a function of `vectormath` has for these vectors."""
    return f"lanes.{name}.{lanes.name}"


def _size(element: str) -> int:
    return 4 if element in ("float", "i32") else 8


@dataclass(frozen=True, eq=False)
class VectorValue:
    """A value in a function under construction."""

    code: Code
    text: str
    type: str

    def __str__(self) -> str:
        return f"{self.type} {self.text}"

    @property
    def is_constant(self) -> bool:
        """Whether the value is a constant, the same in each lane."""
        return self.text.startswith("splat")

    def _with(self, instruction: str, other: VectorValue | float, type_: str | None = None) -> VectorValue:
        other = other if isinstance(other, VectorValue) else self.code.constant(other, self.type)
        return self.code.instruction(f"{instruction} {self}, {other.text}", type_ or self.type)

    def _whole(self) -> bool:
        return "i" in self.type.split(" ")[-1]

    def __add__(self, other: VectorValue | float) -> VectorValue:
        return self._with("add" if self._whole() else "fadd", other)

    def __sub__(self, other: VectorValue | float) -> VectorValue:
        return self._with("sub" if self._whole() else "fsub", other)

    def __mul__(self, other: VectorValue | float) -> VectorValue:
        return self._with("mul" if self._whole() else "fmul", other)

    def __truediv__(self, other: VectorValue | float) -> VectorValue:
        return self._with("fdiv", other)

    def __neg__(self) -> VectorValue:
        return self.code.instruction(f"fneg {self}", self.type)

    def __and__(self, other: VectorValue | int) -> VectorValue:
        return self._with("and", other)

    def __or__(self, other: VectorValue) -> VectorValue:
        return self._with("or", other)

    def __invert__(self) -> VectorValue:
        return self._with("xor", 1 if self.type == self.code.lanes.truths else -1)

    def compare(self, how: str, other: VectorValue | float) -> VectorValue:
        """Compare by LLVM's condition: `olt` (ordered and less than) for numbers, `slt` for integers."""
        truths = self.code.lanes.truths if self.type.startswith("<") else "i1"
        return self._with(f"{'icmp' if self._whole() else 'fcmp'} {how}", other, truths)

    def select(self, a: VectorValue | float, b: VectorValue | float) -> VectorValue:
        """Return a in the lanes where this mask is set, else b; at least one of them must be a `VectorValue`."""
        like = a if isinstance(a, VectorValue) else b
        if not isinstance(like, VectorValue):
            raise TypeError("select needs a VectorValue among its operands: two numbers have no type")
        first, second = (x if isinstance(x, VectorValue) else self.code.constant(x, like.type) for x in (a, b))
        return self.code.instruction(f"select {self}, {first}, {second}", like.type)

    def times_plus(self, factor: VectorValue | float, term: VectorValue | float) -> VectorValue:
        """self * factor + term, with a single rounding on CPUs with fused multiply-add."""
        constant = self.code.constant
        a, b = (x if isinstance(x, VectorValue) else constant(x) for x in (factor, term))
        return self.code.intrinsic("fmuladd", self, a, b)

    def convert(self, how: str, type_: str) -> VectorValue:
        """Convert by an LLVM instruction such as `fptosi`, `sitofp`, `bitcast` or `fpext`."""
        return self.code.instruction(f"{how} {self} to {type_}", type_)

    def shift(self, bits: int) -> VectorValue:
        """Shift left; shift right arithmetically if `bits` is negative."""
        return self._with("shl", bits) if bits > 0 else self._with("ashr", -bits)

    def to_integer(self) -> VectorValue:
        """Convert a rounded number to an integer; NaN becomes an arbitrary integer."""
        whole = self.code.lanes.whole
        # The conversion of NaN is poison in LLVM; `freeze` turns it into some integer, which later selects ignore.
        return self.code.instruction(f"freeze {self.convert('fptosi', whole)}", whole)

    def to_number(self) -> VectorValue:
        """Convert an integer to a number."""
        return self.convert("sitofp", self.code.lanes.numbers)

    def bits(self) -> VectorValue:
        """Return the bits of a number as an integer."""
        return self.convert("bitcast", self.code.lanes.whole)

    def as_number(self) -> VectorValue:
        """Return the number that has these bits."""
        return self.convert("bitcast", self.code.lanes.numbers)

    def widen(self) -> VectorValue:
        """Convert to double precision; what is computed with the result has it as well."""
        wide = self.code.in_double_precision()
        return wide.adopt(self.convert("fpext", wide.lanes.numbers))

    def narrow(self) -> VectorValue:
        """Convert to single precision."""
        code = self.code.in_single_precision()
        return code.adopt(self.convert("fptrunc", code.lanes.numbers))
