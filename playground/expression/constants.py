"""Evaluates the constant parts of a tree once, in floats.

So `9**9**9` is an error, and never an integer of 370 million digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from playground.expression.errors import ExpressionError, shorten
from playground.expression.operations import OPERATIONS
from playground.expression.printing import format_plain
from playground.expression.tree import Apply, ExpressionNode, Leaf, Number, fold, postorder


def fold_constants(nodes: Sequence[ExpressionNode]) -> ExpressionNode:
    """Return the tree with every constant part replaced by one number, a float that may be negative.

    :param nodes: the tree in `postorder`.
    :raises ExpressionError: a constant part has no finite value; the column is where that part starts.
    """
    return fold(nodes, _leaf, _apply)


def _leaf(leaf: Leaf) -> ExpressionNode:
    return Number(float(leaf.value), leaf.column) if isinstance(leaf, Number) else leaf


def _apply(node: Apply, operands: list[ExpressionNode]) -> ExpressionNode:
    numbers = [operand.value for operand in operands if isinstance(operand, Number)]
    if len(numbers) < len(operands):
        return Apply(node.operation, tuple(operands), node.column)
    try:
        value = OPERATIONS[node.operation].scalar(*numbers)
    except OverflowError:
        value = math.inf
    except (ArithmeticError, ValueError):
        value = math.nan
    if math.isfinite(value):
        return Number(value, node.column)
    trouble = "is undefined" if math.isnan(value) else "is too large for a floating-point number"
    raise ExpressionError.at(node.column, f"{shorten(format_plain(postorder(node)))} {trouble}")
