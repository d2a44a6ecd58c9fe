"""Writes out the arithmetic of single entries, forward and backward, with their numbers.

Nothing is written that is false: each text is read again and computed (`core/formula_reader.py`), and dropped if it
does not give the entry.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from playground.core.operations import Call, Operation, Template
    from playground.core.tape import TapeValue

MAX_WRITTEN_ENTRIES = 16
"""Maximum of entries whose arithmetic is written out, and of terms in one of them."""

MAX_DIGITS = 17
"""Significant digits that give every float64 exactly."""

READING_TOLERANCE = 0.01
"""Relative deviation that the result computed from rounded numbers may have."""

MIN_SCIENTIFIC_VALUE = 1e6
"""Numbers from here on are written with an exponent, as tensors show them."""

_DOUBLE_PARENTHESES = re.compile(r"\(\((-[\d.e+-]+)\)\)")
"""A negative number inside two pairs of parentheses, its own and the formula's."""

EntryIndex = tuple[int, ...]

NumberWriter = Callable[[float], str]
"""Writes a number inside a formula."""


@dataclass(frozen=True)
class Scope:
    """Which entries are written out: those of one sample, single numbers, and short sums over all samples.

    :param sample: the sample; None for none.
    :param samples: samples in the batch; 0 for a function, of which every number is written out.
    :param digits: decimals.
    """

    sample: int | None
    samples: int
    digits: int

    def of_sample(self, tensor: Tensor) -> list[EntryIndex]:
        """Return the indices of the sample's entries, or of a single number."""
        if tensor.dim() == 0:
            return [()] if self.samples == 0 or self.sample is not None else []
        if self.sample is None or tensor.shape[0] != self.samples:
            return []
        return [(self.sample, *rest) for rest in _indices(tensor.shape[1:])][:MAX_WRITTEN_ENTRIES]

    def of_share(self, value: TapeValue, share: Tensor) -> list[EntryIndex]:
        """Return the indices of a gradient share's entries; for a parameter all, if they are few."""
        if share.dim() == 0 and self.samples == 0:
            return []  # a single number stands beside its rule already
        if value.kind == "prediction" and self.sample is None and self.samples:
            return replace(self, sample=0).of_sample(share)[:1]  # one entry shows how the loss works
        if value.kind != "parameter":
            return self.of_sample(share)
        entries = share.numel()
        few = entries <= MAX_WRITTEN_ENTRIES and self.samples <= MAX_WRITTEN_ENTRIES
        short = self.sample is not None or entries * self.samples <= MAX_WRITTEN_ENTRIES
        return list(_indices(share.shape)) if few and short and self.samples else []

    def number(self, value: float) -> str:
        """Return a number inside a formula: a negative one in parentheses."""
        text = self.plain(value)
        return f"({text})" if text.startswith("-") else text

    def plain(self, value: float) -> str:
        """Return a number by itself, with the ASCII minus that programs read; only formulas have `−`."""
        value += 0.0  # -0.0 becomes 0.0
        text = f"{value:.{self.digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if float(text) == 0 and value != 0:
            text = f"{value:.{self.digits}g}"
        elif MIN_SCIENTIFIC_VALUE <= abs(value) < math.inf:
            text = f"{value:.{self.digits + 1}g}"
        return text


@dataclass(frozen=True)
class WorkedEntry:
    """The arithmetic of one entry.

    :param place: the index of the entry as text.
    :param terms: returns the arithmetic, given a function that writes a number.
    """

    place: str
    terms: Callable[[NumberWriter], str]
    result: float
    dtype: torch.dtype

    def write(self, scope: Scope) -> str:
        """Return the arithmetic without its result; empty if it does not give it."""
        return write_terms(self.terms, self.result, scope, self.dtype)


