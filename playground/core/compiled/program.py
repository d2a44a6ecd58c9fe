"""A scalar program: what one run computes in one step, one operation after the other, no operation twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.scalar_operations import OPERATIONS
from playground.core.compiled.simplify import simplify_operation

MAX_OPERATIONS = 10_000
"""Operations up to which a program is compiled: beyond, that takes seconds, and the code no longer fits the caches."""

MAX_RECORDED_VALUES = 8 * MAX_OPERATIONS
"""Values that a program may have while it is recorded, with constants, inputs and what turns out to be dead."""

CONSTANT, INPUT = "constant", "input"

STEP, FACTOR = "step", "factor"
"""Inputs that are the same for all runs: the number of the step, and the schedule's factor on the learning rate."""

SLOT, LANE, DATUM = "slot", "lane", "datum"
"""Inputs of a run: a number that it carries from step to step, one of its hyperparameters, an entry of its batch."""


class ProgramNode(NamedTuple):
    """One value of a program.

    :param operation: a name in `OPERATIONS`, `CONSTANT` or `INPUT`.
    :param operands: nodes.
    :param value: the number of a constant; kind and position of an input.
    """

    operation: str
    operands: tuple[int, ...] = ()
    value: Any = None


class Program:
    """Values that are computed from inputs, each by one scalar operation on earlier values.

    A value is known by its position. The same operation on the same operands is the same value; an operation on
    constants is done at once, in the program's precision.

    :param dtype: float32 or float64, of all numbers.
    :raises CannotCompileError: from any of its methods that make a value, if there are too many.
    """

    def __init__(self, dtype: type[np.floating[Any]]) -> None:
        self.dtype = dtype
        self.nodes: list[ProgramNode] = []
        self.uniform: list[bool] = []
        """Whether a value is the same for all runs at a step."""
        self._known: dict[Any, int] = {}

    def constant(self, value: float | bool) -> int:
        """Return a constant; a number is rounded only where a run computes with it."""
        # 0.0 and -0.0 are equal and not the same, and so are 1 and True; a number that is none equals nothing
        return self._node(ProgramNode(CONSTANT, (), value), (type(value) is bool, repr(float(value))))

    def input(self, kind: str, *position: int) -> int:
        """Return an input of a kind that is named above."""
        return self._node(ProgramNode(INPUT, (), (kind, *position)), (kind, *position))

    def apply(self, operation: str, *operands: int) -> int:
        """Return the value of an operation, which may be one that is known already."""
        simple = simplify_operation(self, operation, operands)
        return self._node(ProgramNode(operation, operands), (operation, operands)) if simple is None else simple

    def number(self, index: int) -> float | bool | None:
        """Return the value of a constant; None for anything else."""
        node = self.nodes[index]
        value: float | bool | None = node.value if node.operation == CONSTANT else None
        return value

    def is_boolean(self, index: int) -> bool:
        """Tell whether a value is a truth value."""
        node = self.nodes[index]
        if node.operation == CONSTANT:
            return isinstance(node.value, bool)
        if node.operation == "select":
            return self.is_boolean(node.operands[1])
        return node.operation != INPUT and OPERATIONS[node.operation].boolean

    def needed(self, wanted: Iterable[int]) -> list[int]:
        """Return what must be computed for these values, themselves included, in order; the rest is dead."""
        seen = set(wanted)
        for index in range(max(seen, default=-1), -1, -1):
            if index in seen:
                seen.update(self.nodes[index].operands)
        return sorted(seen)

    def size(self, wanted: Iterable[int]) -> int:
        """Return how many operations each run must do for these values."""
        return sum(
            self.nodes[i].operation not in (CONSTANT, INPUT) and not self.uniform[i] for i in self.needed(wanted)
        )

    def evaluate(self, wanted: Sequence[int], inputs: Mapping[Any, Any], dtype: Any = np.float64) -> list[Any]:
        """Compute values with numpy.

        :param inputs: a number or an array for each input that is needed, by kind and position.
        :param dtype: to compute in.
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

    def _node(self, node: ProgramNode, key: Any) -> int:
        index = self._known.get(key)
        if index is None:
            if len(self.nodes) >= MAX_RECORDED_VALUES:
                raise CannotCompileError(f"a step has many more than {MAX_OPERATIONS:,} scalar operations")
            index = self._known[key] = len(self.nodes)
            self.nodes.append(node)
            of_all = node.operation == CONSTANT or (node.operation == INPUT and node.value[0] in (STEP, FACTOR))
            self.uniform.append(of_all or (bool(node.operands) and all(self.uniform[i] for i in node.operands)))
        return index


def format_program(program: Program, outputs: Mapping[str, int], names: Mapping[Any, str]) -> str:
    """Write a program down, one operation a line, and what comes out of it below.

    :param outputs: a name for each value that is wanted.
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
