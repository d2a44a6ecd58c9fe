"""Checks the known rules of an operation against one call by torch, before anything of them is shown.

A rule covers the arguments that its author thought of; torch accepts more. A rule therefore counts for a call only if
its formula gives the call's output, and its derivatives give the gradients that autograd returned.
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
"""The relative deviation that counts as rounding; shorter dtypes have more."""

HALF_TOLERANCE = 3e-2
"""The same for half precision."""

MAX_RECOMPUTED_ENTRIES = 1_000_000
"""The largest output for which a rule is evaluated as written: that costs as much as the step."""


@dataclass(frozen=True)
class GradientPart:
    """An operation's contribution to the gradient of one argument.

    :param share: in the value's shape.
    :param summed: whether it was summed over broadcast entries.
    """

    argument: str
    value: TapeValue
    share: Tensor
    summed: bool


@dataclass(frozen=True)
class VerifiedCall:
    """One call of an operation whose rule was confirmed.

    :param bound: its arguments as tape values, by the operation's argument names.
    """

    operation: Operation
    call: Call
    bound: Mapping[str, Any]
    parts: tuple[GradientPart, ...]


def verify_call(
    record: TapeRecord, operations: Operations, given_back: Mapping[TapeValue, Tensor]
) -> VerifiedCall | None:
    """Return the known rule of an operation with a call; None if there is none, or if it does not hold for this call.

    :param given_back: the gradients that autograd returned to each of its inputs.
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
    except (Exception, SystemExit):  # a rule that does not cover this form of the call may fail in any way
        return None


def _matches_output(operation: Operation, call: Call) -> bool:
    if operation.forward is not None:
        with call.same_rng_state(), torch.no_grad():
            expected = operation.forward(call)
        return is_close(torch.as_tensor(expected), call.output)
    if not operation.entrywise:
        return True  # nothing to evaluate; its derivatives are compared with autograd all the same
    try:
        expected = evaluate_formula(_fill_names(operation.formula, call), _numbers(call))
    except UnreadableFormulaError:
        return True
    return is_close(expected, call.output)


def _matches_autograd(
    parts: tuple[GradientPart, ...], given_back: Mapping[TapeValue, Tensor], record: TapeRecord
) -> bool:
    """Tell whether the contributions equal the gradients that autograd returned."""
    totals: dict[TapeValue, Tensor] = {}
    for part in parts:
        totals[part.value] = totals[part.value] + part.share if part.value in totals else part.share
    arriving = record.outputs[0].gradient
    used = [value for value in record.outputs[1:] if value.gradient is not None]
    if used:
        return False  # a rule gets the first output only
    room = _tolerance(record.outputs[0].tensor.dtype) / 100 * _largest(arriving) if arriving is not None else 0.0
    return all(
        is_close(totals.get(value, torch.zeros_like(gradient)), gradient, room)
        for value, gradient in given_back.items()
    )


def _rule_holds(operation: Operation, call: Call, record: TapeRecord, part: GradientPart) -> bool:
    """Tell whether a rule that is arithmetic of entries gives the same derivative as its tensor form."""
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
        claimed = evaluate_formula(rule, _numbers(exact) | {"dy": arriving, "n": count})
    except UnreadableFormulaError:
        return True
    claimed, share = torch.broadcast_tensors(claimed, share)  # type: ignore[no-untyped-call]
    return is_close(claimed, share, 1e-12 * _largest(arriving))


def is_close(found: Tensor, wanted: Tensor, room: float = 0.0) -> bool:
    """Tell whether two tensors have the same shape and differ by rounding only.

    :param room: the absolute deviation that counts as rounding, for sums whose terms cancel.
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
    """Return a template filled in with its own names."""
    return fill_template(template, call).format(**{name: name for name in (*call.arguments, "y", "dy", "n")})


def _numbers(call: Call) -> dict[str, Any]:
    """Return the numeric arguments and the output."""
    found: dict[str, Any] = {"y": call.output}
    for name, item in call.arguments.items():
        real = isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item)
        if real or (isinstance(item, Tensor) and item.is_floating_point()):
            found[name] = item
    return found
