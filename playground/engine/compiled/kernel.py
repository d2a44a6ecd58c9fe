"""The kernel: for a tile of runs side by side, all steps of the descent, in LLVM's language.

A tile is as many runs as a vector has lanes. The loop over the steps is inside, so that what a run carries from step to
step stays in registers or close to them. Most steps do one thing besides moving: compare the losses with a limit. What
happens seldom has blocks of its own: a loss that is kept, the first step, the end of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.engine.compiled import vectormath
from playground.engine.compiled.body import emit, uniform_inputs
from playground.engine.compiled.code import Code, Lanes, Value
from playground.engine.compiled.program import DATUM, LANE, SLOT, Program
from playground.engine.compiled.record import Step
from playground.engine.stopping import StopRules

NUMBERS = ("limit", "first", "best", "before", "improved", "end_loss", "loss_before_end")
"""What is taken down of each run, in its precision."""

COUNTS = ("end", "steps", "improved_step")
"""What is taken down of each run in whole numbers; `end` is a place in `ENDS`."""

ENDS = ("going", "nonfinite", "diverged", "loss", "gradient", "stalled")
"""How a run may end before its budget: by the first of these conditions that holds."""

ARGUMENTS = (
    *("i64 %tile0", "i64 %tile1", "i64 %step0", "i64 %step1"),
    *("ptr noalias %slots", "ptr noalias %lanes", "ptr noalias %uniform", "ptr noalias %columns"),
    *("ptr noalias %phases", "ptr noalias %numbers", "ptr noalias %counts", "ptr noalias %kept"),
    *("ptr noalias %final", "ptr noalias %streams", "ptr noalias %order", "i64 %ordered", "i64 %span"),
)
"""Of the descent, before one pointer for each tensor of data; see `Kernel`."""


@dataclass(frozen=True)
class Shape:
    """The sizes that the kernel's arrays are addressed with.

    :param slots: numbers that a run carries from step to step; the first `moving` are its parameters.
    :param lanes: hyperparameters of its own.
    :param uniform: numbers that are the same for all runs, at each step.
    :param kept: losses to keep.
    :param batch: samples of a full batch, 0 without batches.
    :param places: numbers in a sample, for each tensor of data.
    """

    slots: int
    moving: int
    lanes: int
    uniform: int
    kept: int
    batch: int = 0
    places: tuple[int, ...] = ()


class Kernel:
    """Writes the functions of one descent.

    :param lanes: the vectors.
    :param shape: of the arrays.
    :param steps: the programs that steps may have; which one a step has is an input.
    :param rules: when a run ends early.
    """

    def __init__(self, lanes: Lanes, shape: Shape, steps: Sequence[Step], rules: StopRules) -> None:
        self.code = Code(lanes)
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
        code.line(f"br i1 {self._any(self.going_before).text}, label %step, label %skip")
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

    # Where things are

    def _vector(self, count: int, position: int) -> Value:
        """Return the index of a vector in an array of `count` vectors for each tile."""
        index = Value(self.code, "%t", "i64") * (count * self.lanes.width)
        return index + position * self.lanes.width

    def _get(self, array: str, count: int, position: int, element: str | None = None) -> Value:
        element = element or self.lanes.number
        return self.code.load(f"%{array}", element, self._vector(count, position), self.lanes.of(element))

    def _put(self, value: Value, array: str, count: int, position: int, element: str | None = None) -> None:
        element = element or self.lanes.number
        self.code.store(value, f"%{array}", element, self._vector(count, position))

    def _number(self, name: str) -> Value:
        return self._get("numbers", len(NUMBERS), NUMBERS.index(name))

    def _count(self, name: str) -> Value:
        return self._get("counts", len(COUNTS), COUNTS.index(name), "i32")

    def _put_where(self, mask: Value, value: Value, name: str) -> None:
        """Take a number or a count down in some lanes."""
        if name in NUMBERS:
            old = self._number(name)
            self._put(mask.chosen(value, old), "numbers", len(NUMBERS), NUMBERS.index(name))
        else:
            old = self._count(name)
            self._put(mask.chosen(value, old), "counts", len(COUNTS), COUNTS.index(name), "i32")

    def _any(self, mask: Value) -> Value:
        return self.code.call(f"llvm.vector.reduce.or.v{self.lanes.width}i1", "i1", mask)

    # A tile before, during and after its steps

    @property
    def _carried(self) -> tuple[str, ...]:
        """What else a tile carries from step to step."""
        patience = ("improved", "improved_step") if self.rules.patience is not None else ()
        return ("limit", "best", "before", *patience)

    def _load(self) -> None:
        """Load what a tile carries, and its hyperparameters."""
        shape = self.shape
        self.slots_before = [self._get("slots", shape.slots, i) for i in range(shape.slots)]
        self.carried_before = {
            name: self._number(name) if name in NUMBERS else self._count(name) for name in self._carried
        }
        self.going_before = self._count("end").compared("eq", 0)
        self.hyper = [self._get("lanes", shape.lanes, i) for i in range(shape.lanes)]

    def _step(self) -> None:
        """Write the loop over the steps of a tile, from the label `step` to a branch to `tiledone`."""
        code, lanes = self.code, self.lanes
        start = len(code.lines)
        self.step = Value(code, "%s", "i64")
        self.slots = [Value(code, f"%slot{i}", lanes.numbers) for i in range(self.shape.slots)]
        self.carried = {name: Value(code, f"%{name}", value.type) for name, value in self.carried_before.items()}
        self.going = Value(code, "%going", lanes.truths)
        loss, norm, slots = self._moved()
        self._keep(loss)
        after = dict(self.carried)
        after["limit"] = self._begun(loss)
        after["best"] = loss.compared("olt", self.carried["best"]).chosen(loss, self.carried["best"])
        after["before"] = loss
        if self.rules.patience is not None:
            after["improved"], after["improved_step"] = self._improvement(loss)
        going = self._settled(loss, norm, after)
        code.line("br label %latch")
        code.label("latch")
        code.line("%snext = add i64 %s, 1")
        code.line("%moresteps = icmp slt i64 %snext, %step1")
        code.line(f"%some = and i1 %moresteps, {self._any(going).text}")
        code.line("br i1 %some, label %step, label %after")
        code.label("after")
        self._store(slots, after, going)
        phis = [
            "  %s = phi i64 [%step0, %tile], [%snext, %latch]",
            f"  %going = phi {lanes.truths} [{self.going_before.text}, %tile], [{going.text}, %latch]",
            *(_phi(a, b, c) for a, b, c in zip(self.slots, self.slots_before, slots, strict=True)),
            *(_phi(self.carried[name], self.carried_before[name], after[name]) for name in self.carried),
        ]
        code.lines[start:start] = phis

    def _store(self, slots: Sequence[Value], after: dict[str, Value], going: Value) -> None:
        """Store what a tile carries, for its next steps."""
        for i, value in enumerate(slots):
            self._put(value, "slots", self.shape.slots, i)
        for name, value in after.items():
            self._put_where(going, value, name)
        code = self.code
        code.line(f"%gone = zext i1 {self._any(going).text} to i64")
        code.line("br label %tiledone")

    # One step

    def _moved(self) -> tuple[Value, Value, list[Value]]:
        """Compute loss, gradient's norm and the slots after the update, by the program that the step has."""
        code = self.code
        if len(self.steps) == 1:
            return self._by(self.steps[0])
        phase = code.load("%phases", "i32", self.step)
        cases = " ".join(f"i32 {i}, label %phase{i}" for i in range(1, len(self.steps)))
        code.line(f"switch {phase}, label %phase0 [{cases}]")
        found = []
        for i, step in enumerate(self.steps):
            code.label(f"phase{i}")
            loss, norm, slots = self._by(step)
            code.line(f"br label %phase{i}end")
            code.label(f"phase{i}end")
            code.line("br label %moved")
            found.append([loss, norm, *slots])
        code.label("moved")
        merged = []
        for values in zip(*found, strict=True):
            sources = ", ".join(f"[{value.text}, %phase{i}end]" for i, value in enumerate(values))
            merged.append(code.instruction(f"phi {values[0].type} {sources}", values[0].type))
        return merged[0], merged[1], merged[2:]

    def _by(self, step: Step) -> tuple[Value, Value, list[Value]]:
        """Compute a step by one of the programs."""
        wanted = [step.loss, *step.slots, *([step.norm] if self.rules.gradient is not None else [])]
        loss, *rest = emit(self.code, step.program, wanted, self._inputs(step.program, wanted))
        slots = rest[: self.shape.slots]
        return loss, rest[-1] if self.rules.gradient is not None else loss, slots

    def _inputs(self, program: Program, wanted: Sequence[int]) -> dict[Any, Callable[[], Value]]:
        """Say how each input of a program is loaded."""
        found: dict[Any, Callable[[], Value]] = {}
        for i, slot in enumerate(self.slots):
            found[SLOT, i] = lambda slot=slot: slot
        for i, hyper in enumerate(self.hyper):
            found[LANE, i] = lambda hyper=hyper: hyper
        for column, index in enumerate(uniform_inputs(program, wanted)):
            truth = program.is_boolean(index)
            found[index] = lambda column=column, truth=truth: self._uniform(column, truth)
        rows: dict[int, Value] = {}
        for node in program.nodes:
            if node.value and isinstance(node.value, tuple) and node.value[0] == DATUM:
                found[node.value] = lambda place=node.value[1:]: self._datum(*place, rows)
        return found

    def _uniform(self, column: int, truth: bool) -> Value:
        """Load a number that is the same for all runs at this step."""
        index = self.step * self.shape.uniform + column
        value = self.code.everywhere(self.code.load("%uniform", self.lanes.number, index))
        return value.compared("une", 0.0) if truth else value

    def _datum(self, which: int, row: int, place: int, rows: dict[int, Value]) -> Value:
        """Load an entry of each run's own batch, lane by lane."""
        code, lanes = self.code, self.lanes
        if row not in rows:
            streams = self._get("streams", 1, 0, "i32")
            within = (self.step - Value(code, "%ordered", "i64")) * self.shape.batch + row
            stride = Value(code, "%span", "i64") * self.shape.batch
            rows[row] = self._each_lane(
                "i32", lambda i: code.load("%order", "i32", self._lane(streams, i) * stride + within)
            )
        samples = rows[row]
        return self._each_lane(
            lanes.number,
            lambda i: code.load(
                f"%data{which}", lanes.number, self._lane(samples, i) * self.shape.places[which] + place
            ),
        )

    def _lane(self, values: Value, lane: int) -> Value:
        return self.code.instruction(f"extractelement {values}, i32 {lane}", "i32").converted("sext", "i64")

    def _each_lane(self, element: str, of: Callable[[int], Value]) -> Value:
        """Put a scalar of its own into each lane."""
        code, type_ = self.code, self.lanes.of(element)
        text = "poison"
        result = None
        for lane in range(self.lanes.width):
            result = code.instruction(f"insertelement {type_} {text}, {of(lane)}, i32 {lane}", type_)
            text = result.text
        if result is None:
            raise ValueError("a vector without lanes")
        return result

    # What happens seldom

    def _seldom(self, condition: str, name: str, results: Sequence[Value], rare: Callable[[], Sequence[Value]]) -> list[Value]:
        """Replace values by others in a block of its own, where a condition holds."""
        code = self.code
        here, then, after = (code.fresh(f"{name}{part}") for part in ("here", "then", "after"))
        code.line(f"br label %{here}")
        code.label(here)
        code.line(f"br i1 {condition}, label %{then}, label %{after}, !prof !0")
        code.label(then)
        found = rare()
        end = code.fresh(f"{name}end")
        code.line(f"br label %{end}")
        code.label(end)
        code.line(f"br label %{after}")
        code.label(after)
        return [
            code.instruction(f"phi {old.type} [{old.text}, %{here}], [{new.text}, %{end}]", old.type)
            for old, new in zip(results, found, strict=True)
        ]

    def _keep(self, loss: Value) -> None:
        """Keep the losses of runs that go on, if this is a step to do so at."""
        code, kept = self.code, self.shape.kept
        column = code.load("%columns", "i32", self.step)

        def rare() -> list[Value]:
            shown = self.going.chosen(loss, math.nan)
            narrow = shown if self.lanes.number == "float" else shown.converted("fptrunc", self.lanes.of("float"))
            index = (Value(code, "%t", "i64") * kept + column.converted("sext", "i64")) * self.lanes.width
            code.store(narrow, "%kept", "float", index)
            return []

        self._seldom(column.compared("sge", 0).text, "keep", [], rare)

    def _begun(self, loss: Value) -> Value:
        """Return the limit beyond which a run has diverged, set at step 0 by its loss there.

        A loss is above the limit exactly where it is above the next number below it in the run's precision.
        """
        code, wide = self.code, self.lanes.of("double")

        def rare() -> list[Value]:
            self._put(loss, "numbers", len(NUMBERS), NUMBERS.index("first"))
            size = code.intrinsic("fabs", loss)
            size = size.compared("ogt", 1.0).chosen(size, 1.0)
            if self.lanes.number == "double":
                return [vectormath._limited(size * self.rules.divergence, 0.0, float(np.finfo(np.float64).max))]
            exact = size.converted("fpext", wide)
            exact = exact * code.constant(self.rules.divergence, wide)
            rounded = exact.converted("fptrunc", self.lanes.numbers)
            above = rounded.converted("fpext", wide).compared("ogt", exact)
            bits = rounded.converted("bitcast", self.lanes.whole)
            below = (bits - above.converted("zext", self.lanes.whole)).converted("bitcast", self.lanes.numbers)
            return [vectormath._limited(below, 0.0, float(np.finfo(np.float32).max))]

        return self._seldom(self.step.compared("eq", 0).text, "begin", [self.carried["limit"]], rare)[0]

    def _improvement(self, loss: Value) -> tuple[Value, Value]:
        """Return the best loss that counts, and its step."""
        wide = self.lanes.of("double")
        mine, best = loss, self.carried["improved"]
        if self.lanes.number == "float":
            mine, best = mine.converted("fpext", wide), best.converted("fpext", wide)
        better = mine.compared("olt", best - self.rules.improvement)
        now = self.code.everywhere(self.step.converted("trunc", "i32"))
        return better.chosen(loss, self.carried["improved"]), better.chosen(now, self.carried["improved_step"])

    def _conditions(self, loss: Value, norm: Value, after: dict[str, Value]) -> list[tuple[str, Value]]:
        """Return how a run may end, in the order in which the conditions are asked."""
        rules, code = self.rules, self.code
        not_a_number = loss.compared("uno", loss)
        infinite = code.intrinsic("fabs", loss).compared("oeq", math.inf)
        found = [("nonfinite", not_a_number | infinite), ("diverged", loss.compared("ogt", after["limit"]))]
        if rules.loss is not None:
            found.append(("loss", loss.compared("ole", self._below(rules.loss))))
        if rules.gradient is not None:
            found.append(("gradient", norm.compared("ole", self._below(rules.gradient))))
        if rules.patience is not None:
            now = code.everywhere(self.step.converted("trunc", "i32"))
            found.append(("stalled", (now - after["improved_step"]).compared("sge", rules.patience)))
        return found

    def _below(self, threshold: float) -> float:
        """Return the largest number of the run's precision that is at most a threshold."""
        if self.lanes.number == "double":
            return threshold
        with np.errstate(over="ignore"):
            rounded = np.float32(threshold)
        return float(np.nextafter(rounded, np.float32(-np.inf)) if rounded > threshold else rounded)

    def _settled(self, loss: Value, norm: Value, after: dict[str, Value]) -> Value:
        """Take down the runs that end before this update, and return which go on."""
        lanes = self.lanes
        met = loss.compared("ugt", after["limit"]) | loss.compared("ule", -math.inf)
        for _, holds in self._conditions(loss, norm, after)[2:]:
            met = met | holds
        ended = met & self.going

        def rare() -> list[Value]:
            counts = lanes.of("i32")
            how = self.code.constant(0, counts)
            for name, holds in reversed(self._conditions(loss, norm, after)):
                how = holds.chosen(self.code.constant(ENDS.index(name), counts), how)
            now = self.code.everywhere(self.step.converted("trunc", "i32"))
            finite = loss.compared("ogt", -math.inf)
            best = finite.chosen(after["best"], self.carried["best"])
            taken = {**after, "best": best, "end": how, "steps": now, "end_loss": loss}
            taken["loss_before_end"] = self.carried["before"]
            for name, value in taken.items():
                self._put_where(ended, value, name)
            for i, slot in enumerate(self.slots[: self.shape.moving]):
                old = self._get("final", self.shape.moving, i)
                self._put(ended.chosen(slot, old), "final", self.shape.moving, i)
            return [self.going & ~ended]

        return self._seldom(self._any(ended).text, "settle", [self.going], rare)[0]


