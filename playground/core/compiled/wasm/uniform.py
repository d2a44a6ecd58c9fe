"""Writes `uniform(step0, step1)`: what all runs share at a step, in double precision, a row for each step.

Bias corrections and the schedule's factor change with the step, and with hyperparameters that all runs share.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from playground.core.compiled.body import Emitter
from playground.core.compiled.program import FACTOR, LANE, STEP
from playground.core.compiled.scalar_operations import Dependence
from playground.core.compiled.wasm.binary import FunctionType, ValueType, encode_unsigned
from playground.core.compiled.wasm.function import Node, WasmFunction
from playground.core.compiled.wasm.module_program import ModuleProgram
from playground.core.compiled.wasm.tiles import STORE_LANE, TileFunction
from playground.core.compiled.wasm.vector import TRUTH, WasmCode, WasmLanes, WasmVector, simd


def write_uniform(module: ModuleProgram) -> None:
    """Add `uniform` to a module."""
    function = WasmFunction(module.wasm, FunctionType((ValueType.I32, ValueType.I32)))
    tile = TileFunction(module, function, {})
    code = WasmCode(function, WasmLanes("double", 2), module.table)
    program = module.kernel_program.program
    first, last = map(function.read, function.parameters)
    step = function.variable(first)

    def one_step() -> Node:
        now = function.read(step)
        number = function.node(b"\xb7", ValueType.F64, now)
        at_step = code.vector(code.register(simd(0x14), number))
        inputs: dict[Any, Callable[[], WasmVector]] = {
            (STEP,): lambda: at_step,
            (FACTOR,): lambda: code.load_everywhere(tile.row("factors", now), 0),
        }
        for place, index in enumerate(module.dials):
            inputs[LANE, index] = partial(code.load_everywhere, tile.size("dials"), 8 * place)
        columns = [each for each in module.counts if not each.is_affine]
        for count in module.counts:
            if count.is_affine:
                inputs[count.key] = partial(_grow, at_step, count.start, count.stride)
            else:
                place = columns.index(count)
                inputs[count.key] = partial(code.load_everywhere, tile.row("counts", now), 8 * place)
        emitter = Emitter(code, program, inputs, {}, [Dependence.RUN] * len(program.nodes))
        emitter.emit(program.needed(module.uniform))
        row = tile.row("uniform", now)
        for column, index in enumerate(module.uniform):
            value = emitter.value(index)
            value = value.select(1.0, code.constant(0.0)) if value.kind == TRUTH else value
            function.do(STORE_LANE["double"] + encode_unsigned(8 * column) + b"\x00", row, value.registers[0])
        function.assign([step], [tile.plus(now, 1)])
        return tile.is_less(function.read(step), last)

    function.when(tile.is_less(first, last), lambda: function.loop(one_step))
    function.finish(name="uniform")


def _grow(at_step: WasmVector, start: float, stride: float) -> WasmVector:
    return at_step * stride + start if stride != 1.0 else at_step + start
