"""Writes the functions of a module whose step is made apart: a loop over samples, then one over parameters.

They have the names, the order of calls and the meaning of those that `kernel.py` writes, but a tile is one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from playground.core.compiled.body import Emitter, write_operation
from playground.core.compiled.carried import SlotKey
from playground.core.compiled.one_entry import GRADIENT
from playground.core.compiled.program import SLOT, STARTED
from playground.core.compiled.scalar_operations import Dependence
from playground.core.compiled.wasm.apart_program import ApartProgram
from playground.core.compiled.wasm.binary import ValueType
from playground.core.compiled.wasm.function import LocalVariable, Node
from playground.core.compiled.wasm.judging import WasmJudge
from playground.core.compiled.wasm.kernel import AND, EQUALS, IS_AT_LEAST, Inputs, KernelWriter
from playground.core.compiled.wasm.sample_sum import SELECT, sum_of_lanes, sums_of_lanes, write_sample_sum
from playground.core.compiled.wasm.tiles import RunFunction, TileFunction
from playground.core.compiled.wasm.vector import REGISTER_BYTES, WasmVector

MINUS, TIMES, DIVIDE, REMAINDER = 0x6B, 0x6C, 0x6D, 0x6F
"""Instructions on single integers of 32 bits."""


class ApartWriter(KernelWriter[RunFunction]):
    """Adds the functions to a module.

    :param module: the two programs, the layout, and the module under construction.
    """

    module: ApartProgram

    def __init__(self, module: ApartProgram) -> None:
        super().__init__(module, RunFunction)
        self._one_sample = module.step.sample

    @property
    def _parameters(self) -> Sequence[SlotKey]:
        return self._one_sample.parameters

    def write(self) -> None:
        """Write all functions."""
        self._gradient = write_sample_sum(self.module, self._one_sample.loss, self._one_sample.gradient)
        super().write()

    # The loss

    def _write_loss(self) -> int:
        return write_sample_sum(self.module, self._one_sample.full_loss)

    def _call_loss(self, tile: TileFunction, at: Node) -> WasmVector:
        return self._call_sum(tile, self._full_loss, at, tile.function.integer(0), tile.size("samples"))

    def _call_sum(self, tile: TileFunction, index: int, at: Node, order: Node, count: Node) -> WasmVector:
        """Call a function that sums up samples, here and once: it reads and writes memory."""
        call = tile.function.call(index, ValueType.V128, at, order, count)
        found = tile.function.variable(Node(call.code, call.operands, call.type))
        return tile.vector_of(found)

    # The start and the end of a run

    def _entry_at(self, tile: RunFunction, base: Node, offset: Node, count: int) -> dict[Any, Callable[[], WasmVector]]:
        """Return what loads the first slots of a vector of entries, from rows at an address."""
        at, row = tile.plus(base, offset), self.module.row_bytes
        return {(SLOT, *key): partial(tile.code.load, at, i * row) for i, key in enumerate(self.program.slots[:count])}

    def _write_start(self, tile: RunFunction, numbers: Inputs) -> None:
        program, row = self.program.program, self.module.row_bytes
        starts, slots = tile.at("starts"), tile.at("slots")
        tile.function.keep(starts, slots)

        def some_entries(offset: Node) -> None:
            inputs = {**numbers, **self._entry_at(tile, starts, offset, 1)}
            start = Emitter(tile.code, program, inputs, {}, [Dependence.RUN] * len(program.nodes))
            start.emit(program.needed(self.program.start))
            for place, index in enumerate(self.program.start):
                tile.code.store(start.value(index), tile.plus(slots, offset), place * row)

        tile.each_vector(row, some_entries)

    def _write_conclude(self) -> None:
        tile, moved = self._over_tiles(), self.program.end[1:]
        function = tile.function

        def some_entries(offset: Node) -> None:
            final = tile.at("final")
            inputs = self._entry_at(tile, final, offset, self.program.final_slots)
            going = tile.get_record("status").compare("eq", 0)
            inputs[STARTED,] = lambda: going | tile.get_record("steps").compare("sgt", 0)
            emitter = self._emitter(tile, inputs, tile.size("uniform"))
            emitter.emit(self.program.program.needed(moved))
            tile.code.store(emitter.value(moved[0]), tile.plus(final, offset), 0)

        def body() -> None:
            going = tile.get_record("status").compare("eq", 0)
            function.when(tile.code.any(going), lambda: self._copy_final(tile))
            if moved:
                tile.each_vector(self.module.row_bytes, some_entries)
            tile.put(self._call_loss(tile, tile.at("final")), "last", 0)

        tile.repeat(body)
        function.finish(name="conclude")

    def _copy_final(self, tile: RunFunction, *_: WasmVector) -> None:
        """Write what is kept where the run ends."""
        tile.copy(tile.at("final"), tile.at("slots"), self.program.final_slots * self.module.row_bytes)

    # The steps

    def _write_steps(self, tile: RunFunction, step: LocalVariable, left: LocalVariable) -> None:
        function = tile.function
        _, _, step0, step1 = (function.read(each) for each in function.parameters)
        function.assign([step], [step0])
        judge = WasmJudge(tile, self.module.rules)
        slots, of_runs = tile.at("slots"), self._of_runs(tile)
        function.keep(slots)
        tile.keep(*(each for values in of_runs for each in values))

        def one_step() -> Node:
            now = function.read(step)
            order, count = self._write_batch(tile, now)
            loss = self._call_sum(tile, self._gradient, slots, order, count)
            norm, factor = self._write_gradient(tile)
            self._keep_step(tile, now, loss, norm, slots)
            judge.write(now, loss, norm, partial(self._copy_final, tile))
            self._write_rule(tile, now, factor, of_runs)
            function.assign([step], [tile.plus(now, 1)])
            return tile.integer(AND, tile.is_less(function.read(step), step1), tile.code.any(judge.going))

        function.when(tile.is_less(step0, step1), lambda: function.loop(one_step))
        judge.store()
        function.assign([left], [tile.plus(function.read(left), tile.code.any(judge.going))])

    def _write_batch(self, tile: RunFunction, now: Node) -> tuple[Node, Node]:
        """Return where the order of the samples of a step is, 0 for their own, and how many there are."""
        function, integer = tile.function, tile.integer
        samples, batch = tile.size("samples"), tile.size("batch")
        order, count = function.variable(function.integer(0)), function.variable(samples)

        def part() -> None:
            per_epoch = integer(DIVIDE, tile.plus(samples, integer(MINUS, batch, 1)), batch)
            left = integer(MINUS, samples, integer(TIMES, integer(REMAINDER, now, per_epoch), batch))
            stream = integer(TIMES, tile.load_integer(tile.at("streams")), tile.size("span"))
            row = tile.plus(stream, integer(MINUS, now, tile.size("ordered")))
            begin = tile.plus(tile.size("order"), integer(TIMES, integer(TIMES, row, batch), 4))
            function.assign([order, count], [begin, integer(SELECT, batch, left, tile.is_less(batch, left))])

        is_part = integer(AND, tile.is_less(function.integer(0), batch), tile.is_less(batch, samples))
        function.when(is_part, part)
        return function.read(order), function.read(count)

    def _write_gradient(self, tile: RunFunction) -> tuple[WasmVector, WasmVector | None]:
        """Write the gradient to the front of `sums`, each entry within the limit.

        :returns: its norm within the limit, and the factor that scales it to this norm.
        """
        function, code, clip = tile.function, tile.code, self.module.step.clip
        sums = tile.size("sums")
        squares = function.variable(code.constant(0.0).registers[0])

        def some_entries(offset: Node) -> None:
            rows = tile.plus(sums, tile.integer(TIMES, offset, code.lanes.width))
            found = sums_of_lanes([code.load(rows, REGISTER_BYTES * i) for i in range(code.lanes.width)])
            if clip.value is not None:
                found = write_operation(code, "maximum", [found, code.constant(-clip.value)])
                found = write_operation(code, "minimum", [found, code.constant(clip.value)])
            tile.keep(found)
            code.store(found, tile.plus(sums, offset), 0)
            function.assign([squares], (tile.vector_of(squares) + found * found).registers)

        tile.each_vector(self.module.row_bytes, some_entries)
        norm = code.intrinsic("sqrt", sum_of_lanes(tile.vector_of(squares)))
        tile.keep(norm)
        if clip.norm is None:
            return norm, None
        limit = code.constant(clip.norm)
        factor = limit / write_operation(code, "maximum", [norm, limit])
        tile.keep(factor, norm * factor)
        return norm * factor, factor

    def _keep_step(self, tile: RunFunction, now: Node, loss: WasmVector, norm: WasmVector, slots: Node) -> None:
        """Write the loss, the gradient's norm and the parameters to memory, if this step's are kept."""
        function = tile.function
        column = tile.load_integer(tile.row("columns", now))
        function.keep(column)

        def keep() -> None:
            shown = self._call_loss(tile, slots) if self.module.over_all_data else loss
            tile.store(shown, tile.kept_row("losses", column))
            norms = tile.kept_row("norms", column)
            function.when(tile.size("norms"), lambda: tile.store(norm, norms))
            path, size = tile.kept_row("path", column), self.module.entries * self.module.number_bytes
            function.when(tile.size("path"), lambda: tile.copy(path, slots, size))

        function.when(tile.integer(IS_AT_LEAST, column, 0), keep)

    def _write_rule(
        self,
        tile: RunFunction,
        now: Node,
        factor: WasmVector | None,
        of_runs: Sequence[tuple[WasmVector, WasmVector]],
    ) -> None:
        """Move the parameters, by the program of this step."""
        function, code, row = tile.function, tile.code, self.module.row_bytes
        slots, sums, uniform = tile.at("slots"), tile.size("sums"), tile.row("uniform", now)
        function.keep(slots, sums, uniform)

        def some_entries(wanted: Sequence[int], offset: Node) -> None:
            gradient = code.load(tile.plus(sums, offset), 0)
            inputs = self._entry_at(tile, slots, offset, len(self.program.slots))
            inputs[GRADIENT] = lambda: gradient if factor is None else gradient * factor
            emitter = self._emitter(tile, inputs, uniform, of_runs)
            emitter.emit(self.program.program.needed(wanted))
            found = [emitter.value(index) for index in wanted]
            tile.keep(*found)
            for i, value in enumerate(found):
                code.store(value, tile.plus(slots, offset), i * row)

        def move(wanted: Sequence[int]) -> None:
            tile.each_vector(row, partial(some_entries, wanted))

        programs = [wanted[2:] for wanted in self.program.steps]
        if len(programs) == 1:
            move(programs[0])
            return
        phase = tile.load_integer(tile.row("phases", now))
        function.keep(phase)
        for place, wanted in enumerate(programs):
            function.when(tile.integer(EQUALS, phase, place), partial(move, wanted))
