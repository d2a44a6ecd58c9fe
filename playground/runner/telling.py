"""From a tape to plain data: values with their gradients, and formulas with names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from playground.explanation import Node, Operated, Share, Shown
from playground.plugins.causes import ISOLATED
from playground.runner.arithmetic import Arithmetic, Scope, filled

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.chain import Operations
    from playground.engine.rule_check import Part, Understood
    from playground.engine.tape import Record, Tape, Value

LARGEST = 64
"""Entries of a tensor that is shown in full."""


def shown(tensor: Tensor) -> Shown:
    """Return as much of a tensor as a person reads."""
    import torch

    shape = tuple(tensor.shape)
    if not tensor.numel():
        return Shown(shape, 0.0, 0.0, 0.0, tensor.tolist())
    real = tensor if tensor.is_floating_point() else tensor.to(torch.float64)
    low, high = (entry.item() for entry in real.aminmax())
    return Shown(shape, real.mean().item(), low, high, tensor.tolist() if tensor.numel() <= LARGEST else None)


class Teller:
    """Tells what is on a tape.

    :param sample: whose arithmetic is written out.
    :param digits: decimals in it.
    :param samples: in the batch; 0 for a function, whose arithmetic is always written out.
    :ivar understood: what is known, and true, of each operation.
    """

    def __init__(self, tape: Tape, operations: Operations, sample: int | None, digits: int, samples: int) -> None:
        from playground.engine.rule_check import understand

        self._tape = tape
        self._routes = tape.routes()
        self.understood = {record: understand(record, operations, self._routes[record]) for record in tape.records}
        self._scope = Scope(sample, samples, digits)

    def nodes(self) -> tuple[Node, ...]:
        """Return every value with its gradient."""
        return tuple(
            Node(value.name, value.kind, shown(value.tensor), None if value.gradient is None else shown(value.gradient))
            for value in self._tape.values
        )

    def operations(self) -> tuple[Operated, ...]:
        """Return every operation in order."""
        return tuple(self._operated(record, self._routes[record]) for record in self._tape.records)

    def _operated(self, record: Record, given_back: Mapping[Value, Tensor]) -> Operated:
        known = self.understood[record]
        if known is not None:
            with suppress(*ISOLATED):  # a plugin's rule that cannot write itself out is as good as none
                return self._written(record, known)
        inputs = tuple(value.name for value in record.values)
        shares = tuple(Share(value.name, "", shown(gradient)) for value, gradient in given_back.items())
        return Operated(record.name, inputs, tuple(value.name for value in record.outputs), shares=shares)

    def _written(self, record: Record, known: Understood) -> Operated:
        inputs = tuple(value.name for value in record.values)
        outputs = tuple(value.name for value in record.outputs)
        names = {key: _named(item) for key, item in known.bound.items()}
        names |= {"y": outputs[0], "dy": f"dL/d{outputs[0]}", "n": "n"}
        formula = filled(known.operation.formula, known.call, names)
        arithmetic = Arithmetic(self._scope, known.operation, known.call, known.bound, record.outputs[0])
        shares = tuple(_share(part, known, names, arithmetic) for part in known.parts)
        return Operated(record.name, inputs, outputs, formula, tuple(arithmetic.output()), shares)


def _share(part: Part, known: Understood, names: dict[str, str], arithmetic: Arithmetic) -> Share:
    rule = filled(known.operation.rules[part.argument], known.call, names)
    if part.summed and "Σ" not in rule:
        rule = f"Σ {rule}"
    entries = tuple(arithmetic.entries(part.argument, part.value, part.share))
    return Share(part.value.name, rule, shown(part.share), arithmetic.share(part.argument, part.share), entries)


def _named(item: Value | Any) -> str:
    """Return an argument as a formula writes it: a value's name, a number, the parts of an index."""
    if (name := getattr(item, "kind", None)) is not None:
        return str(item.name) if name else ""
    if isinstance(item, float):
        return f"{item:g}".replace("-", "−")
    if isinstance(item, tuple | list):
        return ", ".join(map(_named, item))
    if isinstance(item, slice):
        ends = [("" if end is None else str(end)) for end in (item.start, item.stop)]
        return ":".join(ends)
    if item is Ellipsis:
        return "…"
    return "·" if hasattr(item, "numel") else str(item)
