"""The mathematical functions of a module: each is added when something calls it first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playground.core.compiled import vectormath
from playground.core.compiled.wasm.binary import FunctionType, ValueType, WasmModule
from playground.core.compiled.wasm.far_angles import write_turn
from playground.core.compiled.wasm.function import Node, WasmFunction
from playground.core.compiled.wasm.series import arctangent, power
from playground.core.compiled.wasm.vector import (
    NUMBER,
    REGISTER_BYTES,
    WasmCode,
    WasmLanes,
    WasmVector,
    shuffle_words,
    simd,
)

EXTRACT_DOUBLE = 0x21


class FunctionTable:
    """The functions of `vectormath` in a module, each for one register.

    :param module: that they are added to.
    """

    def __init__(self, module: WasmModule) -> None:
        self._module = module
        self._indices: dict[tuple[str, str], int] = {}
        self._turn: int | None = None
        self._library: dict[str, Callable[..., Any]] = {
            "atan": arctangent,
            "pow": power,
            "sin": lambda x: self._wave(x, 0),
            "cos": lambda x: self._wave(x, 1),
        }

    def index_of(self, name: str, number: str) -> int:
        """Return the index of a function.

        :param number: `float` or `double`.
        """
        if (name, number) not in self._indices:
            count = 2 if name == "pow" else 1
            function = WasmFunction(self._module, FunctionType((ValueType.V128,) * count, (ValueType.V128,)))
            code = WasmCode(function, WasmLanes(number, REGISTER_BYTES // (4 if number == "float" else 8)), self)
            operands = [WasmVector(code, (function.read(each),), NUMBER) for each in function.parameters]
            (result,) = vectormath.FUNCTIONS[name](*operands).registers
            self._indices[name, number] = function.finish(result)
        return self._indices[name, number]

    def write_library(self, name: str, *operands: WasmVector) -> WasmVector:
        """Write `atan` or `pow`, or `sin` or `cos` of large arguments."""
        found: WasmVector = self._library[name](*operands)
        return found

    def _wave(self, x: WasmVector, turned: int) -> WasmVector:
        """The sine of x + turned π/2, |x| >= 2²⁰."""
        single = x.code.lanes.number == "float"
        r, k = self._reduce(x.widen() if single else x)
        if single:
            return vectormath.wave(r.narrow(), k.narrow().to_integer(), turned)
        return vectormath.wave(r, k.to_integer(), turned)

    def _reduce(self, x: WasmVector) -> tuple[WasmVector, WasmVector]:
        """Return r and the quadrant of numbers of double precision, each lane by itself."""
        if self._turn is None:
            self._turn = write_turn(self._module)
        function, register = x.code.function, x.code.register
        angles: list[Node] = []
        quadrants: list[Node] = []
        for each in x.registers:
            lanes = [function.node(simd(EXTRACT_DOUBLE) + bytes([i]), ValueType.F64, each) for i in range(2)]
            pair = [function.call(self._turn, ValueType.V128, lane) for lane in lanes]
            angles.append(register(shuffle_words(0, 1, 4, 5), *pair))
            quadrants.append(register(shuffle_words(2, 3, 6, 7), *pair))
        return WasmVector(x.code, tuple(angles), NUMBER), WasmVector(x.code, tuple(quadrants), NUMBER)
