"""Holds what is known of an operation against what torch did in one call, before anything of it is shown.

A rule knows the arguments that its author thought of, and torch accepts more. So a rule counts for a call only if its
formula gives the output of that call, and its derivatives what autograd gave back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from playground.core.chain import Operations, bind_call, propagate_gradient
from playground.core.formula_reader import UnreadableFormulaError, evaluate_formula
from playground.core.operations import Call, Operation, Template, fill_template
from playground.core.tape import TapeRecord, TapeValue

TOLERANCE_BY_DTYPE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Relative deviation that is rounding; of shorter types more."""

HALF_TOLERANCE = 3e-2
"""The same of half precision."""

MAX_RECOMPUTED_ENTRIES = 1_000_000
"""Entries of an output beyond which a rule is not computed again as it is written: that costs as much as the step."""


@dataclass(frozen=True)
class GradientPart:
    """What an operation adds to the gradient of one argument.

    :param share: in the value's shape.
    :param summed: whether it was summed over what broadcasting had repeated.
    """

    argument: str
    value: TapeValue
    share: Tensor
    summed: bool


@dataclass(frozen=True)
class VerifiedCall:
    """One call of an operation whose rule was found to be true of it.

    :param bound: its arguments as values, by the operation's names.
    """

    operation: Operation
    call: Call
    bound: Mapping[str, Any]
    parts: tuple[GradientPart, ...]


def verify_call(
    record: TapeRecord, operations: Operations, given_back: Mapping[TapeValue, Tensor]
) -> VerifiedCall | None:
    """Return what is known of an operation; None where nothing is, or what is known is not true of this call.

    :param given_back: what autograd gave back to each of its inputs.
    """
    try:
        if record.name not in operations:
            return None
        operation = operations[record.name]
        call, bound = bind_call(record, operation)
        if not _matches_output(operation, call):
            return None
        gradient = record.outputs[0].gradient
        parts = (
            ()
            if gradient is None
            else tuple(GradientPart(*each) for each in propagate_gradient(record, operation, gradient))
        )
        true = _matches_autograd(parts, given_back, record) and all(
            _rule_holds(operation, call, record, p) for p in parts
        )
        return VerifiedCall(operation, call, bound, parts) if true else None
    except (Exception, SystemExit):  # a rule that does not know this form of the call may fail in any way
        return None


def _matches_output(operation: Operation, call: Call) -> bool:
    if operation.forward is not None:
        with call.same_rng_state(), torch.no_grad():
            expected = operation.forward(call)
        return is_close(torch.as_tensor(expected), call.output)
    if not operation.entrywise:
        return True  # nothing that can be computed; its derivatives are held against autograd all the same
    try:
        expected = evaluate_formula(_fill_names(operation.formula, call), _numbers(call))
    except UnreadableFormulaError:
        return True
    return is_close(expected, call.output)


def _matches_autograd(
    parts: tuple[GradientPart, ...], given_back: Mapping[TapeValue, Tensor], record: TapeRecord
) -> bool:
    """Say whether the parts are what autograd gave back, for each value that it gave something."""
    totals: dict[TapeValue, Tensor] = {}
    for part in parts:
        totals[part.value] = totals[part.value] + part.share if part.value in totals else part.share
    arriving = record.outputs[0].gradient
    used = [value for value in record.outputs[1:] if value.gradient is not None]
    if used:
        return False  # a rule is told of the first output alone
    room = _tolerance(record.outputs[0].tensor.dtype) / 100 * _largest(arriving) if arriving is not None else 0.0
    return all(
        is_close(totals.get(value, torch.zeros_like(gradient)), gradient, room)
        for value, gradient in given_back.items()
    )


def _rule_holds(operation: Operation, call: Call, record: TapeRecord, part: GradientPart) -> bool:
    """Say whether a rule, where it is arithmetic of entries, gives the derivative that stands beside it."""
    if not operation.entrywise or call.output.numel() > MAX_RECOMPUTED_ENTRIES:
        return True
    exact = call.exactly()
    arriving = record.outputs[0].gradient.double()  # type: ignore[union-attr]
    share = operation.pull(exact, arriving)[part.argument]
    if not isinstance(share, Tensor):
        return True
    count = max(1, share.numel() // max(exact.output.numel(), 1))
    try:
        rule = _fill_names(operation.rules[part.argument], exact)
        told = evaluate_formula(rule, _numbers(exact) | {"dy": arriving, "n": count})
    except UnreadableFormulaError:
        return True
    whole = torch.broadcast_shapes(told.shape, share.shape)  # type: ignore[no-untyped-call]
    return is_close(told.expand(whole), share.expand(whole), 1e-12 * _largest(arriving))


def is_close(found: Tensor, wanted: Tensor, room: float = 0.0) -> bool:
    """Say whether two tensors have one shape and differ by rounding alone.

    :param room: absolute deviation that is rounding, of sums whose terms cancel.
    """
    if found.shape != wanted.shape:
        return False
    if not wanted.numel():
        return True
    a, b = found.double(), wanted.double()
    finite = b.isfinite()
    same = torch.equal(a.isnan(), b.isnan()) and torch.equal(a[b.isinf()], b[b.isinf()])
    bound = _tolerance(wanted.dtype) * _largest(b) + room
    return same and bool(((a - b)[finite].abs() <= bound).all())


def _tolerance(dtype: torch.dtype) -> float:
    return TOLERANCE_BY_DTYPE.get(dtype, HALF_TOLERANCE)


def _largest(tensor: Tensor) -> float:
    finite = tensor[tensor.isfinite()]
    return finite.abs().max().item() if finite.numel() else 0.0


def _fill_names(template: Template, call: Call) -> str:
    """Return a template with its own names in it."""
    return fill_template(template, call).format(**{name: name for name in (*call.arguments, "y", "dy", "n")})


def _numbers(call: Call) -> dict[str, Any]:
    """Return the arguments that are numbers, and the output."""
    found: dict[str, Any] = {"y": call.output}
    for name, item in call.arguments.items():
        real = isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item)
        if real or (isinstance(item, Tensor) and item.is_floating_point()):
            found[name] = item
    return found
