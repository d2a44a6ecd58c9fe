"""Functions in LLVM's language, and those that they call, as one text."""

from __future__ import annotations

from collections.abc import Sequence

from playground.engine.compiled import vectormath
from playground.engine.compiled.code import Code

FEW_CALLS = 64
"""Calls of mathematical functions up to which these are copied to where they are called."""

SELDOM = '!0 = !{!"branch_weights", i32 1, i32 1000}'


def module(codes: Sequence[Code], inline: bool | None = None) -> tuple[str, list[str]]:
    """Put functions together with those that they call.

    :param inline: whether mathematical functions are copied to where they are called; by default if there are few.
    :returns: the text, and the names of the C library's functions in it.
    """
    if inline is None:
        inline = sum(line.count("@lanes.") for code in codes for line in code.lines) <= FEW_CALLS
    written: dict[str, Code] = {}
    waiting = [name for code in codes for name in code.functions]
    while waiting:
        name = waiting.pop()
        if name not in written:
            written[name] = vectormath.definition(name, codes[0].lanes, inline)
            waiting += written[name].functions
    every = [*written.values(), *codes]
    declared = dict.fromkeys(line for code in every for line in code.declared)
    text = "\n".join([*declared, *(line for code in every for line in code.lines), SELDOM])
    return text, [vectormath.LIBRARY[name] for name in sorted(written) if name in vectormath.LIBRARY]
