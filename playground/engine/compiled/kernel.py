"""The kernel: for a tile of runs side by side, all steps of the descent, in LLVM's language.

The loop over the steps is inside, so that what a run carries from step to step stays in registers or close to them.
What happens seldom has blocks of its own: a loss that is kept, the first step, the end of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from playground.engine.compiled.body import emit, uniform_inputs
from playground.engine.compiled.code import Code, Lanes, Value
from playground.engine.compiled.judging import Judge
from playground.engine.compiled.program import DATUM, INPUT, LANE, SLOT, Program
from playground.engine.compiled.record import Step
from playground.engine.compiled.tile import Shape, Tile
from playground.engine.stopping import StopRules

ARGUMENTS = (
    *("i64 %tile0", "i64 %tile1", "i64 %step0", "i64 %step1"),
    *("ptr noalias %slots", "ptr noalias %lanes", "ptr noalias %uniform", "ptr noalias %columns"),
    *("ptr noalias %phases", "ptr noalias %numbers", "ptr noalias %counts", "ptr noalias %kept"),
    *("ptr noalias %final", "ptr noalias %streams", "ptr noalias %order", "i64 %ordered", "i64 %span"),
)
"""Of `descend`, before one pointer for each tensor of data: tiles and steps, ends excluded; the arrays; the first step
of `order` and how many it holds. `columns` says where the loss of a step is kept, -1 for nowhere."""


class Kernel:
    """Writes the function that moves runs.

    :param lanes: the vectors.
    :param shape: of the arrays.
    :param steps: the programs that steps may have; which one a step has is an input.
    :param rules: when a run ends early.
    """

    def __init__(self, lanes: Lanes, shape: Shape, steps: Sequence[Step], rules: StopRules) -> None:
        self.code = Code(lanes)
        self.tile = Tile(self.code)
        self.lanes = lanes
        self.shape = shape
        self.steps = steps
        self.rules = rules

    def descent(self) -> Code:
        """Write `descend`: it returns how many of the tiles have runs that still go on."""
        code = self.code
        pointers = [f"ptr noalias %data{i}" for i in range(len(self.shape.places))]
        code.lines.append(f"define i64 @descend({', '.join([*ARGUMENTS, *pointers])}) {{")
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
        """Load what a tile carries from step to step, and its hyperparameters."""
        patience = ("improved", "improved_step") if self.rules.patience is not None else ()
        self.slots_before = [self.tile.get("slots", self.shape.slots, i) for i in range(self.shape.slots)]
        self.carried_before = {name: self.tile.taken(name) for name in ("limit", "best", "before", *patience)}
        self.going_before = self.tile.taken("end").compared("eq", 0)
        self.hyper = [self.tile.get("lanes", self.shape.lanes, i) for i in range(self.shape.lanes)]

    def _step(self) -> None:
        """Write the loop over the steps of a tile, from the label `step` to a branch to `tiledone`."""
        code, lanes = self.code, self.lanes
        start = len(code.lines)
        self.step = Value(code, "%s", "i64")
        self.slots = [Value(code, f"%slot{i}", lanes.numbers) for i in range(self.shape.slots)]
        carried = {name: Value(code, f"%{name}", value.type) for name, value in self.carried_before.items()}
        judge = Judge(self.tile, self.rules, self.step, carried, Value(code, "%going", lanes.truths))
        loss, norm, slots = self._moved()
        self._keep(loss, judge.going)
        after = judge.looked_at(loss)
        going = judge.settled(loss, norm, after, self.slots[: self.shape.moving])
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

    def _store(self, slots: Sequence[Value], after: dict[str, Value], going: Value) -> None:
        """Store what a tile carries, for its next steps."""
        for i, value in enumerate(slots):
            self.tile.put(value, "slots", self.shape.slots, i)
        for name, value in after.items():
            self.tile.take(value, name, going)
        self.code.line(f"%gone = zext i1 {self.tile.any(going).text} to i64")
        self.code.line("br label %tiledone")

    def _keep(self, loss: Value, going: Value) -> None:
        """Keep the losses of runs that go on, in single precision, if this is a step to do so at."""
        code, single = self.code, self.lanes.of("float")
        column = code.load("%columns", "i32", self.step)

        def rare() -> list[Value]:
            shown = going.chosen(loss, math.nan)
            shown = shown if self.lanes.number == "float" else shown.converted("fptrunc", single)
            index = Value(code, "%t", "i64") * self.shape.kept + column.converted("sext", "i64")
            code.store(shown, "%kept", "float", index * self.lanes.width)
            return []

        self.tile.seldom(column.compared("sge", 0), "keep", [], rare)

    # One step

    def _moved(self) -> tuple[Value, Value, list[Value]]:
        """Compute loss, gradient's norm and the slots after the update, by the program that the step has."""
        code = self.code
        if len(self.steps) == 1:
            loss, norm, *slots = self._by(self.steps[0])
            return loss, norm, slots
        phase = code.load("%phases", "i32", self.step)
        cases = " ".join(f"i32 {i}, label %phase{i}" for i in range(1, len(self.steps)))
        code.line(f"switch {phase}, label %phase0 [{cases}]")
        found = []
        for i, step in enumerate(self.steps):
            code.label(f"phase{i}")
            found.append(self._by(step))
            code.line(f"br label %phase{i}end")
            code.label(f"phase{i}end")
            code.line("br label %moved")
        code.label("moved")
        merged = []
        for values in zip(*found, strict=True):
            sources = ", ".join(f"[{value.text}, %phase{i}end]" for i, value in enumerate(values))
            merged.append(code.instruction(f"phi {values[0].type} {sources}", values[0].type))
        return merged[0], merged[1], merged[2:]

    def _by(self, step: Step) -> list[Value]:
        """Compute loss, norm and slots by one of the programs; the norm is the loss where no rule asks for it."""
        norm = step.loss if self.rules.gradient is None else step.norm
        wanted = [step.loss, norm, *step.slots]
        return emit(self.code, step.program, wanted, self._inputs(step.program, wanted))

    def _inputs(self, program: Program, wanted: Sequence[int]) -> dict[Any, Callable[[], Value]]:
        """Say how each input of a program is loaded."""
        found: dict[Any, Callable[[], Value]] = {}
        for i, slot in enumerate(self.slots):
            found[SLOT, i] = partial(_itself, slot)
        for i, hyper in enumerate(self.hyper):
            found[LANE, i] = partial(_itself, hyper)
        for column, index in enumerate(uniform_inputs(program, wanted)):
            found[index] = partial(self._uniform, column, program.is_boolean(index))
        rows: dict[int, Value] = {}
        for node in program.nodes:
            if node.operation == INPUT and node.value[0] == DATUM:
                found[node.value] = partial(self._datum, rows, *node.value[1:])
        return found

    def _uniform(self, column: int, truth: bool) -> Value:
        """Load a number that is the same for all runs at this step."""
        index = self.step * self.shape.uniform + column
        value = self.code.everywhere(self.code.load("%uniform", self.lanes.number, index))
        return value.compared("une", 0.0) if truth else value

    def _datum(self, rows: dict[int, Value], which: int, row: int, place: int) -> Value:
        """Load an entry of each run's own batch, lane by lane.

        :param rows: the samples of rows that were loaded before.
        """
        if row not in rows:
            rows[row] = self._samples(row)
        samples, places = rows[row], self.shape.places[which]

        def entry(lane: int) -> Value:
            return self.code.load(f"%data{which}", self.lanes.number, self.tile.lane(samples, lane) * places + place)

        return self.tile.each_lane(self.lanes.number, entry)

    def _samples(self, row: int) -> Value:
        """Load which sample each run has in a row of its batch."""
        code = self.code
        streams = self.tile.get("streams", 1, 0, "i32")
        within = (self.step - Value(code, "%ordered", "i64")) * self.shape.batch + row
        stride = Value(code, "%span", "i64") * self.shape.batch
        return self.tile.each_lane(
            "i32", lambda lane: code.load("%order", "i32", self.tile.lane(streams, lane) * stride + within)
        )


