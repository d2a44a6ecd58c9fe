"""Writes functions that sum up what samples contribute to the loss and to its gradient: lanes are samples."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from playground.core.compiled.body import Emitter
from playground.core.compiled.program import SAMPLE, SLOT
from playground.core.compiled.scalar_operations import Dependence
from playground.core.compiled.wasm.apart_program import ApartProgram
from playground.core.compiled.wasm.batches import load_lanes
from playground.core.compiled.wasm.binary import FunctionType, ValueType
from playground.core.compiled.wasm.function import LocalVariable, Node, WasmFunction
from playground.core.compiled.wasm.tiles import TileFunction
from playground.core.compiled.wasm.vector import (
    INTEGER,
    NUMBER,
    REGISTER_BYTES,
    WasmCode,
    WasmVector,
    shuffle_words,
    simd,
)

SELECT = 0x1B
"""The instruction that takes the first of two integers if a third is not 0."""


def write_sample_sum(module: ApartProgram, loss: int, gradient: Sequence[int] = ()) -> int:
    """Write `sum(parameters, order, count)`; return the index of the function.

    It returns the loss of `count` samples in each lane. The array `sums` then has a vector for each entry of the
    parameters; the sum over its lanes is the derivative by that entry.

    :param loss: the value of a sample's weighted loss.
    :param gradient: the values of its derivatives by the parameters, if they are wanted.
    """
    function = WasmFunction(module.wasm, FunctionType((ValueType.I32,) * 3, (ValueType.V128,)))
    writer = _SampleSum(module, TileFunction(module, function, {}), loss, gradient)
    return function.finish(writer.write())


class _SampleSum:
    """Writes the body of the function."""

    def __init__(self, module: ApartProgram, tile: TileFunction, loss: int, gradient: Sequence[int]) -> None:
        self._module = module
        self._tile = tile
        self._loss, self._gradient = loss, gradient
        self._parameters, self._order, self._count = map(tile.function.read, tile.function.parameters)

    def write(self) -> Node:
        """Write statements; return the loss."""
        tile, function, code = self._tile, self._tile.function, self._tile.code
        if self._gradient:
            size = function.integer(self._module.padded_entries * REGISTER_BYTES)
            function.do(b"\xfc\x0b\x00", tile.size("sums"), function.integer(0), size)  # fills memory with zeros
        weight = self._weight()
        tile.keep(weight)
        total = function.variable(code.constant(0.0).registers[0])
        first = function.variable(function.integer(0))

        def some_samples() -> Node:
            self._add(function.read(first), weight, total)
            function.assign([first], [tile.plus(function.read(first), code.lanes.width)])
            return tile.is_less(function.read(first), self._count)

        function.loop(some_samples)
        return sum_of_lanes(tile.vector_of(total)).registers[0]

    def _weight(self) -> WasmVector:
        """Return the weight of a sample."""
        code, function = self._tile.code, self._tile.function
        if not self._module.step.sample.is_mean:
            return code.constant(1.0)
        wide = code.in_double_precision()
        count = function.node(b"\xb7", ValueType.F64, self._count)
        found = wide.constant(1.0) / wide.vector(wide.register(simd(0x14), count))
        return found if code.lanes.number == "double" else found.narrow()

    def _add(self, first: Node, weight: WasmVector, total: LocalVariable) -> None:
        """Add what a vector of samples contributes.

        :param first: the place of the first of them in the batch. Lanes after the last sample repeat the first one of
            the batch, with a weight of 0.
        """
        tile, code, program = self._tile, self._tile.code, self._module.step.sample.program
        places = _count_up(code) + tile.everywhere(first)
        exists = places.compare("slt", tile.everywhere(self._count))
        inputs = self._load_samples(first)
        inputs[self._module.step.sample.weight] = lambda: exists.select(weight, 0.0)
        for i, key in enumerate(self._module.step.sample.parameters):
            inputs[SLOT, *key] = partial(code.load_everywhere, self._parameters, i * code.lanes.bytes_each)
        emitter = Emitter(code, program, inputs, {}, [Dependence.RUN] * len(program.nodes))
        emitter.emit(program.needed([self._loss, *self._gradient]))
        tile.function.assign([total], (tile.vector_of(total) + emitter.value(self._loss)).registers)
        sums = tile.size("sums")
        for i, index in enumerate(self._gradient):
            if program.number(index) != 0:
                at = REGISTER_BYTES * i
                code.store(code.load(sums, at) + emitter.value(index), sums, at)

    def _load_samples(self, first: Node) -> dict[Any, Callable[[], WasmVector]]:
        """Return what loads each number of the samples."""
        tile, function, module = self._tile, self._tile.function, self._module
        chosen = []
        for lane in range(tile.code.lanes.width):
            place = tile.plus(first, lane)
            valid = tile.integer(SELECT, place, 0, tile.is_less(place, self._count))
            chosen.append(function.variable(valid))

        def look_up() -> None:
            rows = [tile.load_integer(tile.offset(self._order, function.read(each), 4)) for each in chosen]
            function.assign(chosen, rows)

        function.when(self._order, look_up)
        samples = [function.read(each) for each in chosen]
        found: dict[Any, Callable[[], WasmVector]] = {}
        for which, count in enumerate(module.places):
            row_bytes = tile.code.lanes.bytes_each * count
            rows = [tile.offset(tile.size(f"data{which}"), sample, row_bytes) for sample in samples]
            for number in range(count):
                found[SAMPLE, which, 0, number] = partial(load_lanes, tile.code, rows, number)
        return found


def _count_up(code: WasmCode) -> WasmVector:
    """Return the integers 0, 1, … in the lanes."""
    single = code.lanes.number == "float"
    numbers = struct.pack("<4i", 0, 1, 2, 3) if single else struct.pack("<2q", 0, 1)
    return WasmVector(code, (code.register(simd(0x0C) + numbers),), INTEGER)


def sum_of_lanes(value: WasmVector) -> WasmVector:
    """Return the sum of all lanes in each lane."""
    (register,), code = value.registers, value.code
    swaps = ((2, 3, 0, 1), (1, 0, 3, 2)) if code.lanes.number == "float" else ((2, 3, 0, 1),)
    for words in swaps:
        register = code.operation("add", register, code.register(shuffle_words(*words), register, register))
    return WasmVector(code, (register,), NUMBER)


def sums_of_lanes(values: Sequence[WasmVector]) -> WasmVector:
    """Return the sum of the lanes of each of as many vectors as there are lanes."""
    code, rows = values[0].code, [each.registers[0] for each in values]

    def join(a: Node, b: Node, first: tuple[int, ...], second: tuple[int, ...]) -> Node:
        return code.operation(
            "add", code.register(shuffle_words(*first), a, b), code.register(shuffle_words(*second), a, b)
        )

    while len(rows) > 1:
        if len(rows) == 4:  # a₀+a₂, a₁+a₃, b₀+b₂, b₁+b₃
            rows = [join(a, b, (0, 1, 4, 5), (2, 3, 6, 7)) for a, b in (rows[:2], rows[2:])]
        elif code.lanes.number == "float":
            rows = [join(rows[0], rows[1], (0, 2, 4, 6), (1, 3, 5, 7))]
        else:
            rows = [join(rows[0], rows[1], (0, 1, 4, 5), (2, 3, 6, 7))]
    return WasmVector(code, (rows[0],), NUMBER)
