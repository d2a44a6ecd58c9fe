"""Emits a scalar program as vector instructions: one lane per run.

A value of the program becomes one instruction, whatever the number of runs. Precomputed values are not emitted: they
are computed in advance, for every step or for every run, and loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from playground.core.compiled import vectormath
from playground.core.compiled.code import Code, VectorValue
from playground.core.compiled.program import CONSTANT, INPUT, Program

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


def emit(
    code: Code,
    program: Program,
    indices: Iterable[int],
    inputs: Mapping[Any, Callable[[], VectorValue]],
    found: dict[int, VectorValue],
) -> None:
    """Emit the instructions that compute some values of a program.

    :param indices: of the values, in order; their operands are among them or in `found`.
    :param inputs: functions that load an input (by kind and position) or a precomputed value (by its index).
    :param found: the values that are already there; receives the others.
    """
    for index in indices:
        node = program.nodes[index]
        if index in found:
            continue
        if node.operation == CONSTANT:
            boolean = isinstance(node.value, bool)
            found[index] = code.constant(node.value, code.lanes.truths if boolean else None)
        elif program.is_precomputed(index):
            if index in inputs:  # otherwise only other precomputed values use it
                found[index] = inputs[index]()
        elif node.operation == INPUT:
            found[index] = inputs[node.value]()
        else:
            found[index] = _operation(code, node.operation, [found[operand] for operand in node.operands])


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
