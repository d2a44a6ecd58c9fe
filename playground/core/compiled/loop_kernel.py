"""Writes a kernel whose step is two loops, in LLVM's language: over samples, then over the entries of the parameters.

Lanes are runs, as in `kernel.py`. What a run carries stays in memory, and so does its gradient while samples are added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from playground.core.compiled.body import Emitter, write_operation
from playground.core.compiled.code import Code, Lanes, VectorValue
from playground.core.compiled.kernel import Kernel, has_started, in_precision
from playground.core.compiled.loop_layout import LoopProgram
from playground.core.compiled.one_entry import GRADIENT
from playground.core.compiled.one_sample import WEIGHTS
from playground.core.compiled.program import SAMPLE, SLOT, STARTED
from playground.core.compiled.tile import KernelShape, Tile
from playground.core.stopping import StopRules

Inputs = Mapping[Any, Callable[[], VectorValue]]


class LoopKernel(Kernel):
    """Writes the functions of a kernel.

    :param lanes: the vector types.
    :param shape: of the arrays.
    :param program: the two programs.
    :param rules: when a run ends early.
    :param samples: how many there are.
    """

    program: LoopProgram

    def __init__(self, lanes: Lanes, shape: KernelShape, program: LoopProgram, rules: StopRules, samples: int) -> None:
        super().__init__(lanes, shape, program, rules)
        self.samples = samples
        self.entries = program.step.entries
        self._factor: VectorValue | None = None

    def _load_slots(self) -> list[VectorValue]:
        return []

    # The gradient

    def _moved(self) -> tuple[VectorValue, VectorValue, list[VectorValue]]:
        """Write the loss, and the gradient to `sums`; return the loss and the gradient's norm."""
        code, sample = self.code, self.program.step.sample
        size = self.entries * self.lanes.width * self.lanes.bits // 8
        code.declared["declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"] = None
        sums = self.tile.address("sums", self.entries)
        code.line(f"call void @llvm.memset.p0.i64({sums}, i8 0, i64 {size}, i1 false)")
        count, weight = self._count_samples()

        def one_sample(row: VectorValue, before: Sequence[VectorValue]) -> list[VectorValue]:
            load = self._load_lanes if self.shape.batch else partial(_load_everywhere, code, self.shape.places)
            inputs = _sample_inputs(self.program, self.tile, "slots", self.shape.slots, partial(load, row, {}))
            emitter = Emitter(code, sample.program, {**inputs, sample.weight: lambda: weight}, {})
            emitter.emit(sample.program.needed([sample.loss, *sample.gradient]))
            for i, index in enumerate(sample.gradient):
                if sample.program.number(index) != 0:
                    value = self.tile.get("sums", self.entries, i) + emitter.value(index)
                    self.tile.put(value, "sums", self.entries, i)
            return [before[0] + emitter.value(sample.loss)]

        (loss,) = repeat(code, count, [code.constant(0.0)], one_sample)
        return loss, self._limit_gradient(loss), []

    def _load_lanes(self, row: VectorValue, rows: dict[Any, VectorValue], which: int, place: int) -> VectorValue:
        """Load a number of the sample that each run has in a row of its batch."""
        return self._datum(rows, which, row, place)

    def _count_samples(self) -> tuple[VectorValue | int, VectorValue]:
        """Return how many samples the step has, and the weight of each."""
        code, batch, weigh = self.code, self.shape.batch, WEIGHTS[self.program.step.sample.is_mean]
        if not batch or not self.samples % batch:
            every = batch or self.samples
            return every, code.constant(weigh(every))
        per_epoch = -(-self.samples // batch)
        position = code.instruction(f"srem {self.step}, {per_epoch}", "i64")
        is_last = position.compare("eq", per_epoch - 1)
        last = self.samples % batch
        # The last batch of an epoch is smaller.
        count = is_last.select(code.constant(last, "i64"), code.constant(batch, "i64"))
        number = self.lanes.number
        weight = is_last.select(code.constant(weigh(last), number), code.constant(weigh(batch), number))
        return count, code.everywhere(weight)

    def _limit_gradient(self, loss: VectorValue) -> VectorValue:
        """Write the gradient within its limits; return its norm, or anything if nothing needs it."""
        code, tile, clip = self.code, self.tile, self.program.step.clip
        self._factor = None
        if clip.value is None and clip.norm is None and self.rules.gradient is None:
            return loss

        def one_entry(i: VectorValue, before: Sequence[VectorValue]) -> list[VectorValue]:
            value = tile.get("sums", self.entries, i)
            if clip.value is not None:
                value = write_operation(code, "maximum", [value, code.constant(-clip.value)])
                value = write_operation(code, "minimum", [value, code.constant(clip.value)])
                tile.put(value, "sums", self.entries, i)
            return [value.times_plus(value, before[0])]

        (squares,) = repeat(code, self.entries, [code.constant(0.0)], one_entry)
        norm = code.intrinsic("sqrt", squares)
        if clip.norm is None:
            return norm
        limit = code.constant(clip.norm)
        self._factor = limit / write_operation(code, "maximum", [norm, limit])
        return norm * self._factor

    # The update

    def _keep_final(self, ended: VectorValue) -> None:
        tile, size = self.tile, self.shape.final_slots

        def one_slot(i: VectorValue, _: Sequence[VectorValue]) -> list[VectorValue]:
            tile.put(ended.select(tile.get("slots", self.shape.slots, i), tile.get("final", size, i)), "final", size, i)
            return []

        repeat(self.code, size, [], one_slot)

    def _update(self) -> None:
        """Move all entries, by the program of this step."""
        code, programs = self.code, [wanted[2:] for wanted in self.program.steps]
        if len(programs) == 1:
            repeat(code, self.entries, [], partial(self._move_entry, programs[0]))
            return
        labels = [code.fresh("rule") for _ in programs]
        after = code.fresh("ruled")
        phase = code.load("%phases", "i32", self.step)
        cases = " ".join(f"i32 {i}, label %{label}" for i, label in enumerate(labels[1:], start=1))
        code.line(f"switch {phase}, label %{labels[0]} [{cases}]")
        for label, wanted in zip(labels, programs, strict=True):
            code.label(label)
            repeat(code, self.entries, [], partial(self._move_entry, wanted))
            code.line(f"br label %{after}")
        code.label(after)

    def _move_entry(self, wanted: Sequence[int], i: VectorValue, _: Sequence[VectorValue]) -> list[VectorValue]:
        tile, rule, factor = self.tile, self.program.step.rule, self._factor
        gradient = tile.get("sums", self.entries, i)
        gradient = gradient if factor is None else gradient * factor
        inputs = _entry_inputs(self.program, tile, "slots", self.shape.slots, i, len(rule.slots))
        emitter = Emitter(self.code, rule.program, {**inputs, GRADIENT: lambda: gradient}, self._precomputed())
        emitter.emit(rule.program.needed(wanted))
        for k, index in enumerate(wanted):
            tile.put(emitter.value(index), "slots", self.shape.slots, i + k * self.entries)
        return []

    # The loss over all data

    def _full_loss(self) -> VectorValue:
        return self._call_loss(self.tile, "slots", self.shape.slots)

    def _call_loss(self, tile: Tile, array: str, count: int) -> VectorValue:
        code = tile.code
        data = [VectorValue(code, f"%data{i}", "ptr") for i in range(len(self.shape.places))]
        return code.call("full_loss", self.lanes.numbers, tile.address(array, count), *data)

    def full_loss(self) -> Code:
        """Write `full_loss`: the loss over all data of the parameters at an address."""
        code, sample = Code(self.lanes), self.program.step.sample
        arguments = ["ptr noalias %parameters", *(f"ptr noalias %data{i}" for i in range(len(self.shape.places)))]
        code.lines.append(f"define internal {self.lanes.numbers} @full_loss({', '.join(arguments)}) noinline {{")
        code.label("entry")
        code.line("%t = add i64 0, 0")
        tile, weight = Tile(code), code.constant(WEIGHTS[sample.is_mean](self.samples))

        def one_sample(row: VectorValue, before: Sequence[VectorValue]) -> list[VectorValue]:
            load = partial(_load_everywhere, code, self.shape.places, row, {})
            inputs = _sample_inputs(self.program, tile, "parameters", 0, load)
            emitter = Emitter(code, sample.program, {**inputs, sample.weight: lambda: weight}, {})
            emitter.emit(sample.program.needed([sample.full_loss]))
            return [before[0] + emitter.value(sample.full_loss)]

        (loss,) = repeat(code, self.samples, [code.constant(0.0)], one_sample)
        code.line(f"ret {loss}")
        code.lines.append("}")
        return code

    def conclusion(self) -> Code:
        """Write `conclude`: the loss of the final parameters, which the optimizer may move before, for all tiles."""
        code, moved, size = Code(self.lanes), self.program.end[1:], self.shape.final_slots
        tile, rule = Tile(code), self.program.step.rule
        pointers = ("%final", "%lanes", "%counts", "%last", *(f"%data{i}" for i in range(len(self.shape.places))))
        arguments = ", ".join(["i64 %tile0", "i64 %tile1", *(f"ptr noalias {each}" for each in pointers)])
        code.lines.append(f"define void @conclude({arguments}) {{")
        code.label("entry")

        def one_entry(i: VectorValue, _: Sequence[VectorValue]) -> list[VectorValue]:
            inputs = dict(_entry_inputs(self.program, tile, "final", size, i, rule.final_slots))
            inputs[STARTED,] = partial(has_started, tile)
            precomputed: dict[int, Callable[[bool], VectorValue]] = {}
            for place, index in enumerate(rule.lanes):
                value = tile.get("lanes", len(rule.lanes), place, "double")
                precomputed[index] = partial(in_precision, value, self.lanes, rule.program.is_boolean(index))
            emitter = Emitter(code, rule.program, inputs, precomputed)
            emitter.emit(rule.program.needed(moved))
            tile.put(emitter.value(moved[0]), "final", size, i)
            return []

        def one_tile(i: VectorValue, _: Sequence[VectorValue]) -> list[VectorValue]:
            code.line(f"%t = add i64 {i.text}, %tile0")
            if moved:
                repeat(code, self.entries, [], one_entry)
            tile.put(self._call_loss(tile, "final", size), "last", 1, 0)
            return []

        tiles = code.instruction("sub i64 %tile1, %tile0", "i64")
        repeat(code, tiles, [], one_tile)
        code.line("ret void")
        code.lines.append("}")
        return code


def _sample_inputs(
    program: LoopProgram, tile: Tile, array: str, count: int, load: Callable[[int, int], VectorValue]
) -> dict[Any, Callable[[], VectorValue]]:
    """Return what loads the parameters from an array, and the numbers of a sample.

    :param count: the vectors of each tile in the array; 0 if its address is the tile's.
    :param load: loads a number by its tensor and its place in the sample.
    """
    sample = program.step.sample
    found: dict[Any, Callable[[], VectorValue]] = {
        (SLOT, *key): partial(tile.get, array, count, i) for i, key in enumerate(sample.parameters)
    }
    for which, places in enumerate(sample.places):
        for place in range(places):
            found[SAMPLE, which, 0, place] = partial(load, which, place)
    return found


def _entry_inputs(program: LoopProgram, tile: Tile, array: str, count: int, i: VectorValue, slots: int) -> Inputs:
    """Return what loads the first slots of an entry from an array with `count` vectors for each tile."""
    keys, entries = program.step.rule.slots[:slots], program.step.entries
    return {(SLOT, *key): partial(tile.get, array, count, i + k * entries) for k, key in enumerate(keys)}


def _load_everywhere(
    code: Code, places: Sequence[int], row: VectorValue, _: dict[Any, VectorValue], which: int, place: int
) -> VectorValue:
    """Load a number of a sample into each lane."""
    return code.everywhere(code.load(f"%data{which}", code.lanes.number, row * places[which] + place))


def repeat(
    code: Code,
    count: VectorValue | int,
    carried: Sequence[VectorValue],
    body: Callable[[VectorValue, Sequence[VectorValue]], Sequence[VectorValue]],
) -> Sequence[VectorValue]:
    """Write a loop that is made at least once; return what it carries at its end.

    :param count: how often to make it.
    :param carried: values before the first time.
    :param body: is given the index, from 0 on, and the carried values; returns these for the next time.
    """
    before, head, latch, after = (code.fresh(f"loop.{part}") for part in ("before", "head", "latch", "after"))
    code.line(f"br label %{before}")
    code.label(before)
    code.line(f"br label %{head}")
    code.label(head)
    start = len(code.lines)
    index = VectorValue(code, f"%{code.fresh('index')}", "i64")
    inside = [VectorValue(code, f"%{code.fresh('carried')}", each.type) for each in carried]
    found = body(index, inside)
    code.line(f"br label %{latch}")
    code.label(latch)
    following = index + 1
    code.line(f"br i1 {following.compare('slt', count).text}, label %{head}, label %{after}")
    code.lines[start:start] = [
        f"  {now.text} = phi {now.type} [{first}, %{before}], [{last.text}, %{latch}]"
        for now, first, last in [
            (index, "0", following),
            *((now, first.text, last) for now, first, last in zip(inside, carried, found, strict=True)),
        ]
    ]
    code.label(after)
    return found