def last_loss(lanes: Lanes, moving: int, program: Program, loss: int) -> Code:
    """Write `conclude`, which computes the loss of parameters as they are: one pass over the tiles.

    :param moving: how many numbers the parameters are.
    """
    code = Code(lanes)
    code.lines.append("define void @conclude(i64 %tile0, i64 %tile1, ptr noalias %final, ptr noalias %last) {")
    code.label("entry")
    code.line("br label %tile")
    code.label("tile")
    code.line("%t = phi i64 [%tile0, %entry], [%tnext, %tiledone]")
    tile = Tile(code)
    inputs = {(SLOT, i): partial(tile.get, "final", moving, i) for i in range(moving)}
    (found,) = emit(code, program, [loss], inputs)
    tile.put(found, "last", 1, 0)
    code.line("br label %tiledone")
    code.label("tiledone")
    code.line("%tnext = add i64 %t, 1")
    code.line("%more = icmp slt i64 %tnext, %tile1")
    code.line("br i1 %more, label %tile, label %done")
    code.label("done")
    code.line("ret void")
    code.lines.append("}")
    return code


def _itself(value: Value) -> Value:
    return value


def _phi(value: Value, before: Value, after: Value) -> str:
    return f"  {value.text} = phi {value.type} [{before.text}, %tile], [{after.text}, %latch]"
