"""Writes the kernel: all steps of the descent for a tile of runs, in LLVM's language.

The loop over steps is inside the loop over tiles. The numbers that a run carries from step to step therefore stay in
registers or in the first-level cache. Rare work has basic blocks of its own: keeping a loss, the first step, the end of
a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from playground.core.compiled.body import Emitter
from playground.core.compiled.code import Code, Lanes, VectorValue
from playground.core.compiled.judging import Judge
from playground.core.compiled.layout import KernelProgram
from playground.core.compiled.program import DATUM, INPUT, SLOT, STARTED
from playground.core.compiled.tile import KernelShape, Tile
from playground.core.stopping import StopRules

KERNEL_ARGUMENTS = (
    *("i64 %tile0", "i64 %tile1", "i64 %step0", "i64 %step1"),
    *("ptr noalias %slots", "ptr noalias %lanes", "ptr noalias %uniform", "ptr noalias %columns"),
    *("ptr noalias %phases", "ptr noalias %numbers", "ptr noalias %counts", "ptr noalias %kept"),
    *("ptr noalias %final", "ptr noalias %streams", "ptr noalias %sums", "ptr noalias %order"),
    *("i64 %ordered", "i64 %span"),
)
"""Arguments of `descend`, before one pointer per data tensor: ranges of tiles and steps, ends excluded; the arrays; the
first step of `order` and the number of steps it holds. `columns` says where the loss of a step is kept, -1 for nowhere.
"""


class Kernel:
    """Writes the function that makes the steps.

    :param lanes: the vector types.
    :param shape: of the arrays.
    :param program: of all steps; an array says which of its parts each step uses.
    :param rules: when a run ends early.
    """

    def __init__(self, lanes: Lanes, shape: KernelShape, program: KernelProgram, rules: StopRules) -> None:
        self.code = Code(lanes)
        self.tile = Tile(self.code)
        self.lanes = lanes
        self.shape = shape
        self.program = program
        self.rules = rules

    def descent(self) -> Code:
        """Write `descend`, which returns how many of the tiles still have running runs.

        The outer loop is over tiles: load a tile, make its steps, store it. Tiles whose runs have all ended are
        skipped.
        """
        code = self.code
        pointers = [f"ptr noalias %data{i}" for i in range(len(self.shape.places))]
        code.lines.append(f"define i64 @descend({', '.join([*KERNEL_ARGUMENTS, *pointers])}) {{")
        code.label("entry")
        code.line("br label %tile")
        code.label("tile")
        code.line("%t = phi i64 [%tile0, %entry], [%tnext, %tiledone]")
        code.line("%left = phi i64 [0, %entry], [%leftnext, %tiledone]")
        self._load()
        code.line(f"br i1 {self.tile.any(self.going_before).text}, label %step, label %skip")
        code.label("step")
        self._step()
        code.label("skip")
        code.line("br label %tiledone")
        code.label("tiledone")
        code.line("%goes = phi i64 [0, %skip], [%gone, %after]")
        code.line("%leftnext = add i64 %left, %goes")
        code.line("%tnext = add i64 %t, 1")
        code.line("%moretiles = icmp slt i64 %tnext, %tile1")
        code.line("br i1 %moretiles, label %tile, label %done")
        code.label("done")
        code.line("ret i64 %leftnext")
        code.lines.append("}")
        return code

    # A tile before, during and after its steps

    def _load(self) -> None:
        """Load the values that a tile carries from step to step, and its hyperparameters."""
        patience = ("improved", "improved_step") if self.rules.patience is not None else ()
        self.slots_before = self._load_slots()
        self.carried_before = {name: self.tile.load(name) for name in ("limit", "best", "before", *patience)}
        self.going_before = self.tile.load("end").compare("eq", 0)
        self.hyper = [self.tile.get("lanes", self.shape.lanes, i, "double") for i in range(self.shape.lanes)]

    def _load_slots(self) -> list[VectorValue]:
        """Load what registers carry of each run."""
        return [self.tile.get("slots", self.shape.slots, i) for i in range(self.shape.slots)]

    def _step(self) -> None:
        """Write the loop over the steps of a tile, from the label `step` to a branch to `tiledone`.

        The phi instructions at the head of the loop need the values at its end. They are therefore inserted last, at
        `start`.
        """
        code, lanes = self.code, self.lanes
        start = len(code.lines)
        self.step = VectorValue(code, "%s", "i64")
        self.slots = [VectorValue(code, f"%slot{i}", lanes.numbers) for i in range(len(self.slots_before))]
        carried = {name: VectorValue(code, f"%{name}", value.type) for name, value in self.carried_before.items()}
        # A lane whose run has ended keeps computing until the last run of its tile ends. The mask %going keeps its
        # results out of the records.
        judge = Judge(self.tile, self.rules, self.step, carried, VectorValue(code, "%going", lanes.truths))
        loss, norm, slots = self._moved()
        self._keep(loss, judge.going)
        after = judge.update_carried(loss)
        going = judge.settle_runs(loss, norm, after, self._keep_final)
        self._update()
        code.line("br label %latch")
        code.label("latch")
        code.line("%snext = add i64 %s, 1")
        code.line("%moresteps = icmp slt i64 %snext, %step1")
        code.line(f"%some = and i1 %moresteps, {self.tile.any(going).text}")
        code.line("br i1 %some, label %step, label %after")
        code.label("after")
        self._store(slots, after, going)
        phis = [
            "  %s = phi i64 [%step0, %tile], [%snext, %latch]",
            _phi(judge.going, self.going_before, going),
            *map(_phi, self.slots, self.slots_before, slots),
            *(_phi(carried[name], self.carried_before[name], after[name]) for name in carried),
        ]
        code.lines[start:start] = phis

    def _keep_final(self, ended: VectorValue) -> None:
        """Keep what the end of a run reads, of the runs in a mask."""
        tile, size = self.tile, self.shape.final_slots
        for i, slot in enumerate(self.slots[:size]):
            tile.put(ended.select(slot, tile.get("final", size, i)), "final", size, i)

    def _update(self) -> None:
        """Write what a step does after runs have ended; nothing if registers carry the result."""

    def _store(self, slots: Sequence[VectorValue], after: dict[str, VectorValue], going: VectorValue) -> None:
        """Store the values that a tile carries, for its next steps."""
        for i, value in enumerate(slots):
            self.tile.put(value, "slots", self.shape.slots, i)
        for name, value in after.items():
            self.tile.take(value, name, going)
        self.code.line(f"%gone = zext i1 {self.tile.any(going).text} to i64")
        self.code.line("br label %tiledone")

    def _keep(self, loss: VectorValue, going: VectorValue) -> None:
        """Keep the losses of running runs, in single precision, if this step's losses are kept.

        The parameters are in registers. The loss over all data reads them from memory, where they are stored first.
        """
        code, single = self.code, self.lanes.of("float")
        column = code.load("%columns", "i32", self.step)

        def rare() -> list[VectorValue]:
            shown = going.select(loss if self.program.full_loss is None else self._full_loss(), math.nan)
            shown = shown if self.lanes.number == "float" else shown.convert("fptrunc", single)
            index = VectorValue(code, "%t", "i64") * self.shape.kept + column.convert("sext", "i64")
            code.store(shown, "%kept", "float", index * self.lanes.width)
            return []

        self.tile.seldom(column.compare("sge", 0), "keep", [], rare)

    def _full_loss(self) -> VectorValue:
        for i, value in enumerate(self.slots[: self.program.parameter_slots]):
            self.tile.put(value, "slots", self.shape.slots, i)
        return _call_full_loss(self.tile, "slots", self.shape.slots)

    # One step

    def _moved(self) -> tuple[VectorValue, VectorValue, list[VectorValue]]:
        """Compute the loss, the gradient's norm and the updated slots by the program of this step.

        What all programs share, such as the loss and its gradient, is computed before the code branches.
        """
        code, program, steps = self.code, self.program.program, self.program.steps
        needed = [program.needed(wanted) for wanted in steps]
        shared = set(needed[0]).intersection(*needed[1:])
        rows: dict[int, VectorValue] = {}
        emitter = Emitter(code, program, self._inputs(rows), self._precomputed())
        emitter.emit(sorted(shared))
        if len(steps) == 1:
            loss, norm, *slots = map(emitter.value, steps[0])
            return loss, norm, slots
        phase = code.load("%phases", "i32", self.step)
        cases = " ".join(f"i32 {i}, label %phase{i}" for i in range(1, len(steps)))
        code.line(f"switch {phase}, label %phase0 [{cases}]")
        outcomes = []
        for i, wanted in enumerate(steps):
            code.label(f"phase{i}")
            own = emitter.branch(self._inputs(dict(rows)))
            own.emit(value for value in needed[i] if value not in shared)
            outcomes.append([own.value(value) for value in wanted])
            code.line(f"br label %phase{i}end")
            # Emitting may have added blocks, so the block that ends here is not %phase{i}: the phi below needs a known
            # label.
            code.label(f"phase{i}end")
            code.line("br label %moved")
        code.label("moved")
        merged = []
        for values in zip(*outcomes, strict=True):
            sources = ", ".join(f"[{value.text}, %phase{i}end]" for i, value in enumerate(values))
            merged.append(code.instruction(f"phi {values[0].type} {sources}", values[0].type))
        return merged[0], merged[1], merged[2:]

    def _inputs(self, rows: dict[int, VectorValue]) -> dict[Any, Callable[[], VectorValue]]:
        """Return a function for each input that loads it.

        :param rows: the samples of the rows of the batch that are loaded already; receives others.
        """
        found: dict[Any, Callable[[], VectorValue]] = {
            (SLOT, *key): partial(_itself, slot) for key, slot in zip(self.program.slots, self.slots, strict=True)
        }
        for node in self.program.program.nodes:
            if node.operation == INPUT and node.value[0] == DATUM:
                found[node.value] = partial(self._datum, rows, *node.value[1:])
        return found

    def _precomputed(self) -> dict[int, Callable[[bool], VectorValue]]:
        """Return a function for each precomputed value that loads it."""
        program, found = self.program.program, dict[int, Callable[[bool], VectorValue]]()
        for column, index in enumerate(self.program.uniform):
            found[index] = partial(self._uniform, column, program.is_boolean(index))
        for index, value in zip(self.program.lanes, self.hyper, strict=True):
            found[index] = partial(in_precision, value, self.lanes, program.is_boolean(index))
        return found

    def _uniform(self, column: int, boolean: bool, double: bool) -> VectorValue:
        """Load a value that is equal in all runs at this step."""
        index = self.step * self.shape.uniform + column
        everywhere = self.code.everywhere(self.code.load("%uniform", "double", index))
        return in_precision(everywhere, self.lanes, boolean, double)

    def _datum(self, rows: dict[Any, VectorValue], which: int, row: Any, place: int) -> VectorValue:
        """Load an entry of each run's own batch, lane by lane.

        :param rows: the samples of the rows loaded so far.
        """
        if row not in rows:
            rows[row] = self._samples(row)
        samples, places = rows[row], self.shape.places[which]

        # Runs have different batches, so their entries are at unrelated addresses: one scalar load per lane.
        def entry(lane: int) -> VectorValue:
            return self.code.load(f"%data{which}", self.lanes.number, self.tile.lane(samples, lane) * places + place)

        return self.tile.each_lane(self.lanes.number, entry)

    def _samples(self, row: Any) -> VectorValue:
        """Load which sample each run has in a row of its batch."""
        code = self.code
        streams = self.tile.get("streams", 1, 0, "i32")
        within = (self.step - VectorValue(code, "%ordered", "i64")) * self.shape.batch + row
        stride = VectorValue(code, "%span", "i64") * self.shape.batch
        return self.tile.each_lane(
            "i32", lambda lane: code.load("%order", "i32", self.tile.lane(streams, lane) * stride + within)
        )


def write_conclusion(lanes: Lanes, program: KernelProgram) -> Code:
    """Write `conclude`: the loss of the final parameters, after the optimizer may have moved them, for all tiles."""
    code = Code(lanes)
    pointers = "ptr noalias %final, ptr noalias %lanes, ptr noalias %counts, ptr noalias %last"
    code.lines.append(f"define void @conclude(i64 %tile0, i64 %tile1, {pointers}) {{")
    code.label("entry")
    code.line("br label %tile")
    code.label("tile")
    code.line("%t = phi i64 [%tile0, %entry], [%tnext, %tiledone]")
    tile, size = Tile(code), program.final_slots
    if program.end == (program.full_loss,):
        loss, parameters = _call_full_loss(tile, "final", size), []
    else:
        loss, *parameters = _emit(tile, program, program.end, "final", size, size)
    tile.put(loss, "last", 1, 0)
    for i, value in enumerate(parameters):
        tile.put(value, "final", size, i)
    code.line("br label %tiledone")
    code.label("tiledone")
    code.line("%tnext = add i64 %t, 1")
    code.line("%more = icmp slt i64 %tnext, %tile1")
    code.line("br i1 %more, label %tile, label %done")
    code.label("done")
    code.line("ret void")
    code.lines.append("}")
    return code


def write_full_loss(lanes: Lanes, program: KernelProgram, value: int) -> Code:
    """Write `full_loss`: the loss over all data of the parameters at an address, for one tile.

    It is a function of its own, since the kernel calls it at few steps and the data may be many.

    :param value: of the program.
    """
    code = Code(lanes)
    arguments = "i64 %t, ptr noalias %parameters, ptr noalias %lanes"
    code.lines.append(f"define internal {lanes.numbers} @full_loss({arguments}) noinline {{")
    code.label("entry")
    (loss,) = _emit(Tile(code), program, [value], "parameters", 0, program.parameter_slots)
    code.line(f"ret {loss}")
    code.lines.append("}")
    return code


def _call_full_loss(tile: Tile, array: str, count: int) -> VectorValue:
    """Call `full_loss` for the parameters of a tile, which are the first of `count` vectors in an array."""
    where, code = tile.address(array, count), tile.code
    lanes = VectorValue(code, "%lanes", "ptr")
    return code.call("full_loss", code.lanes.numbers, VectorValue(code, "%t", "i64"), where, lanes)


def _emit(
    tile: Tile, program: KernelProgram, wanted: Sequence[int], array: str, count: int, size: int
) -> list[VectorValue]:
    """Emit values of a program that depend on what a run carries, not on the step.

    :param array: holds the first `size` slots, among `count` vectors for each tile; 0 if its address is the tile's.
    """
    inputs: dict[Any, Callable[[], VectorValue]] = {
        (SLOT, *key): partial(tile.get, array, count, i) for i, key in enumerate(program.slots[:size])
    }
    inputs[STARTED,] = partial(has_started, tile)
    precomputed: dict[int, Callable[[bool], VectorValue]] = {}
    for i, index in enumerate(program.lanes):
        value = tile.get("lanes", len(program.lanes), i, "double")
        precomputed[index] = partial(in_precision, value, tile.lanes, program.program.is_boolean(index))
    emitter = Emitter(tile.code, program.program, inputs, precomputed)
    emitter.emit(program.program.needed(wanted))
    return [emitter.value(each) for each in wanted]


def has_started(tile: Tile) -> VectorValue:
    """Tell which runs have made a step: those that go on, and those that ended after step 0."""
    return tile.load("end").compare("eq", 0) | tile.load("steps").compare("sgt", 0)


def in_precision(value: VectorValue, lanes: Lanes, boolean: bool, double: bool) -> VectorValue:
    """Return numbers of double precision as booleans, as they are, or in the precision of the kernel."""
    if boolean:  # stored as the numbers 0 and 1
        return value.compare("une", 0.0)
    return value if double or lanes.number == "double" else value.convert("fptrunc", lanes.numbers)


def _itself(value: VectorValue) -> VectorValue:
    return value


def _phi(value: VectorValue, before: VectorValue, after: VectorValue) -> str:
    return f"  {value.text} = phi {value.type} [{before.text}, %tile], [{after.text}, %latch]"