def last_loss(lanes: Lanes, moving: int, program: Program, loss: int) -> Code:
    """Write `conclude`, which computes the loss of parameters as they are: one pass over the tiles."""
    code = Code(lanes)
    code.lines.append("define void @conclude(i64 %tile0, i64 %tile1, ptr noalias %final, ptr noalias %last) {")
    code.label("entry")
    code.line("br label %tile")
    code.label("tile")
    code.line("%t = phi i64 [%tile0, %entry], [%tnext, %tiledone]")
    tile = Value(code, "%t", "i64")

    def parameter(i: int) -> Callable[[], Value]:
        index = tile * (moving * lanes.width) + i * lanes.width
        return lambda: code.load("%final", lanes.number, index, lanes.numbers)

    inputs = {(SLOT, i): parameter(i) for i in range(moving)}
    (found,) = emit(code, program, [loss], inputs)
    code.store(found, "%last", lanes.number, tile * lanes.width)
    code.line("br label %tiledone")
    code.label("tiledone")
    code.line("%tnext = add i64 %t, 1")
    code.line("%more = icmp slt i64 %tnext, %tile1")
    code.line("br i1 %more, label %tile, label %done")
    code.label("done")
    code.line("ret void")
    code.lines.append("}")
    return code


def module(codes: Sequence[Code], inline: bool) -> tuple[str, list[str]]:
    """Put functions, and those that they call, together; return the text and the C library's functions in it."""
    lanes = codes[0].lanes
    written: dict[str, Code] = {}
    waiting = [name for code in codes for name in code.functions]
    while waiting:
        name = waiting.pop()
        if name not in written:
            written[name] = vectormath.definition(name, lanes, inline)
            waiting += written[name].functions
    every = [*written.values(), *codes]
    declared = dict.fromkeys(line for code in every for line in code.declared)
    text = "\n".join([*declared, *(line for code in every for line in code.lines), '!0 = !{!"branch_weights", i32 1, i32 1000}'])
    return text, [vectormath.LIBRARY[name] for name in written if name in vectormath.LIBRARY]


def _phi(value: Value, before: Value, after: Value) -> str:
    return f"  {value.text} = phi {value.type} [{before.text}, %tile], [{after.text}, %latch]"
