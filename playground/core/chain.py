"""The chain rule from the loss to each parameter, by the known rules of each operation and without autograd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from playground.core.operations import Call, Operation, sum_to_shape
from playground.core.tape import Tape, TapeRecord, TapeValue

Operations = Mapping[str, Operation]
"""The known operations, by the short name of a torch function."""


def bind_call(record: TapeRecord, operation: Operation) -> tuple[Call, dict[str, Any]]:
    """Return a call with its numbers, and its arguments as tape values, by the operation's argument names."""
    bound = operation.bind(record.inputs, record.keywords)
    return Call(
        {name: _to_tensors(item) for name, item in bound.items()}, record.outputs[0].tensor, record.rng_state
    ), bound


def propagate_gradient(
    record: TapeRecord, operation: Operation, gradient: Tensor
) -> Iterator[tuple[str, TapeValue, Tensor, bool]]:
    """Yield what an operation contributes to the gradient of each of its inputs: local derivative × incoming gradient.

    :param gradient: dL/dy, of the output's shape.
    :returns: the argument's name, the value, the contribution in the value's shape, and whether it was summed over
        broadcast entries.
    """
    call, bound = bind_call(record, operation)
    for name, found in operation.pull(call, gradient).items():
        items = bound[name] if isinstance(bound.get(name), tuple | list) else [bound.get(name)]
        for value, share in zip(items, found if isinstance(found, list | tuple) else [found], strict=True):
            if isinstance(value, TapeValue) and value.differentiable:
                summed = share.numel() > value.tensor.numel()
                yield name, value, sum_to_shape(share, value.tensor), summed


def backpropagate(tape: Tape, operations: Operations) -> dict[str, Tensor]:
    """Return dL/dparameter for every parameter that the loss depends on, from the rules alone.

    :raises KeyError: an operation on the path is unknown.
    """
    if tape.loss is None:
        return {}
    totals: dict[TapeValue, Tensor] = {tape.loss: torch.ones_like(tape.loss.tensor)}
    for record in reversed(tape.records):
        output = record.outputs[0]
        if output in totals and output.differentiable:
            for _, value, share, _ in propagate_gradient(record, operations[record.name], totals[output]):
                totals[value] = totals[value] + share if value in totals else share
    return {name: totals[value] for name, value in tape.parameters.items() if value in totals}


def _to_tensors(item: Any) -> Any:
    if isinstance(item, TapeValue):
        return item.tensor
    return type(item)(map(_to_tensors, item)) if type(item) in (tuple, list) else item
