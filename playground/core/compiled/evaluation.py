"""Computes the same values of a program again and again, with other inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playground.core.compiled.program import CONSTANT, INPUT, Program
from playground.core.compiled.scalar_operations import OPERATIONS


class Evaluation:
    """Computes some values of a program, in double precision.

    :param program: that has the values.
    :param wanted: the values.
    """

    def __init__(self, program: Program, wanted: Sequence[int]) -> None:
        self._wanted = wanted
        self._constants: dict[int, Any] = {}
        self._inputs: list[tuple[int, Any]] = []
        self._operations: list[tuple[int, Any, tuple[int, ...]]] = []
        for index in program.needed(wanted):
            node = program.nodes[index]
            if node.operation == CONSTANT:
                self._constants[index] = node.value
            elif node.operation == INPUT:
                self._inputs.append((index, node.value))
            else:
                self._operations.append((index, OPERATIONS[node.operation].meaning, node.operands))
        self.needs = {value for _, value in self._inputs}
        """The inputs that the values depend on."""

    def __call__(self, inputs: Mapping[Any, Any]) -> list[Any]:
        """Return the values.

        :param inputs: by kind and position, numbers or arrays.
        """
        found = dict(self._constants)
        for index, name in self._inputs:
            found[index] = inputs[name]
        for index, meaning, operands in self._operations:
            found[index] = meaning(*[found[operand] for operand in operands])
        return [found[index] for index in self._wanted]
