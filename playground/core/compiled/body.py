"""Emits a scalar program as vector instructions: one lane per run.

A value of the program becomes one instruction, whatever the number of runs. Precomputed values are not emitted: they
are computed in advance, for every step or for every run, and loaded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic

from playground.core.compiled import vectormath
from playground.core.compiled.dialect import Dialect, V
from playground.core.compiled.program import CONSTANT, INPUT, Program
from playground.core.compiled.scalar_operations import Dependence

COMPARISONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
"""LLVM's conditions. All are false if an operand is NaN, except `une`, which is then true."""

OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "and": operator.and_,
    "or": operator.or_,
    "neg": operator.neg,
    "not": operator.invert,
}

INTRINSICS = {
    "fma": "fmuladd",
    "sqrt": "sqrt",
    "abs": "fabs",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "round": "rint",
}


def loaded_values(program: Program, wanted: Iterable[int], dependence: Sequence[int] | None = None) -> list[int]:
    """Return the precomputed values that the kernel loads: those that it needs in order to compute other values.

    :param dependence: what each value depends on, if that is not what the program says.
    """
    wanted, depends = list(wanted), program.dependence if dependence is None else dependence
    found = {
        operand
        for index in program.needed(wanted)
        if depends[index] > Dependence.LANE
        for operand in program.nodes[index].operands
    }
    return sorted(
        i for i in found | set(wanted) if depends[i] <= Dependence.LANE and program.nodes[i].operation != CONSTANT
    )


class Emitter(Generic[V]):
    """Emits the instructions that compute values of a program.

    A value that depends on hyperparameters and on the step alone is a number of Python, such as `1 - beta2**t`. It has
    double precision, also in a kernel of single precision, in which the difference would lose most digits.

    :param code: of the kernel.
    :param program: that has the values.
    :param inputs: functions that load an input, by kind and position.
    :param precomputed: functions that load a precomputed value, by its index, in double or in the kernel's precision.
    :param dependence: what each value depends on, if that is not what the program says.
    """

    def __init__(
        self,
        code: Dialect[V],
        program: Program,
        inputs: Mapping[Any, Callable[[], V]],
        precomputed: Mapping[int, Callable[[bool], V]],
        dependence: Sequence[int] | None = None,
    ) -> None:
        self._code = code
        self._program = program
        self._inputs = inputs
        self._precomputed = precomputed
        self._dependence = program.dependence if dependence is None else dependence
        self._found: dict[tuple[int, bool], V] = {}

    def branch(self, inputs: Mapping[Any, Callable[[], V]]) -> Emitter[V]:
        """Return an emitter for a later block of the code, which has the values so far.

        :param inputs: what loads an input there.
        """
        other = Emitter(self._code, self._program, inputs, self._precomputed, self._dependence)
        other._found = dict(self._found)
        return other

    def emit(self, indices: Iterable[int]) -> None:
        """Emit values that the kernel computes, in order; their operands are among them or were emitted before."""
        for index in indices:
            node = self._program.nodes[index]
            if node.operation == CONSTANT or self._dependence[index] <= Dependence.LANE:
                continue  # loaded where it is used
            double = self._is_double(index)
            if node.operation == INPUT:
                self._found[index, double] = self._inputs[node.value]()
                continue
            code = self._code.in_double_precision() if double else self._code
            operands = [self.value(operand, double) for operand in node.operands]
            of_truths = bool(node.operands) and self._program.is_boolean(node.operands[0])
            self._found[index, double] = write_operation(code, node.operation, operands, of_truths)

    def value(self, index: int, double: bool = False) -> V:
        """Return a value that was emitted, or that the kernel loads.

        :param double: whether in double precision, otherwise in that of the kernel.
        """
        double = double and self._code.lanes.number == "float"
        if (index, double) not in self._found:
            self._found[index, double] = self._load(index, double)
        return self._found[index, double]

    def _load(self, index: int, double: bool) -> V:
        node = self._program.nodes[index]
        code = self._code.in_double_precision() if double else self._code
        if node.operation == CONSTANT:
            return code.truth(node.value) if isinstance(node.value, bool) else code.constant(node.value)
        if self._dependence[index] <= Dependence.LANE:
            # Operations on a value have the precision of its code.
            return code.adopt(self._precomputed[index](double))
        found = self._found[index, not double]
        return self._code.adopt(found) if self._program.is_boolean(index) else found.narrow()

    def _is_double(self, index: int) -> bool:
        """Tell whether a value has double precision in a kernel of single precision."""
        of_python = self._dependence[index] == Dependence.LANE | Dependence.STEP
        return of_python and self._code.lanes.number == "float"


def write_operation(code: Dialect[V], name: str, operands: Sequence[V], of_truths: bool = False) -> V:
    """Write a scalar operation.

    :param of_truths: whether its first operand is a truth.
    """
    first = operands[0]
    if name in OPERATORS:
        found: V = OPERATORS[name](*operands)
        return found
    if name in COMPARISONS:
        return first.compare(name if of_truths else COMPARISONS[name], operands[1])
    if name in INTRINSICS:
        return code.intrinsic(INTRINSICS[name], *operands)
    if name in ("maximum", "minimum"):
        return _extreme(name, *operands)
    if name == "select":
        return first.select(*operands[1:])
    if name == "float32":
        return first if code.lanes.number == "float" else code.adopt(code.adopt(first.narrow()).widen())
    return vectormath.call(name, *operands)


def _extreme(name: str, a: V, b: V) -> V:
    """The maximum or minimum of two numbers; NaN if either is NaN."""
    if b.is_constant:
        # A comparison with NaN is false, so that `select` returns the second operand: the one that may be NaN.
        a, b = b, a
    found = a.compare("ogt" if name == "maximum" else "olt", b).select(a, b)
    return found if a.is_constant else a.compare("uno", a).select(a, found)
