"""The gradients that autograd returns to each input of an operation: those on the edges of torch's graph.

A tensor used by two operations gets the sum of their contributions. A tensor's hook sees only the sum; hooks on the
nodes of the graph see each contribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from playground.core.tape import TapeValue

FindValue = Callable[[Any, int], "TapeValue | None"]
"""Returns the tape's value for an output (by index) of a node, if the tape has it."""


@dataclass(frozen=True, eq=False)
class GradientEdge:
    """An edge through which a gradient leaves an operation: an input of one of torch's nodes.

    :param node: of torch's graph.
    :param index: of the node's input.
    :param value: the tape's value of this input.
    """

    node: Any
    index: int
    value: TapeValue


def find_edges(roots: Iterable[Any], find: FindValue) -> list[GradientEdge]:
    """Return every edge from the nodes that made some outputs back to the nearest values on the tape.

    :param roots: the outputs' own nodes.
    """
    found: list[GradientEdge] = []
    waiting = [node for node in roots if node is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop(0)
        for index, (source, number) in enumerate(node.next_functions):
            if source is None:
                continue
            value = find(source, number)
            if value is not None:
                found.append(GradientEdge(node, index, value))
            elif source not in seen:
                seen.add(source)
                waiting.append(source)
    return found


class EdgeGradients:
    """Collects the gradients that one backward pass sends along edges."""

    def __init__(self) -> None:
        self._received: dict[Any, Sequence[Tensor | None]] = {}
        self._watched: set[Any] = set()

    def watch(self, found: Iterable[GradientEdge]) -> None:
        """Record what the next backward pass sends along these edges."""
        for edge in found:
            if edge.node not in self._watched:
                self._watched.add(edge.node)
                edge.node.register_hook(self._keeper(edge.node))

    def forget(self) -> None:
        """Drop what was recorded so far: a loss may differentiate inside itself before its own backward pass."""
        self._received.clear()

    def at(self, edge: GradientEdge) -> Tensor | None:
        """Return the gradient that arrived at an edge; None for nothing."""
        received = self._received.get(edge.node, ())
        return received[edge.index] if edge.index < len(received) else None

    def _keeper(self, node: Any) -> Callable[[Any, Any], None]:
        def keep(gradients: Sequence[Tensor | None], _: Any) -> None:
            self._received[node] = tuple(None if each is None else copy_dense(each) for each in gradients)

        return keep


def copy_dense(tensor: Tensor) -> Tensor:
    """Return the numbers of a tensor, including the zeros of a sparse one."""
    plain = tensor.detach()
    return plain.clone() if plain.layout == torch.strided else plain.to_dense()


def sum_by_value(
    gradients: EdgeGradients, found: Iterable[GradientEdge], spent: set[tuple[Any, int]]
) -> dict[TapeValue, Tensor]:
    """Return the gradients that arrived along some edges, by value.

    :param spent: edges that were counted for another operation and are skipped; updated.
    """
    totals: dict[TapeValue, Tensor] = {}
    for edge in found:
        key, gradient = (edge.node, edge.index), gradients.at(edge)
        if gradient is None or key in spent:
            continue
        spent.add(key)
        totals[edge.value] = totals[edge.value] + gradient if edge.value in totals else gradient
    return totals
