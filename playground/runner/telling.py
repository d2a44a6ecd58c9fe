"""From a tape to plain data: formulas with names, and the arithmetic of single entries."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from playground.explanation import Node, Operated, Share, Shown

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.chain import Operations
    from playground.engine.operations import Call, Operation, Template
    from playground.engine.tape import Record, Tape, Value

LARGEST = 64
"""Entries of a tensor that is shown in full."""

WRITTEN = 16
"""Entries whose arithmetic is written out, and terms that one may have."""

LONG = 1e6
"""Numbers from here on are written in powers of ten, as their tensors are."""

_DOUBLED = re.compile(r"\(\((−[\d.e+−]+)\)\)")
"""A negative number in parentheses that the formula has around it anyway."""


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
    """

    def __init__(self, tape: Tape, operations: Operations, sample: int | None, digits: int, samples: int) -> None:
        self._tape = tape
        self._known = operations
        self._sample = sample
        self._digits = digits
        self._samples = samples

    def nodes(self) -> tuple[Node, ...]:
        """Return every value with its gradient."""
        return tuple(
            Node(value.name, value.kind, shown(value.tensor), None if value.gradient is None else shown(value.gradient))
            for value in self._tape.values
        )

    def operations(self) -> tuple[Operated, ...]:
        """Return every operation in order."""
        return tuple(self._operated(record) for record in self._tape.records)

    def _operated(self, record: Record) -> Operated:
        from playground.engine.chain import call_of

        inputs = tuple(value.name for value in record.values)
        outputs = tuple(value.name for value in record.outputs)
        if record.name not in self._known:
            return Operated(record.name, inputs, outputs)
        operation = self._known[record.name]
        call, bound = call_of(record, operation)
        names = {key: _named(item) for key, item in bound.items()}
        names |= {"y": outputs[0], "dy": f"dL/d{outputs[0]}"}
        formula = _filled(operation.formula, call, names)
        written = tuple(self._written(record, operation, call, bound))
        return Operated(record.name, inputs, outputs, formula, written, tuple(self._shares(record, operation, names)))

    def _shares(self, record: Record, operation: Operation, names: dict[str, str]) -> Iterator[Share]:
        from playground.engine.chain import call_of, shares

        output = record.outputs[0]
        if output.gradient is None:
            return
        call, bound = call_of(record, operation)
        for argument, value, share, summed in shares(record, operation, output.gradient):
            rule = _filled(operation.rules[argument], call, names)
            if summed and "Σ" not in rule:
                rule = f"Σ {rule}"
            written = ""
            single = self._numbers(bound, ()) if output.tensor.dim() == 0 and "[" not in rule else {}
            if single:
                numbers = single | {
                    "y": self.number(output.tensor.item()),
                    "dy": self.number(output.gradient.item()),
                }
                written = _filled(operation.rules[argument], call, numbers)
            yield Share(value.name, rule, shown(share), written)

    def _written(self, record: Record, operation: Operation, call: Call, bound: dict[str, Any]) -> Iterator[str]:
        """Yield the arithmetic of single entries: of the chosen sample, and of what is one number."""
        output = record.outputs[0]
        single = output.tensor.dim() == 0
        of_sample = self._sample is not None and output.tensor.shape[:1] == (self._samples,)
        if not (single and (self._samples == 0 or self._sample is not None)) and not of_sample:
            return
        lead = () if single else (self._sample,)
        inner = output.tensor if single else output.tensor[self._sample]
        for index in list(_indices(tuple(inner.shape)))[:WRITTEN]:
            at = (*lead, *index)
            terms = self._terms(operation, call, bound, at)
            if terms:
                place = "".join(f"[{', '.join(map(str, at))}]" if at else "")
                yield f"{output.name}{place} = {terms} = {self._plain(output.tensor[at].item())}"

    def _terms(self, operation: Operation, call: Call, bound: dict[str, Any], at: tuple[Any, ...]) -> str:
        tensors = [item for item in call.arguments.values() if hasattr(item, "numel")]
        if operation.terms is not None:
            largest = max((tensor.numel() for tensor in tensors), default=0)
            too_many = not at and largest > WRITTEN
            return "" if too_many else operation.terms(call, at, self.number)
        numbers = self._numbers(bound, at)
        return _filled(operation.formula, call, numbers) if numbers else ""

    def _numbers(self, bound: dict[str, Any], at: tuple[Any, ...]) -> dict[str, str]:
        """Return each argument as the number that meets an entry of the output; nothing where one does not."""
        found = {}
        for name, item in bound.items():
            entry = getattr(item, "tensor", item)
            if hasattr(entry, "numel"):
                if entry.dim() > len(at):
                    return {}
                tail = at[len(at) - entry.dim() :]
                place = tuple(0 if size == 1 else where for size, where in zip(entry.shape, tail, strict=True))
                if any(where >= size for where, size in zip(place, entry.shape, strict=True)):
                    return {}
                entry = entry[place].item()
            found[name] = self.number(entry) if isinstance(entry, int | float) else str(entry)
        return found

    def number(self, value: float) -> str:
        """Return a number inside a formula: a negative one in parentheses."""
        text = self._plain(value)
        return f"({text})" if text.startswith("−") else text

    def _plain(self, value: float) -> str:
        text = f"{value:.{self._digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if float(text) == 0 and value != 0:
            text = f"{value:.{self._digits}g}"
        elif LONG <= abs(value) < math.inf:
            text = f"{value:.{self._digits + 1}g}"
        return text.replace("-", "−")


def _filled(template: Template, call: Call, names: dict[str, str]) -> str:
    text = template if isinstance(template, str) else template(call)
    return _DOUBLED.sub(r"(\1)", text.format(**names))


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


def _indices(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    import itertools

    yield from itertools.product(*map(range, shape))
