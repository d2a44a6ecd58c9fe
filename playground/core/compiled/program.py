"""A scalar program: the operations that one run performs in one step, each of them once.

Recording ends here and code generation starts here. A program knows no tensors: every entry of every tensor has become
its own value. That makes common subexpressions, constants and dead operations visible across the borders of torch's
operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from playground.core.compiled.errors import TooManyOperationsError
from playground.core.compiled.scalar_operations import OPERATIONS, Dependence
from playground.core.compiled.simplify import simplify_operation

MAX_OPERATIONS = 10_000
"""The largest program that is compiled. Larger ones take seconds to compile and no longer fit the CPU's caches."""

MAX_RECORDED_VALUES = 8 * MAX_OPERATIONS
"""The most values in a program during recording, including constants, inputs and values that nothing uses later."""

CONSTANT, INPUT = "constant", "input"

STEP, FACTOR, COUNT = "step", "factor", "count"
"""Inputs that are equal in all runs: the step's number, the schedule's factor on the learning rate, and a number that
the optimizer carries from step to step, such as its own count of steps."""

SLOT, LANE, DATUM, STARTED = "slot", "lane", "datum", "started"
"""Inputs of a run: a number carried from step to step, one of its hyperparameters, an entry of its batch, and whether
it has made a step."""

SAMPLE = "sample"
"""An input that is an entry of all data, where they are no constants: they may be changed between runs."""

DEPENDENCE_BY_INPUT = {
    STEP: Dependence.STEP,
    FACTOR: Dependence.STEP,
    COUNT: Dependence.STEP,
    LANE: Dependence.LANE,
    SLOT: Dependence.RUN,
    DATUM: Dependence.RUN,
    STARTED: Dependence.RUN,
    SAMPLE: Dependence.RUN,
}


class ProgramNode(NamedTuple):
    """One value of a program.

    :param operation: a name in `OPERATIONS`, `CONSTANT` or `INPUT`.
    :param operands: indices of the values it is computed from.
    :param value: of a constant, its number; of an input, its kind and position.
    """

    operation: str
    operands: tuple[int, ...] = ()
    value: Any = None


