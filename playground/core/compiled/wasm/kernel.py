"""Writes the functions of a module: the start of runs, their steps, their end, and the loss at many points.

As in the kernel of LLVM, the loop over steps is inside the loop over tiles, and what is rare has blocks of its own. A
range of steps can be made in parts: what a tile carries is in memory between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from playground.core.compiled.body import Emitter
from playground.core.compiled.carried import SlotKey
from playground.core.compiled.program import INPUT, LANE, SAMPLE, SLOT, STARTED
from playground.core.compiled.scalar_operations import Dependence
from playground.core.compiled.wasm.batches import BatchLoader
from playground.core.compiled.wasm.binary import FunctionType, ValueType, encode_unsigned
from playground.core.compiled.wasm.function import LocalVariable, Node, WasmFunction
from playground.core.compiled.wasm.judging import WasmJudge
from playground.core.compiled.wasm.module_program import ModuleProgram
from playground.core.compiled.wasm.predicting import write_predict
from playground.core.compiled.wasm.tiles import TileFunction
from playground.core.compiled.wasm.vector import NUMBER, TRUTH, WasmCode, WasmVector, simd

IS_ZERO, EQUALS, IS_AT_LEAST, AND = 0x45, 0x46, 0x4E, 0x71
"""Instructions on single integers of 32 bits."""

Inputs = Mapping[Any, Callable[[], WasmVector]]


TileKind = TypeVar("TileKind", bound=TileFunction)


class KernelWriter(Generic[TileKind]):
    """Adds the functions to a module.

    :param module: the program, its layout, and the module under construction.
    :param kind: of the functions that make runs.
    """

    def __init__(self, module: ModuleProgram, kind: type[TileKind]) -> None:
        self.module = module
        self._kind = kind
        self.program = module.kernel_program

    @property
    def _parameters(self) -> Sequence[SlotKey]:
        """The entries of all parameters, in their order."""
        return self.program.slots[: self.program.parameter_slots]

    def _over_tiles(self, parameters: int = 2, returns: bool = False) -> TileKind:
        return self._kind.over_tiles(self.module, parameters, returns)

    def write(self) -> None:
        """Write all functions."""
        self._full_loss = self._write_loss()
        self._write_begin()
        self._write_descend()
        self._write_conclude()
        self._write_evaluate()
        if self.module.prediction is not None:
            write_predict(self.module, self.module.prediction, self._parameters)
        if self.module.observed:
            self._write_observe(self.module.observed)

    # Values of the program in a tile

    def _emitter(
        self,
        tile: TileFunction,
        inputs: Inputs,
        uniform_at: Node,
        of_runs: Sequence[tuple[WasmVector, WasmVector]] | None = None,
    ) -> Emitter[WasmVector]:
        """Return what writes values of the program.

        :param inputs: what each run carries.
        :param uniform_at: the address of the values that all runs share at the step.
        :param of_runs: what was computed once for each run, if it is in locals.
        """
        module, program = self.module, self.program.program
        entries = [node.value for node in program.nodes if node.operation == INPUT and node.value[0] == SAMPLE]
        found = {value: partial(self._sample, tile, *value[1:]) for value in entries} | dict(inputs)
        precomputed: dict[int, Callable[[bool], WasmVector]] = {}
        for column, index in enumerate(module.uniform):
            boolean = program.is_boolean(index)
            precomputed[index] = partial(self._uniform, tile, uniform_at, column, boolean)
        for index, values in zip(module.lanes, of_runs or self._of_runs(tile), strict=True):
            precomputed[index] = partial(_choose, values, program.is_boolean(index))
        return Emitter(tile.code, program, found, precomputed, module.dependence)

    def _sample(self, tile: TileFunction, which: int, row: int, place: int) -> WasmVector:
        """Load an entry of the data, which all runs share."""
        offset = (row * self.module.places[which] + place) * tile.code.lanes.bytes_each
        return tile.code.load_everywhere(tile.size(f"data{which}"), offset)

    def _uniform(self, tile: TileFunction, at: Node, column: int, boolean: bool, double: bool) -> WasmVector:
        """Load a value that all runs share at a step."""
        code, function = tile.code.in_double_precision(), tile.function
        if boolean or double or tile.code.lanes.number == "double":
            found = code.load_everywhere(at, 8 * column)
            return found.compare("une", 0.0) if boolean else found
        number = function.load(b"\x2b\x03" + encode_unsigned(8 * column), ValueType.F64, at)
        single = function.node(b"\xb6", ValueType.F32, number)
        return tile.code.vector(tile.code.register(simd(0x13), single))

    def _of_runs(self, tile: TileFunction) -> list[tuple[WasmVector, WasmVector]]:
        """Load the values that were computed once for each run, in double and in the kernel's precision."""
        code = tile.code.in_double_precision()
        wide = [tile.get("lanes", column, code) for column in range(len(self.module.lanes))]
        return [(each, each if tile.code.lanes.number == "double" else each.narrow()) for each in wide]

    def _slots_at(self, tile: TileFunction, array: str, count: int) -> Inputs:
        """Return what loads the first slots from an array."""
        return {(SLOT, *key): partial(tile.get, array, i) for i, key in enumerate(self.program.slots[:count])}

    # The loss over all data

    def _write_loss(self) -> int:
        """Write the loss over all data of the parameters at an address; return the index of the function."""
        module = self.module
        function = WasmFunction(module.wasm, FunctionType((ValueType.I32, ValueType.I32), (ValueType.V128,)))
        at, lanes_at = map(function.read, function.parameters)
        tile = TileFunction(module, function, {"points": at, "lanes": lanes_at})
        parameters = self._slots_at(tile, "points", self.program.parameter_slots)
        emitter = self._emitter(tile, parameters, tile.size("uniform"))
        emitter.emit(self.program.program.needed([module.full_loss]))
        (register,) = emitter.value(module.full_loss).registers
        return function.finish(register)

    def _call_loss(self, tile: TileFunction, at: Node) -> WasmVector:
        register = tile.function.call(self._full_loss, ValueType.V128, at, tile.at("lanes"))
        # The parameters are in memory, so two calls are two values.
        return WasmVector(tile.code, (Node(register.code, register.operands, register.type),), NUMBER)

    def _write_evaluate(self) -> None:
        """Write `evaluate(tile0, tile1)`: the loss at each of many points, `points` to `heights`."""
        tile = self._over_tiles()

        def body() -> None:
            tile.put(self._call_loss(tile, tile.at("points")), "heights", 0)

        tile.repeat(body)
        tile.function.finish(name="evaluate")

    def _write_observe(self, wanted: Sequence[int]) -> None:
        """Write `observe(tile0, tile1, step)`: what is wanted of a step, from the state before it, to `observed`.

        There is one row for it, so the range is one tile.
        """
        tile = TileFunction.over_tiles(self.module, 3)
        step = tile.function.read(tile.function.parameters[2])

        def body() -> None:
            inputs = dict(self._slots_at(tile, "slots", len(self.program.slots)))
            inputs |= BatchLoader(tile).inputs(step)
            emitter = self._emitter(tile, inputs, tile.row("uniform", step))
            emitter.emit(self.program.program.needed(wanted))
            row = tile.size("observed")
            for place, index in enumerate(wanted):
                value = emitter.value(index)
                value = value.select(1.0, tile.code.constant(0.0)) if value.kind == TRUTH else value
                tile.code.store(value, row, 16 * place)

        tile.repeat(body)
        tile.function.finish(name="observe")

    # The start and the end of a run

    def _write_begin(self) -> None:
        """Write `begin(tile0, tile1)`: from starts and hyperparameters to the state before step 0.

        It returns for how many tiles Python's decisions hold with these hyperparameters.
        """
        module, program = self.module, self.program.program
        tile = self._over_tiles(returns=True)
        function, wide = tile.function, tile.code.in_double_precision()
        fitting = function.variable(function.integer(0))
        everything = [Dependence.RUN] * len(program.nodes)
        varying = {(LANE, i): partial(tile.get, "varying", place, wide) for place, i in enumerate(module.varying)}
        dials = {
            (LANE, i): partial(wide.load_everywhere, tile.size("dials"), 8 * place)
            for place, i in enumerate(module.dials)
        }

        def body() -> None:
            once = Emitter(wide, program, {**varying, **dials}, {}, everything)
            once.emit(program.needed([*module.lanes, *module.decisions]))
            for column, index in enumerate(module.lanes):
                value = once.value(index)
                tile.put(value.select(1.0, wide.constant(0.0)) if value.kind == TRUTH else value, "lanes", column)
            fits = wide.truth(True)
            for index, answer in module.decisions.items():
                value = once.value(index)
                fits = fits & value.compare("eq" if value.kind == TRUTH else "oeq", answer)
            single = {key: partial(_narrowed, tile.code, load) for key, load in (varying | dials).items()}
            self._write_start(tile, single)
            WasmJudge.write_start(tile)
            all_fit = tile.integer(IS_ZERO, wide.any(~fits))
            function.assign([fitting], [tile.plus(function.read(fitting), all_fit)])

        tile.repeat(body)
        function.finish(function.read(fitting), name="begin")

    def _write_start(self, tile: TileKind, numbers: Inputs) -> None:
        """Write what a run carries before step 0.

        :param numbers: hyperparameters.
        """
        program = self.program.program
        parameters = {(SLOT, *key): partial(tile.get, "starts", i) for i, key in enumerate(self._parameters)}
        start = Emitter(tile.code, program, {**parameters, **numbers}, {}, [Dependence.RUN] * len(program.nodes))
        start.emit(program.needed(self.program.start))
        for place, index in enumerate(self.program.start):
            tile.put(start.value(index), "slots", place)

    def _write_conclude(self) -> None:
        """Write `conclude(tile0, tile1)`: the final parameters, which the optimizer may move, and their loss."""
        program = self.program
        tile = TileFunction.over_tiles(self.module)

        def body() -> None:
            going = tile.get_record("status").compare("eq", 0)
            for i in range(program.final_slots):
                tile.put(going.select(tile.get("slots", i), tile.get("final", i)), "final", i)
            if program.end == (self.module.full_loss,):
                tile.put(self._call_loss(tile, tile.at("final")), "last", 0)
                return
            inputs = dict(self._slots_at(tile, "final", program.final_slots))
            inputs[STARTED,] = lambda: going | tile.get_record("steps").compare("sgt", 0)
            emitter = self._emitter(tile, inputs, tile.size("uniform"))
            emitter.emit(program.program.needed(program.end))
            values = [emitter.value(index) for index in program.end]
            tile.keep(*values)
            tile.put(values[0], "last", 0)
            for i, value in enumerate(values[1:]):
                tile.put(value, "final", i)

        tile.repeat(body)
        tile.function.finish(name="conclude")

    # The steps

    def _write_descend(self) -> None:
        """Write `descend(tile0, tile1, step0, step1)`: make steps; return how many tiles have runs that go on."""
        tile = self._over_tiles(4, returns=True)
        function = tile.function
        left = function.variable(function.integer(0))
        step = function.variable(function.integer(0))

        def body() -> None:
            going = tile.get_record("status").compare("eq", 0)
            function.when(tile.code.any(going), lambda: self._write_steps(tile, step, left))

        tile.repeat(body)
        function.finish(function.read(left), name="descend")

    def _write_steps(self, tile: TileKind, step: LocalVariable, left: LocalVariable) -> None:
        """Write the steps of a tile."""
        function, program, module = tile.function, self.program, self.module
        _, _, step0, step1 = (function.read(each) for each in function.parameters)
        function.assign([step], [step0])
        slots = [function.variable(tile.get("slots", i).registers[0]) for i in range(len(program.slots))]
        judge = WasmJudge(tile, module.rules)
        uniform = function.variable(tile.row("uniform", step0))
        of_runs = self._of_runs(tile)
        tile.keep(*(each for values in of_runs for each in values))
        batches = BatchLoader(tile)

        def one_step() -> Node:
            now = function.read(step)
            inputs: dict[Any, Callable[[], WasmVector]] = {
                (SLOT, *key): partial(tile.vector_of, slot) for key, slot in zip(program.slots, slots, strict=True)
            }
            inputs |= batches.inputs(now)
            loss, norm, after = self._moved(tile, inputs, function.read(uniform), now, of_runs)
            self._keep_loss(tile, now, loss, norm, judge.going, slots)
            judge.write(now, loss, norm, partial(self._keep_final, tile, slots[: program.final_slots]))
            function.assign(slots, [value.registers[0] for value in after])
            function.assign([uniform], [tile.plus(function.read(uniform), 8 * len(module.uniform))])
            function.assign([step], [tile.plus(now, 1)])
            return tile.integer(AND, tile.is_less(function.read(step), step1), tile.code.any(judge.going))

        function.when(tile.is_less(step0, step1), lambda: function.loop(one_step))
        for i, slot in enumerate(slots):
            tile.put(tile.vector_of(slot), "slots", i)
        judge.store()
        goes = tile.code.any(judge.going)
        function.assign([left], [tile.plus(function.read(left), goes)])

    def _keep_final(self, tile: TileFunction, slots: Sequence[LocalVariable], ended: WasmVector) -> None:
        """Write what is kept where runs end."""
        for place, slot in enumerate(slots):
            tile.put(ended.select(tile.vector_of(slot), tile.get("final", place)), "final", place)

    def _moved(
        self,
        tile: TileFunction,
        inputs: Inputs,
        uniform_at: Node,
        now: Node,
        of_runs: Sequence[tuple[WasmVector, WasmVector]],
    ) -> tuple[WasmVector, WasmVector, list[WasmVector]]:
        """Write the loss, the gradient's norm and the slots after a step, by the program of this step.

        A norm that no rule asks for is computed where it is kept, which is at few steps, if there is one program.
        """
        program, steps, function = self.program.program, self.program.steps, tile.function
        needed = [program.needed(wanted) for wanted in steps]
        shared = set(needed[0]).intersection(*needed[1:])
        emitter = self._emitter(tile, inputs, uniform_at, of_runs)
        emitter.emit(sorted(shared))
        if len(steps) == 1:
            loss, norm, *after = [emitter.value(index) for index in steps[0]]
            tile.keep(loss, *after, *([norm] if self.module.rules.gradient is not None else []))
            return loss, norm, after
        tile.keep(*(emitter.value(index) for index in self._shared_by_parts(shared, steps, needed)))
        outcomes = [LocalVariable(ValueType.V128) for _ in steps[0]]
        phase = tile.load_integer(tile.row("phases", now))
        function.keep(phase)
        for place, wanted in enumerate(steps):

            def part(place: int = place, wanted: Sequence[int] = wanted) -> None:
                own = emitter.branch(inputs)
                own.emit(index for index in needed[place] if index not in shared)
                function.assign(outcomes, [own.value(index).registers[0] for index in wanted])

            function.when(tile.integer(EQUALS, phase, place), part)
        values = [tile.vector_of(each) for each in outcomes]
        return values[0], values[1], values[2:]

    def _shared_by_parts(
        self, shared: set[int], steps: Sequence[Sequence[int]], needed: Sequence[Iterable[int]]
    ) -> list[int]:
        """Return the shared values that the parts of the program use, so that they are computed before them."""
        nodes = self.program.program.nodes
        own = {index for each in needed for index in each if index not in shared}
        used = {operand for index in own for operand in nodes[index].operands} | {i for each in steps for i in each}
        depends = self.module.dependence
        return [i for i in sorted(used & shared) if depends[i] > Dependence.LANE]

    def _keep_loss(
        self,
        tile: TileFunction,
        now: Node,
        loss: WasmVector,
        norm: WasmVector,
        going: WasmVector,
        slots: Sequence[LocalVariable],
    ) -> None:
        """Write the loss, the gradient's norm and the parameters of running runs to memory, if this step's are kept."""
        function, program = tile.function, self.program
        column = tile.load_integer(tile.row("columns", now))
        function.keep(column)

        def keep() -> None:
            shown = loss
            if program.full_loss is not None:
                for i, slot in enumerate(slots[: program.parameter_slots]):
                    tile.put(tile.vector_of(slot), "slots", i)
                shown = self._call_loss(tile, tile.at("slots"))
            unknown = tile.code.constant(math.nan)
            tile.code.store(going.select(shown, unknown), tile.kept_row("losses", column), 0)
            norms, path = tile.kept_row("norms", column), tile.kept_row("path", column)
            function.when(
                tile.size("norms"), lambda: tile.code.store(going.select(norm, tile.code.constant(math.nan)), norms, 0)
            )

            def parameters() -> None:
                for i, slot in enumerate(slots[: program.parameter_slots]):
                    tile.code.store(tile.vector_of(slot), path, 16 * i)

            function.when(tile.size("path"), parameters)

        function.when(tile.integer(IS_AT_LEAST, column, 0), keep)


def _narrowed(code: WasmCode, load: Callable[[], WasmVector]) -> WasmVector:
    return load() if code.lanes.number == "double" else load().narrow()


def _choose(values: tuple[WasmVector, WasmVector], boolean: bool, double: bool) -> WasmVector:
    """Return a value in double or in the kernel's precision, or as a truth."""
    if boolean:  # stored as the numbers 0 and 1
        return values[0].compare("une", 0.0)
    return values[0 if double else 1]
