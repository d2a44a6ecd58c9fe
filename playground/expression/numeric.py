"""Evaluates the tree in torch: differentiable, batched, and in the dtype of the variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from playground.expression.operations import OPERATIONS
from playground.expression.tree import Apply, ExpressionNode, Leaf, Number, fold

if TYPE_CHECKING:
    from torch import Tensor


def evaluate(nodes: Sequence[ExpressionNode], variables: Mapping[str, Tensor]) -> Tensor:
    """Return the value of a tree.

    Numbers stay Python floats until they are combined with a tensor, so they never widen its dtype.

    :param nodes: the tree in `postorder`, with constant parts evaluated by `fold_constants`.
    :param variables: scalars of shape `(...)`, vectors of shape `(..., n)`.
    :returns: shape `(...)`, the broadcast shape of the variables that occur. If none occurs, shape `()`, with the dtype
        and device of any given variable, otherwise float64.
    """
    import torch

    def leaf(node: Leaf) -> Tensor | float:
        if isinstance(node, Number):
            return node.value
        value = variables[node.name]
        return value if node.index is None else value[..., node.index]

    def apply(node: Apply, operands: list[Tensor | float]) -> Tensor | float:
        result: Tensor = OPERATIONS[node.operation].torch(torch, *operands)
        return result

    result = fold(nodes, leaf, apply)
    if isinstance(result, torch.Tensor):
        return result
    like = next(iter(variables.values()), torch.empty((), dtype=torch.float64))
    return torch.tensor(result, dtype=like.dtype, device=like.device)
