"""Turns a tape into plain data: values with their gradients, and operations with their formulas."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from playground.explanation import ExplainedOperation, GradientShare, GraphNode, TensorSummary
from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.runner.explaining.worked_arithmetic import Arithmetic, Scope, fill_rule

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.chain import Operations
    from playground.core.rule_check import GradientPart, VerifiedCall
    from playground.core.tape import Tape, TapeRecord, TapeValue

MAX_SHOWN_ENTRIES = 64
"""Entries of a tensor up to which all of them are shown."""


def summarize_tensor(tensor: Tensor) -> TensorSummary:
    """Return shape, mean, minimum and maximum of a tensor, and its entries if there are few."""
    import torch

    shape = tuple(tensor.shape)
    if not tensor.numel():
        return TensorSummary(shape, 0.0, 0.0, 0.0, tensor.tolist())
    real = tensor if tensor.is_floating_point() else tensor.to(torch.float64)
    low, high = (entry.item() for entry in real.aminmax())
    return TensorSummary(
        shape, real.mean().item(), low, high, tensor.tolist() if tensor.numel() <= MAX_SHOWN_ENTRIES else None
    )


class TapeReader:
    """Reads the values and operations of a tape.

    :param sample: the sample whose arithmetic is written out; None for none.
    :param digits: decimals in written-out arithmetic.
    :param samples: samples in the batch; 0 for a function, whose arithmetic is always written out.
    :ivar understood: by record, the formula and rules of the operation; None if they are unknown, or false for this
        call.
    """

    def __init__(self, tape: Tape, operations: Operations, sample: int | None, digits: int, samples: int) -> None:
        from playground.core.rule_check import verify_call

        self._tape = tape
        self._routes = tape.routes()
        self.understood = {record: verify_call(record, operations, self._routes[record]) for record in tape.records}
        self._scope = Scope(sample, samples, digits)

    def nodes(self) -> tuple[GraphNode, ...]:
        """Return every value with its gradient."""
        return tuple(
            GraphNode(
                value.name,
                value.kind,
                summarize_tensor(value.tensor),
                None if value.gradient is None else summarize_tensor(value.gradient),
            )
            for value in self._tape.values
        )

    def operations(self) -> tuple[ExplainedOperation, ...]:
        """Return every operation in order."""
        return tuple(self._operated(record, self._routes[record]) for record in self._tape.records)

    def _operated(self, record: TapeRecord, given_back: Mapping[TapeValue, Tensor]) -> ExplainedOperation:
        known = self.understood[record]
        if known is not None:
            with suppress(*ISOLATED_EXCEPTIONS):  # without its formula if a plugin's rule raises
                return self._written(record, known)
        inputs = tuple(value.name for value in record.values)
        shares = tuple(
            GradientShare(value.name, "", summarize_tensor(gradient)) for value, gradient in given_back.items()
        )
        return ExplainedOperation(record.name, inputs, tuple(value.name for value in record.outputs), shares=shares)

    def _written(self, record: TapeRecord, known: VerifiedCall) -> ExplainedOperation:
        inputs = tuple(value.name for value in record.values)
        outputs = tuple(value.name for value in record.outputs)
        names = {key: _argument_text(item) for key, item in known.bound.items()}
        names |= {"y": outputs[0], "dy": f"dL/d{outputs[0]}", "n": "n"}
        formula = fill_rule(known.operation.formula, known.call, names)
        arithmetic = Arithmetic(self._scope, known.operation, known.call, known.bound, record.outputs[0])
        shares = tuple(_gradient_share(part, known, names, arithmetic) for part in known.parts)
        return ExplainedOperation(record.name, inputs, outputs, formula, tuple(arithmetic.output()), shares)


def _gradient_share(
    part: GradientPart, known: VerifiedCall, names: dict[str, str], arithmetic: Arithmetic
) -> GradientShare:
    rule = fill_rule(known.operation.rules[part.argument], known.call, names)
    if part.summed and "Σ" not in rule:
        rule = f"Σ {rule}"
    entries = tuple(arithmetic.entries(part.argument, part.value, part.share))
    return GradientShare(
        part.value.name, rule, summarize_tensor(part.share), arithmetic.share(part.argument, part.share), entries
    )


def _argument_text(item: TapeValue | Any) -> str:
    """Return an argument as a formula shows it: a value's name, a number, the parts of an index."""
    if (name := getattr(item, "kind", None)) is not None:
        return str(item.name) if name else ""
    if isinstance(item, float):
        return f"{item:g}".replace("-", "−")
    if isinstance(item, tuple | list):
        return ", ".join(map(_argument_text, item))
    if isinstance(item, slice):
        ends = [("" if end is None else str(end)) for end in (item.start, item.stop)]
        return ":".join(ends)
    if item is Ellipsis:
        return "…"
    return "·" if hasattr(item, "numel") else str(item)
