"""Joins functions in LLVM's language, and the functions that they call, into the text of one module."""

from __future__ import annotations

from collections.abc import Sequence

from playground.core.compiled import vectormath
from playground.core.compiled.code import Code, Lanes, VectorValue, function_name

MAX_INLINED_CALLS = 64
"""The most calls of mathematical functions that are inlined; beyond, inlining makes compilation slow."""

UNLIKELY_BRANCH = '!0 = !{!"branch_weights", i32 1, i32 1000}'


def assemble_module(codes: Sequence[Code], inline: bool | None = None) -> tuple[str, list[str]]:
    """Join functions with those that they call.

    :param inline: whether to inline mathematical functions; by default, if there are few calls.
    :returns: the text, and the names of the C library's functions in it.
    """
    if inline is None:
        inline = sum(line.count("@lanes.") for code in codes for line in code.lines) <= MAX_INLINED_CALLS
    written: dict[tuple[str, Lanes], Code] = {}
    waiting = [function for code in codes for function in code.functions]
    while waiting:
        function = waiting.pop()
        if function not in written:
            written[function] = write_definition(*function, inline)
            waiting += written[function].functions
    every = [*written.values(), *codes]
    declared = dict.fromkeys(line for code in every for line in code.declared)
    text = "\n".join([*declared, *(line for code in every for line in code.lines), UNLIKELY_BRANCH])
    return text, sorted({name for name, _ in written if name in vectormath.LIBRARY_FUNCTIONS})


def write_definition(name: str, lanes: Lanes, inline: bool) -> Code:
    """Write the definition of a function of `vectormath`.

    :param inline: whether to inline it at its calls.
    """
    code = Code(lanes)
    count = 2 if name == "pow" else 1
    operands = [VectorValue(code, f"%x{i}", lanes.numbers) for i in range(count)]
    attribute, given = "alwaysinline" if inline else "noinline", ", ".join(map(str, operands))
    code.lines.append(f"define internal {lanes.numbers} @{function_name(name, lanes)}({given}) {attribute} {{")
    code.label("entry")
    code.line(f"ret {vectormath.FUNCTIONS[name](*operands)}")
    code.lines.append("}")
    return code
