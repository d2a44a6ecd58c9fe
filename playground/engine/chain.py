"""The chain rule, from the loss to each parameter, by what is known of each operation and without autograd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from playground.engine.operations import Call, Operation, summed_to
from playground.engine.tape import Record, Tape, Value

Operations = Mapping[str, Operation]
"""What is known, by the short name of a torch function."""


def call_of(record: Record, operation: Operation) -> tuple[Call, dict[str, Any]]:
    """Return a call with its numbers, and its arguments as values, by the operation's names."""
    bound = operation.bind(record.inputs, record.keywords)
    return Call({name: _numbers(item) for name, item in bound.items()}, record.outputs[0].tensor, record.dice), bound


def shares(record: Record, operation: Operation, gradient: Tensor) -> Iterator[tuple[str, Value, Tensor, bool]]:
    """Yield what an operation adds to the gradient of each of its inputs: local derivative × incoming gradient.

    :param gradient: dL/dy, of the output's shape.
    :returns: the argument's name, the value, the share in the value's shape, and whether it was summed
        over what broadcasting had repeated.
    """
    call, bound = call_of(record, operation)
    for name, found in operation.pull(call, gradient).items():
        items = bound[name] if isinstance(bound.get(name), tuple | list) else [bound.get(name)]
        for value, share in zip(items, found if isinstance(found, list | tuple) else [found], strict=True):
            if isinstance(value, Value) and value.differentiable:
                summed = share.numel() > value.tensor.numel()
                yield name, value, summed_to(share, value.tensor), summed


def backward(tape: Tape, operations: Operations) -> dict[str, Tensor]:
    """Return dL/dparameter for every parameter that the loss depends on, by the rules alone.

    :raises KeyError: an operation on the way is not known.
    """
    if tape.loss is None:
        return {}
    totals: dict[Value, Tensor] = {tape.loss: torch.ones_like(tape.loss.tensor)}
    for record in reversed(tape.records):
        output = record.outputs[0]
        if output in totals and output.differentiable:
            for _, value, share, _ in shares(record, operations[record.name], totals[output]):
                totals[value] = totals[value] + share if value in totals else share
    return {name: totals[value] for name, value in tape.parameters.items() if value in totals}


def _numbers(item: Any) -> Any:
    if isinstance(item, Value):
        return item.tensor
    return type(item)(map(_numbers, item)) if type(item) in (tuple, list) else item
