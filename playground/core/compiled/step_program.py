"""One step as a program, and the steps that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from playground.core.compiled.carried import LEFT_OUT, SlotKey, Structure
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.evaluation import Evaluation
from playground.core.compiled.program import COUNT, SLOT, Program

MAX_EXACT_COUNT = 2**24
"""Up to here, single precision holds every whole number."""

Counts = dict[SlotKey, float]
"""The numbers that the optimizer carries and that are equal in all runs, at one step."""


@dataclass(frozen=True)
class StepProgram:
    """One step as a program.

    :param loss: the value of the loss before the update.
    :param norm: the value of the gradient's norm.
    :param outputs: the values after the update of everything that is carried.
    :param evaluations: how often the step evaluates the loss.
    :param after: what the optimizer then remembers.
    """

    program: Program = field(repr=False, compare=False)
    loss: int
    norm: int
    outputs: Mapping[SlotKey, int]
    evaluations: int
    after: Structure

    def select(self, condition: int, other: StepProgram) -> StepProgram:
        """Return the step that is this one where a condition holds, else the other.

        :raises CannotCompileError: the two ways leave memories of different structure.
        """
        if self.after != other.after:
            differing: Any = next(iter(set(self.after) ^ set(other.after)))
            raise CannotCompileError(
                f"what the optimizer remembers depends on a number that differs between runs: {'.'.join(differing[0])}"
            )
        if self.evaluations != other.evaluations:
            raise CannotCompileError("how often the loss is evaluated depends on a number that differs between runs")

        def choose(a: int, b: int) -> int:
            return self.program.apply("select", condition, a, b)

        keys = self.outputs.keys() | other.outputs.keys()  # only one way may leave runs out
        outputs = {key: choose(self._output(key), other._output(key)) for key in sorted(keys)}
        return replace(self, loss=choose(self.loss, other.loss), norm=choose(self.norm, other.norm), outputs=outputs)

    def require(self, condition: int, answer: bool) -> StepProgram:
        """Return this step; runs in which a condition has another answer are left out from here on."""
        stays, leaves = self._output(LEFT_OUT), self.program.constant(1.0)
        left = self.program.apply("select", condition, *((stays, leaves) if answer else (leaves, stays)))
        return replace(self, outputs={**self.outputs, LEFT_OUT: left})

    def _output(self, key: SlotKey) -> int:
        return self.outputs[key] if key in self.outputs else self.program.input(SLOT, *key)


@dataclass(frozen=True)
class RecordedStep:
    """A step that was recorded, and the steps that it stands for.

    :param before: what the optimizer remembers before it.
    :param samples: the size of its batch; None for all data.
    :param step: its program.
    :param decisions: values that Python code asked for and that depend on the step, with their numbers.
    :param counts: the values of the counts after it.
    :param place: the index of its program.
    """

    before: Structure
    samples: int | None
    step: StepProgram
    decisions: Mapping[int, float]
    counts: Mapping[SlotKey, int]
    place: int

    @cached_property
    def _evaluation(self) -> Evaluation:
        return Evaluation(self.step.program, [*self.decisions, *self.counts.values()])

    def advance(self, now: Mapping[Any, Any]) -> Counts | None:
        """Return the counts after this step; None if Python code would decide otherwise.

        :param now: the inputs that are equal in all runs.
        """
        if not self._evaluation.needs <= now.keys():
            return None
        found = self._evaluation(now)
        made = len(self.decisions)
        if any(float(a) != b for a, b in zip(found, self.decisions.values(), strict=False)):
            return None
        return dict(zip(self.counts, map(float, found[made:]), strict=True))

    def strides(self, counts: Counts, length: int) -> Counts | None:
        """Return by how much each count grows in such a step; None if they do not grow by whole constants.

        :param counts: before the first of the steps.
        :param length: how many steps there are.
        """
        program, found = self.step.program, dict[SlotKey, float]()
        if self.step.after != self.before or counts.keys() != self.counts.keys():
            return None
        for key, value in self.counts.items():
            stride = _stride(program, value, program.input(COUNT, *key))
            if stride is None or not (stride.is_integer() and counts[key].is_integer()):
                return None
            if abs(counts[key]) + abs(stride) * length > MAX_EXACT_COUNT:
                return None
            found[key] = stride
        return found


def _stride(program: Program, value: int, own: int) -> float | None:
    """Return the constant that is added to a count; None if the count follows another rule."""
    value = _unrounded(program, value)
    if value == own:
        return 0.0
    node = program.nodes[value]
    others = [program.number(each) for each in node.operands if _unrounded(program, each) != own]
    if node.operation != "add" or len(node.operands) - len(others) != 1 or others[0] is None:
        return None
    return float(others[0])


def _unrounded(program: Program, value: int) -> int:
    """Return a value before it is rounded to single precision, which changes no count up to `MAX_EXACT_COUNT`."""
    node = program.nodes[value]
    return _unrounded(program, node.operands[0]) if node.operation == "float32" else value
