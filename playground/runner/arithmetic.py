"""The arithmetic of single entries, forward and backward, written out with its numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.operations import Call, Operation, Template
    from playground.engine.tape import Record, Value

WRITTEN = 16
"""Entries whose arithmetic is written out, and terms that one may have."""

LONG = 1e6
"""Numbers from here on are written in powers of ten, as their tensors are."""

_DOUBLED = re.compile(r"\(\((−[\d.e+−]+)\)\)")
"""A negative number in parentheses that the formula has around it anyway."""

Place = tuple[int, ...]


class Arithmetic:
    """Writes out entries of one sample, what is one number, and short sums over all samples.

    :param sample: whose entries are written out; None for no sample.
    :param samples: in the batch; 0 for a function, of which every number is written out.
    :param digits: decimals.
    """

    def __init__(self, sample: int | None, samples: int, digits: int) -> None:
        self._sample = sample
        self._samples = samples
        self._digits = digits

    def output(self, record: Record, operation: Operation) -> Iterator[str]:
        """Yield the entries of what an operation returned: `z[1, 0] = 1·0.4 + 0.2 = 0.6`."""
        from playground.engine.chain import call_of

        output = record.outputs[0]
        call, bound = call_of(record, operation)
        for at in self._of_sample(output.tensor):
            if terms := self._terms(operation, call, bound, at):
                yield f"{output.name}{_place(at)} = {terms} = {self._plain(output.tensor[at].item())}"

    def share(self, record: Record, operation: Operation, argument: str) -> str:
        """Return what is added to a gradient with its numbers, where all that it is made of are single numbers."""
        from playground.engine.chain import call_of

        output = record.outputs[0]
        call, bound = call_of(record, operation)
        rule = filled(operation.rules[argument], call, dict.fromkeys((*bound, "y", "dy", "n"), ""))
        numbers = self._numbers(bound, ()) if output.tensor.dim() == 0 and "[" not in rule else {}
        return filled(operation.rules[argument], call, numbers | self._outcome(output, (), 1)) if numbers else ""

    def entries(
        self, record: Record, operation: Operation, argument: str, value: Value, share: Tensor
    ) -> Iterator[tuple[str, str]]:
        """Yield the entries of what is added to a gradient: those of the sample, and of a parameter all, as sums.

        :param share: in the value's shape.
        """
        from playground.engine.chain import call_of

        call, bound = call_of(record, operation)
        for at in self._places(value, share):
            terms = self._share_terms(record, operation, argument, call, bound, at, share.shape)
            result = share[at].item()
            if terms and terms != self.number(result):
                yield _place(at), f"{terms} = {self._plain(result)}"

    def _of_sample(self, tensor: Tensor) -> list[Place]:
        """Return the places of the sample's entries, or that of a single number."""
        if tensor.dim() == 0:
            return [()] if self._samples == 0 or self._sample is not None else []
        if self._sample is None or tensor.shape[0] != self._samples:
            return []
        return [(self._sample, *rest) for rest in _indices(tensor.shape[1:])][:WRITTEN]

    def _places(self, value: Value, share: Tensor) -> list[Place]:
        """Return the places of a share that are written out."""
        if share.dim() == 0 and self._samples == 0:
            return []  # `share` has written it
        if value.kind != "parameter":
            return self._of_sample(share)
        entries = share.numel()
        few = entries <= WRITTEN and self._samples <= WRITTEN
        short = self._sample is not None or entries * self._samples <= WRITTEN
        return list(_indices(share.shape)) if few and short and self._samples else []

    def _share_terms(
        self,
        record: Record,
        operation: Operation,
        argument: str,
        call: Call,
        bound: dict[str, Any],
        at: Place,
        shape: tuple[int, ...],
    ) -> str:
        output = record.outputs[0]
        if argument in operation.sums:
            terms = operation.sums[argument](call, output.gradient, at, self.number)  # type: ignore[arg-type]
            return terms if terms.count(" + ") < WRITTEN else ""
        rule = operation.rules[argument]
        signs = filled(rule, call, dict.fromkeys((*bound, "y", "dy", "n"), ""))
        if not operation.entrywise or any(sign in signs for sign in "[Σ"):
            return ""
        whole = tuple(output.tensor.shape) or tuple(shape)
        if not _meets(shape, whole) or math.prod(whole) > WRITTEN * math.prod(shape):
            return ""
        count = max(1, math.prod(shape) // max(output.tensor.numel(), 1))
        written = []
        for place in _spread(at, shape, whole):
            numbers = self._numbers(bound, place)
            if not numbers:
                return ""
            written.append(filled(rule, call, numbers | self._outcome(output, place, count)))
        return " + ".join(written)

    def _outcome(self, output: Value, at: Place, count: int) -> dict[str, str]:
        """Return the numbers of what an operation returned, and of its gradient.

        :param count: entries that a mean is of.
        """
        at = at if output.tensor.dim() else ()
        value, gradient = output.tensor[at].item(), output.gradient[at].item()  # type: ignore[index]
        return {"y": self.number(value), "dy": self.number(gradient), "n": str(count)}

    def _terms(self, operation: Operation, call: Call, bound: dict[str, Any], at: Place) -> str:
        tensors = [item for item in call.arguments.values() if hasattr(item, "numel")]
        if operation.terms is not None:
            largest = max((tensor.numel() for tensor in tensors), default=0)
            if not at and largest > WRITTEN:
                return ""
            terms = operation.terms(call, at, self.number)
            return terms if terms.count(" + ") <= WRITTEN else ""  # so many products, and a bias
        if not operation.entrywise:
            return ""  # the entry of an argument in the same place is not what this one was made of
        numbers = self._numbers(bound, at)
        return filled(operation.formula, call, numbers) if numbers else ""

    def _numbers(self, bound: dict[str, Any], at: Place) -> dict[str, str]:
        """Return each argument as the number that meets an entry of the output; nothing where one does not."""
        found = {}
        for name, item in bound.items():
            entry = getattr(item, "tensor", item)
            if hasattr(entry, "numel"):
                if entry.dim() > len(at):
                    return {}
                place = _collapsed(at, tuple(entry.shape))
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
        value += 0.0  # a zero has no sign
        text = f"{value:.{self._digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if float(text) == 0 and value != 0:
            text = f"{value:.{self._digits}g}"
        elif LONG <= abs(value) < math.inf:
            text = f"{value:.{self._digits + 1}g}"
        return text.replace("-", "−")


def filled(template: Template, call: Call, names: dict[str, str]) -> str:
    """Return a template with names, or numbers, in it."""
    text = template if isinstance(template, str) else template(call)
    return _DOUBLED.sub(r"(\1)", text.format(**names))


def _collapsed(at: Place, shape: tuple[int, ...]) -> Place:
    """Return the place in a tensor that broadcasting meets with a place in a larger one."""
    tail = at[len(at) - len(shape) :]
    return tuple(0 if size == 1 else where for size, where in zip(shape, tail, strict=True))


def _meets(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether broadcasting makes a larger shape of one."""
    tail = whole[len(whole) - len(shape) :]
    return len(shape) <= len(whole) and all(size in (1, length) for size, length in zip(shape, tail, strict=True))


def _spread(at: Place, shape: tuple[int, ...], whole: tuple[int, ...]) -> Iterator[Place]:
    """Yield all places in a larger tensor that meet a place in one that was repeated: the inverse of `_collapsed`."""
    missing = len(whole) - len(shape)
    fixed = [None] * missing + [where if size > 1 else None for where, size in zip(at, shape, strict=True)]
    yield from product(
        *(range(length) if where is None else (where,) for length, where in zip(whole, fixed, strict=True))
    )


def _place(at: Place) -> str:
    return f"[{', '.join(map(str, at))}]" if at else ""


def _indices(shape: tuple[int, ...]) -> Iterator[Place]:
    yield from product(*map(range, shape))
