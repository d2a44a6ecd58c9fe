"""The tree of an expression: numbers, variables, and operations on them.

torch, sympy, plain text and LaTeX all use this tree. Each of them is a `fold` over it, so none of them recurses, and a
long sum cannot exceed Python's recursion limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Number:
    """A literal, not negative. An int stays exact; `column` is its position in the text."""

    value: int | float
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True)
class Variable:
    """A scalar, or, with an index, one entry of a vector."""

    name: str
    index: int | None = None
    column: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        """Return it as in an expression: `x`, or `x[0]`."""
        return self.name if self.index is None else f"{self.name}[{self.index}]"


@dataclass(frozen=True)
class Apply:
    """An operation of `operations.OPERATIONS`, by name, applied to operands; a constant such as `pi` has none."""

    operation: str
    operands: tuple[ExpressionNode, ...] = ()
    column: int = field(default=0, compare=False, repr=False)


Leaf = Number | Variable
ExpressionNode = Number | Variable | Apply


def postorder(tree: ExpressionNode) -> tuple[ExpressionNode, ...]:
    """Return all nodes of the tree, operands from left to right before their operation."""
    order: list[ExpressionNode] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        order.append(node)
        if isinstance(node, Apply):
            waiting.extend(node.operands)
    return tuple(reversed(order))


def fold(nodes: Iterable[ExpressionNode], leaf: Callable[[Leaf], T], apply: Callable[[Apply, list[T]], T]) -> T:
    """Compute a value for a tree from its leaves to its root.

    :param nodes: the tree in `postorder`.
    :param leaf: returns the value of a number or a variable.
    :param apply: returns the value of an operation, given the values of its operands.
    :returns: the value of the root.
    """
    results: list[T] = []
    for node in nodes:
        if isinstance(node, Apply):
            first = len(results) - len(node.operands)
            results[first:] = [apply(node, results[first:])]
        else:
            results.append(leaf(node))
    return results.pop()