class Program:
    """Values computed from inputs, each by one scalar operation on earlier values.

    A value is identified by its index. Invariants: operands come before the values that use them; the same operation on
    the same operands has the same index; an operation on constants is itself a constant, computed in the program's
    precision.

    :param dtype: of all numbers, float32 or float64.
    :raises TooManyOperationsError: from every method that adds a value, if the program becomes too large.
    """

    def __init__(self, dtype: type[np.floating[Any]]) -> None:
        self.dtype = dtype
        self.nodes: list[ProgramNode] = []
        self.dependence: list[int] = []
        """For each value, what it depends on."""
        self._known: dict[Any, int] = {}

    def constant(self, value: float | bool) -> int:
        """Return a constant. Its number is kept in double precision and rounded where a run computes with it."""
        # 0.0 and -0.0 compare equal but differ, as do 1 and True, and NaN does not equal itself: the key is the text
        return self._node(ProgramNode(CONSTANT, (), value), (type(value) is bool, repr(float(value))))

    def input(self, kind: str, *position: Any) -> int:
        """Return an input of one of the kinds above.

        :param position: which one of its kind: numbers, or the path of what is remembered and an entry of it.
        """
        return self._node(ProgramNode(INPUT, (), (kind, *position)), (kind, *position))

    def apply(self, operation: str, *operands: int) -> int:
        """Return the value of an operation; an operation that is already in the program is not added again."""
        return self._apply(operation, operands, self.dtype)

    def number(self, index: int) -> float | bool | None:
        """Return the value of a constant; None for anything else."""
        node = self.nodes[index]
        value: float | bool | None = node.value if node.operation == CONSTANT else None
        return value

    def is_boolean(self, index: int) -> bool:
        """Tell whether a value is a boolean."""
        node = self.nodes[index]
        if node.operation == CONSTANT:
            return isinstance(node.value, bool)
        if node.operation == "select":
            return self.is_boolean(node.operands[1])
        if node.operation == INPUT:
            return bool(node.value[0] == STARTED)
        return OPERATIONS[node.operation].boolean

    def is_uniform(self, index: int) -> bool:
        """Tell whether a value is equal in all runs at a step.

        Uniform values are computed once per step, outside the kernel, in double precision.
        """
        return self.dependence[index] <= Dependence.STEP

    def is_precomputed(self, index: int) -> bool:
        """Tell whether the kernel loads a value instead of computing it.

        It is uniform, or it depends on hyperparameters alone and is computed once, in double precision as well.
        """
        return self.dependence[index] <= Dependence.LANE

    def needed(self, wanted: Iterable[int]) -> list[int]:
        """Return the indices of all values needed to compute these, themselves included, in order. The rest is dead."""
        seen = set(wanted)
        for index in range(max(seen, default=-1), -1, -1):
            if index in seen:
                seen.update(self.nodes[index].operands)
        return sorted(seen)

    def size(self, wanted: Iterable[int]) -> int:
        """Return how many operations each run performs to compute these values."""
        return sum(
            self.nodes[i].operation not in (CONSTANT, INPUT) and not self.is_precomputed(i) for i in self.needed(wanted)
        )

    def evaluate(self, wanted: Sequence[int], inputs: Mapping[Any, Any], dtype: Any = np.float64) -> list[Any]:
        """Compute values with numpy.

        :param inputs: by kind and position, a number or an array for each needed input.
        :param dtype: the precision to compute in.
        """
        found: dict[int, Any] = {}
        with np.errstate(all="ignore"):
            for index in self.needed(wanted):
                node = self.nodes[index]
                if node.operation == CONSTANT:
                    found[index] = node.value if isinstance(node.value, bool) else dtype(node.value)
                elif node.operation == INPUT:
                    found[index] = inputs[node.value]
                else:
                    operands = (found[operand] for operand in node.operands)
                    found[index] = OPERATIONS[node.operation].meaning(*operands)
        return [found[index] for index in wanted]

    def substitute(self, wanted: Sequence[int], values: Mapping[Any, int]) -> list[int]:
        """Return what values become where some inputs are replaced by other values.

        :param values: what replaces an input, by kind and position.
        """
        found: dict[int, int] = {}
        for index in self.needed(wanted):
            node = self.nodes[index]
            if node.operation == INPUT:
                found[index] = values.get(node.value, index)
            elif all(found[operand] == operand for operand in node.operands):
                found[index] = index
            else:
                # What is precomputed is computed in double precision, so its constants are folded in it.
                dtype = np.float64 if self.is_precomputed(index) else self.dtype
                found[index] = self._apply(node.operation, tuple(found[operand] for operand in node.operands), dtype)
        return [found[index] for index in wanted]

    def _apply(self, operation: str, operands: tuple[int, ...], dtype: Any) -> int:
        simple = simplify_operation(self, operation, operands, dtype)
        return self._node(ProgramNode(operation, operands), (operation, operands)) if simple is None else simple

    def _node(self, node: ProgramNode, key: Any) -> int:
        index = self._known.get(key)
        if index is None:
            if len(self.nodes) >= MAX_RECORDED_VALUES:
                raise TooManyOperationsError(f"a step has many more than {MAX_OPERATIONS:,} scalar operations")
            index = self._known[key] = len(self.nodes)
            self.nodes.append(node)
            depends = DEPENDENCE_BY_INPUT[node.value[0]] if node.operation == INPUT else 0
            for operand in node.operands:
                depends |= self.dependence[operand]
            self.dependence.append(depends)
        return index


def format_program(program: Program, outputs: Mapping[str, int], names: Mapping[Any, str]) -> str:
    """Format a program as text: one operation per line, followed by the outputs.

    :param outputs: names of the values to print, with their indices.
    :param names: of inputs, by kind and position.
    """
    known: dict[int, str] = {}
    lines: list[str] = []
    for index in program.needed(outputs.values()):
        node = program.nodes[index]
        if node.operation == CONSTANT:
            known[index] = str(node.value) if isinstance(node.value, bool) else f"{node.value:.9g}"
        elif node.operation == INPUT:
            known[index] = names.get(node.value, " ".join(map(str, node.value)))
        else:
            operands = [known[operand] for operand in node.operands]
            known[index] = f"v{len(lines) + 1}"
            sign = OPERATIONS[node.operation].sign
            text = f" {sign} ".join(operands) if sign else f"{node.operation}({', '.join(operands)})"
            lines.append(f"{known[index]} = {text}")
    return "\n".join([*lines, *(f"{label} = {known[index]}" for label, index in outputs.items())])
