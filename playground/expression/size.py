"""Bounds how large a tree can grow in sympy, before sympy gets it. Both bounds saturate at `MAX_SIZE`.

sympy is exact: `(2*x)**(10**9)` becomes an integer of 300 million digits, and `(x + y + z)**200` twenty thousand terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from playground.expression.constants import fold_constants
from playground.expression.tree import Apply, ExpressionNode, Leaf, Number, Variable, fold, postorder

MAX_SIZE = 5_000


def bound_digits(nodes: Sequence[ExpressionNode]) -> int:
    """Return an upper bound for the decimal digits of any integer in exact arithmetic on this tree.

    :param nodes: the tree in `postorder`.
    """

    def leaf(node: Leaf) -> int:
        if isinstance(node, Variable) or not node.value:
            return 1
        if isinstance(node.value, int):
            return len(str(node.value))
        # a float has up to 17 digits, and up to as many zeros as its exponent on either side of the point
        return 17 + math.ceil(abs(math.log10(node.value)))

    def apply(node: Apply, operands: list[int]) -> int:
        # sums and products have at most as many digits as both operands; a power repeats the digits of its base
        repeats = _exponent(node) or 1
        return min(MAX_SIZE, sum(operands) + operands[0] * (repeats - 1) if operands else 1)

    return fold(nodes, leaf, apply)


def bound_terms(nodes: Sequence[ExpressionNode]) -> int:
    """Return an upper bound for the number of terms of this tree when multiplied out.

    :param nodes: the tree in `postorder`.
    """

    def apply(node: Apply, operands: list[int]) -> int:
        exponent = _exponent(node)
        # (a1 + ... + am)**n has as many terms as there are multisets of n out of m
        if exponent is not None and operands[0] > 1:
            return min(MAX_SIZE, math.comb(operands[0] + exponent - 1, exponent))
        return min(MAX_SIZE, math.prod(operands) if node.operation in ("*", "/") else sum(operands))

    return fold(nodes, lambda leaf: 1, apply)


def _exponent(node: Apply) -> int | None:
    """Return the size of a constant exponent, rounded up, at most `MAX_SIZE`; None if the node has none."""
    if node.operation != "**":
        return None
    exponent = fold_constants(postorder(node.operands[1]))
    return min(MAX_SIZE, math.ceil(abs(exponent.value))) if isinstance(exponent, Number) else None
