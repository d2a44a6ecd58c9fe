"""Emits a scalar program as vector instructions: one lane per run.

A value of the program becomes one instruction, whatever the number of runs. Precomputed values are not emitted: they
are computed in advance, for every step or for every run, and loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from playground.core.compiled import vectormath
from playground.core.compiled.code import Code, VectorValue
from playground.core.compiled.program import CONSTANT, INPUT, Program
from playground.core.compiled.scalar_operations import Dependence

COMPARISONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
"""LLVM's conditions. All are false if an operand is NaN, except `une`, which is then true."""

ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}

INTRINSICS = {
    "fma": "fmuladd",
    "sqrt": "sqrt",
    "abs": "fabs",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "round": "rint",
}

LOGIC = {"and": "and", "or": "or"}


def loaded_values(program: Program, wanted: Iterable[int]) -> list[int]:
    """Return the precomputed values that the kernel loads: those that it needs in order to compute other values."""
    wanted = list(wanted)
    found = {
        operand
        for index in program.needed(wanted)
        if not program.is_precomputed(index)
        for operand in program.nodes[index].operands
    }
    return sorted(
        i for i in found | set(wanted) if program.is_precomputed(i) and program.nodes[i].operation != CONSTANT
    )


class Emitter:
    """Emits the instructions that compute values of a program.

    A value that depends on hyperparameters and on the step alone is a number of Python, such as `1 - beta2**t`. It has
    double precision, also in a kernel of single precision, in which the difference would lose most digits.

    :param code: of the kernel.
    :param program: that has the values.
    :param inputs: functions that load an input, by kind and position.
    :param precomputed: functions that load a precomputed value, by its index, in double or in the kernel's precision.
    """

    def __init__(
        self,
        code: Code,
        program: Program,
        inputs: Mapping[Any, Callable[[], VectorValue]],
        precomputed: Mapping[int, Callable[[bool], VectorValue]],
    ) -> None:
        self._code = code
        self._program = program
        self._inputs = inputs
        self._precomputed = precomputed
        self._found: dict[tuple[int, bool], VectorValue] = {}

    def branch(self, inputs: Mapping[Any, Callable[[], VectorValue]]) -> Emitter:
        """Return an emitter for a later block of the code, which has the values so far.

        :param inputs: what loads an input there.
        """
        other = Emitter(self._code, self._program, inputs, self._precomputed)
        other._found = dict(self._found)
        return other

    def emit(self, indices: Iterable[int]) -> None:
        """Emit values that the kernel computes, in order; their operands are among them or were emitted before."""
        for index in indices:
            node = self._program.nodes[index]
            if node.operation == CONSTANT or self._program.is_precomputed(index):
                continue  # loaded where it is used
            double = self._is_double(index)
            if node.operation == INPUT:
                self._found[index, double] = self._inputs[node.value]()
                continue
            code = self._code.in_double_precision() if double else self._code
            operands = [self.value(operand, double) for operand in node.operands]
            self._found[index, double] = _operation(code, node.operation, operands)

    def value(self, index: int, double: bool = False) -> VectorValue:
        """Return a value that was emitted, or that the kernel loads.

        :param double: whether in double precision, otherwise in that of the kernel.
        """
        double = double and self._code.lanes.number == "float"
        if (index, double) not in self._found:
            self._found[index, double] = self._load(index, double)
        return self._found[index, double]

    def _load(self, index: int, double: bool) -> VectorValue:
        node = self._program.nodes[index]
        code = self._code.in_double_precision() if double else self._code
        if node.operation == CONSTANT:
            boolean = isinstance(node.value, bool)
            return code.constant(node.value, code.lanes.truths if boolean else None)
        if self._program.is_precomputed(index):
            # Operations on a value have the precision of its code.
            return replace(self._precomputed[index](double), code=code)
        found = self._found[index, not double]
        if self._program.is_boolean(index):
            return found
        return replace(found, code=self._code).convert("fptrunc", self._code.lanes.numbers)

    def _is_double(self, index: int) -> bool:
        """Tell whether a value has double precision in a kernel of single precision."""
        of_python = self._program.dependence[index] == Dependence.LANE | Dependence.STEP
        return of_python and self._code.lanes.number == "float"


def _operation(code: Code, name: str, operands: list[VectorValue]) -> VectorValue:
    first = operands[0]
    if name in ARITHMETIC:
        return code.instruction(f"{ARITHMETIC[name]} {first}, {operands[1].text}", code.lanes.numbers)
    if name in COMPARISONS:
        if first.type == code.lanes.truths:
            return code.instruction(f"icmp {name} {first}, {operands[1].text}", code.lanes.truths)
        return first.compare(COMPARISONS[name], operands[1])
    if name in LOGIC:
        return code.instruction(f"{LOGIC[name]} {first}, {operands[1].text}", code.lanes.truths)
    if name in INTRINSICS:
        return code.intrinsic(INTRINSICS[name], *operands)
    if name in ("maximum", "minimum"):
        return _extreme(name, *operands)
    if name == "select":
        return first.select(*operands[1:])
    if name == "neg":
        return -first
    if name == "not":
        return ~first
    if name == "float32":
        return _round_to_float32(code, first)
    return vectormath.call(name, *operands)


def _round_to_float32(code: Code, number: VectorValue) -> VectorValue:
    if code.lanes.number == "float":
        return number
    return number.convert("fptrunc", code.lanes.of("float")).convert("fpext", code.lanes.numbers)


def _extreme(name: str, a: VectorValue, b: VectorValue) -> VectorValue:
    """The maximum or minimum of two numbers; NaN if either is NaN."""
    if b.text.startswith("splat"):
        # A comparison with NaN is false, so that `select` returns the second operand: the one that may be NaN.
        a, b = b, a
    found = a.compare("ogt" if name == "maximum" else "olt", b).select(a, b)
    return found if a.text.startswith("splat") else a.compare("uno", a).select(a, found)