class Arithmetic:
    """Writes out the entries of one call of an operation.

    :param call: the call with its numbers.
    :param bound: the arguments as values of the tape, by the operation's names.
    :param output: the output, with its gradient.
    """

    def __init__(
        self, scope: Scope, operation: Operation, call: Call, bound: Mapping[str, Any], output: TapeValue
    ) -> None:
        self._scope = scope
        self._operation = operation
        self._call = call
        self._bound = bound
        self._output = output

    def output(self) -> Iterator[str]:
        """Yield the arithmetic of the output's entries: `z[1, 0] = 1·0.4 + 0.2 = 0.6`."""
        for entry in self.output_entries():
            if terms := entry.write(self._scope):
                yield f"{self._output.name}{entry.place} = {terms} = {self._scope.plain(entry.result)}"

    def output_entries(self) -> Iterator[WorkedEntry]:
        """Yield the output's entries that are written out, whether or not they can be."""
        tensor = self._output.tensor
        for at in self._scope.of_sample(tensor):
            yield WorkedEntry(_format_index(at), partial(self._terms, at), tensor[at].item(), tensor.dtype)

    def share(self, argument: str, result: Tensor) -> str:
        """Return a gradient share with its numbers, if output and share are single numbers; else an empty text."""
        return "" if (entry := self.single_share(argument, result)) is None else entry.write(self._scope)

    def single_share(self, argument: str, result: Tensor) -> WorkedEntry | None:
        """Return a gradient share whose output is a single number as it is; None for others."""
        if self._output.tensor.dim() or result.dim() or "[" in self._signs(argument):
            return None
        return WorkedEntry("", partial(self._single, argument), result.item(), result.dtype)

    def entries(self, argument: str, value: TapeValue, share: Tensor) -> Iterator[tuple[str, str]]:
        """Yield index and arithmetic of a gradient share's entries: those of the sample; for a parameter all, as sums.

        :param share: in the value's shape.
        """
        for entry in self.share_entries(argument, value, share):
            text = entry.write(self._scope)
            if text and text != self._scope.number(entry.result):
                yield entry.place, f"{text} = {self._scope.plain(entry.result)}"

    def share_entries(self, argument: str, value: TapeValue, share: Tensor) -> Iterator[WorkedEntry]:
        """Yield a gradient share's entries that are written out, whether or not they can be."""
        for at in self._scope.of_share(value, share):
            terms = partial(self._share_terms, argument, at, tuple(share.shape))
            yield WorkedEntry(_format_index(at), terms, share[at].item(), share.dtype)

    def _terms(self, at: EntryIndex, number: NumberWriter) -> str:
        """Return the arithmetic of an entry of the output; empty if there is none, or too many terms."""
        operation = self._operation
        if operation.terms is not None:
            tensors = [item for item in self._call.arguments.values() if hasattr(item, "numel")]
            if not at and max((tensor.numel() for tensor in tensors), default=0) > MAX_WRITTEN_ENTRIES:
                return ""
            terms = operation.terms(self._call, at, number)
            return terms if terms.count(" + ") <= MAX_WRITTEN_ENTRIES else ""  # the products and a bias
        if not operation.entrywise:
            return ""  # the entry depends on other entries than those with its index
        numbers = self._numbers(at, number)
        return fill_rule(operation.formula, self._call, numbers) if numbers else ""

    def _single(self, argument: str, number: NumberWriter) -> str:
        numbers = self._numbers((), number)
        return self._filled(argument, numbers | self._outcome((), 1, number)) if numbers else ""

    def _share_terms(self, argument: str, at: EntryIndex, shape: EntryIndex, number: NumberWriter) -> str:
        """Return the arithmetic of a share's entry: a sum over all outputs to which broadcasting repeated the entry."""
        operation, output = self._operation, self._output
        if argument in operation.sums:
            terms = operation.sums[argument](self._call, output.gradient, at, number)  # type: ignore[arg-type]
            return terms if terms.count(" + ") < MAX_WRITTEN_ENTRIES else ""
        if not operation.entrywise or any(sign in self._signs(argument) for sign in "[Σ"):
            return ""
        whole = tuple(output.tensor.shape) or shape
        if not _is_broadcastable(shape, whole) or math.prod(whole) > MAX_WRITTEN_ENTRIES * math.prod(shape):
            return ""
        count = max(1, math.prod(shape) // max(output.tensor.numel(), 1))
        written = []
        for place in _spread_index(at, shape, whole):
            numbers = self._numbers(place, number)
            if not numbers:
                return ""
            written.append(self._filled(argument, numbers | self._outcome(place, count, number)))
        return " + ".join(written)

    def _filled(self, argument: str, numbers: Mapping[str, str]) -> str:
        return fill_rule(self._operation.rules[argument], self._call, numbers)

    def _signs(self, argument: str) -> str:
        """Return the operators of a rule, without names and numbers."""
        return self._filled(argument, dict.fromkeys((*self._bound, "y", "dy", "n"), ""))

    def _outcome(self, at: EntryIndex, count: int, number: NumberWriter) -> dict[str, str]:
        """Return output, gradient and `n` of an entry as texts.

        :param count: entries in a mean.
        """
        at = at if self._output.tensor.dim() else ()
        value, gradient = self._output.tensor[at].item(), self._output.gradient[at].item()  # type: ignore[index]
        return {"y": number(value), "dy": number(gradient), "n": str(count)}

    def _numbers(self, at: EntryIndex, number: NumberWriter) -> dict[str, str]:
        """Return each argument's number for an entry of the output; empty if an argument has no such entry."""
        found = {}
        for name, item in self._bound.items():
            entry = getattr(item, "tensor", item)
            if hasattr(entry, "numel"):
                if entry.dim() > len(at):
                    return {}
                place = _collapse_index(at, tuple(entry.shape))
                if any(where >= size for where, size in zip(place, entry.shape, strict=True)):
                    return {}
                entry = entry[place].item()
            found[name] = number(entry) if isinstance(entry, int | float) else str(entry)
        return found


def write_terms(terms: Callable[[NumberWriter], str], result: float, scope: Scope, dtype: torch.dtype) -> str:
    """Return arithmetic with the requested decimals, or with as many more as it needs to give its result.

    :param terms: returns the arithmetic, given a function that writes a number.
    :returns: the text; empty if it cannot be computed, or does not give the result even with all digits.
    """
    import torch

    from playground.core.formula_reader import UnreadableFormulaError, evaluate_formula
    from playground.core.rule_check import is_close

    wanted = torch.tensor(result, dtype=dtype)
    try:
        exact = terms(_format_exact)
        if not exact or not is_close(evaluate_formula(exact, {}), wanted):
            return ""
        for digits in range(scope.digits, MAX_DIGITS + 1):
            text = terms(replace(scope, digits=digits).number)
            if abs(evaluate_formula(text, {}).item() - result) <= max(
                READING_TOLERANCE * abs(result), 0.5 * 10.0**-digits * (result == 0)
            ):
                return text
        return exact if not math.isfinite(result) else ""
    except UnreadableFormulaError:
        return ""


def fill_rule(template: Template, call: Call, names: Mapping[str, str]) -> str:
    """Return a template filled with names or numbers."""
    text = template if isinstance(template, str) else template(call)
    return merge_parentheses(text.format(**names))


def merge_parentheses(text: str) -> str:
    """Return a formula in which a negative number has one pair of parentheses."""
    return _DOUBLE_PARENTHESES.sub(r"(\1)", text)


def _collapse_index(at: EntryIndex, shape: tuple[int, ...]) -> EntryIndex:
    """Return the index in a tensor that broadcasting pairs with an index in a larger one."""
    tail = at[len(at) - len(shape) :]
    return tuple(0 if size == 1 else where for size, where in zip(shape, tail, strict=True))


def _is_broadcastable(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Tell whether a shape broadcasts to a larger shape."""
    tail = whole[len(whole) - len(shape) :]
    return len(shape) <= len(whole) and all(size in (1, length) for size, length in zip(shape, tail, strict=True))


def _spread_index(at: EntryIndex, shape: tuple[int, ...], whole: tuple[int, ...]) -> Iterator[EntryIndex]:
    """Yield the indices in a larger tensor that broadcasting pairs with an index: the inverse of `_collapse_index`."""
    missing = len(whole) - len(shape)
    fixed = [None] * missing + [where if size > 1 else None for where, size in zip(at, shape, strict=True)]
    yield from product(
        *(range(length) if where is None else (where,) for length, where in zip(whole, fixed, strict=True))
    )


def _format_exact(value: float) -> str:
    """Return a number with all its digits."""
    text = repr(float(value))
    return f"({text})" if text.startswith("-") else text


def _format_index(at: EntryIndex) -> str:
    return f"[{', '.join(map(str, at))}]" if at else ""


def _indices(shape: tuple[int, ...]) -> Iterator[EntryIndex]:
    yield from product(*map(range, shape))
