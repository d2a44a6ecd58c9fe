"""Makes an explanation whose numbers a page computes anew: it says which output of a program each number is.

Nothing is matched by value. The tape on symbols has the same tensors as the tape with numbers, entry by entry, so each
tensor knows the places of its entries among the outputs. Arithmetic is written once more from tensors in which every
output has a number of its own, its *code*: the number that the writer is asked to write then names the output.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from playground.explanation import (
    ExplainedOperation,
    ExplainedParameter,
    FollowingTensor,
    FollowingText,
    LiveArithmetic,
    LiveExplanation,
    LiveUpdate,
    NumberPiece,
    TensorSummary,
)
from playground.live import LiveModule
from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.runner.explaining.explained_step import ExaminedStep, update_numbers
from playground.runner.explaining.observed_tape import TapeObserver, TensorKey, is_written
from playground.runner.explaining.remarks import LOSS_CHANGES
from playground.runner.explaining.worked_arithmetic import (
    MAX_DIGITS,
    Arithmetic,
    NumberWriter,
    Scope,
    WorkedEntry,
    merge_parentheses,
)
from playground.runner.explaining.worked_updates import UnreadableUpdateError, evaluate_formula

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.operations import Operation
    from playground.core.tape import TapeRecord, TapeValue

CODE_SPACING = 2.0**-40
"""The relative distance between the codes of equal numbers: large enough for float64, too small to change an order."""

ZERO_SPACING = 2.0**-900
"""The distance between the codes of zeros."""

_MARK = re.compile("\ue000([0-9]+)\ue001")
"""Stands for a number in arithmetic: private characters, which no formula has."""


class CannotFollowError(Exception):
    """The numbers of a step cannot follow; the message says why."""


def follow_step(examined: ExaminedStep, observer: TapeObserver, module: LiveModule) -> LiveExplanation:
    """Return the explanation of a step with the places of its numbers.

    :param observer: which the module was made with.
    :raises CannotFollowError: a number of the step is not finite, or the program is of other settings.
    """
    return _Follower(examined, observer, module).explanation()


class _Follower:
    def __init__(self, examined: ExaminedStep, observer: TapeObserver, module: LiveModule) -> None:
        import torch

        self._examined, self._module = examined, module
        self._scope = examined.scope
        self._tensors = 0
        self._texts: list[LiveArithmetic] = []
        left_out, *places = module.observed
        self._left_out, start = left_out, 0
        self._columns: dict[TensorKey, Tensor] = {}
        self._values: dict[int, float] = {}
        for key, tensor in observer.numbers.items():
            own = places[start : start + tensor.numel()]
            start += tensor.numel()
            self._columns[key] = torch.tensor(own, dtype=torch.int64).reshape(tensor.shape)
            for place, value in zip(own, tensor.detach().double().flatten().tolist(), strict=True):
                self._values.setdefault(place, value)
        if not all(map(math.isfinite, self._values.values())):
            raise CannotFollowError("a number of the step is not finite")
        self._codes = _make_codes(self._values)
        self._by_code = {code: place for place, code in self._codes.items()}
        self._shadows = dict(self._shadow_values())

    def explanation(self) -> LiveExplanation:
        """Return the explanation."""
        found, tape = self._examined.explanation, self._examined.made.tape
        nodes = tuple(
            replace(
                node,
                value=self._tensor(node.value, ("value", place)),
                gradient=self._tensor(node.gradient, ("gradient", place)),
            )
            for place, node in enumerate(found.nodes)
        )
        operations = tuple(
            self._operation(each, record, place)
            for place, (each, record) in enumerate(zip(found.operations, tape.records, strict=True))
        )
        gradients = {id(value): place for place, value in enumerate(tape.values)}
        parameters = tuple(
            self._parameter(each, index, gradients[id(tape.parameters[each.name])])
            for index, each in enumerate(found.parameters)
        )
        losses = [self._columns[key] for key in (("loss",), ("loss_after",)) if key in self._columns]
        own = {each.name: getattr(found, each.name) for each in fields(found)}
        return LiveExplanation(
            **{**own, "nodes": nodes, "operations": operations, "parameters": parameters},
            updates=tuple(self._update(index) for index in range(len(parameters))),
            texts=tuple(self._texts),
            losses=tuple(int(each) for each in losses),
            loss_changes=LOSS_CHANGES,
            settings=tuple(each.name for each in (*self._module.varying, *self._module.dials)),
            notes=len(self._examined.subject.notes),
            left_out=self._left_out,
        )

    # Tensors

    def _tensor(self, shown: TensorSummary | None, key: TensorKey) -> Any:
        """Return a tensor with the places of its entries; as it is if the program does not compute it."""
        if shown is None or key not in self._columns:
            return shown
        own = {each.name: getattr(shown, each.name) for each in fields(shown)}
        self._tensors += 1
        return FollowingTensor(**own, index=self._tensors - 1, places=tuple(self._columns[key].flatten().tolist()))

    def _parameter(self, shown: ExplainedParameter, index: int, place: int) -> ExplainedParameter:
        used = shown.used
        if used is None and shown.gradient is not None and self._examined.subject.stepper.has_clip:
            used = shown.gradient  # other settings may clip it
        return replace(
            shown,
            before=self._tensor(shown.before, ("before", index)),
            gradient=self._tensor(shown.gradient, ("gradient", place)),
            used=self._tensor(used, ("used", index)),
            after=self._tensor(shown.after, ("after", index)),
            state_before={
                key: self._tensor(each, ("state_before", index, key)) for key, each in shown.state_before.items()
            },
            state_after={
                key: self._tensor(each, ("state_after", index, key)) for key, each in shown.state_after.items()
            },
        )

    # Arithmetic

    def _operation(self, shown: ExplainedOperation, record: TapeRecord, place: int) -> ExplainedOperation:
        shares = [
            replace(share, value=self._tensor(share.value, ("share", place, which)))
            for which, share in enumerate(shown.shares)
        ]
        known = self._examined.reader.understood[record]
        if known is None or not is_written(self._examined, place):
            return replace(shown, shares=tuple(shares))
        ways = tuple(self._arithmetic(record, known.operation, is_fixed) for is_fixed in (False, True))
        texts = {text.partition(" = ")[0]: text for text in shown.written}
        written = []
        for entries in zip(*(way.output_entries() for way in ways), strict=True):
            head = f"{shown.outputs[0]}{entries[0].place}"
            if head in texts:
                written.append(self._text(texts[head], f"{head} = ", entries))
        for which, (share, part) in enumerate(zip(shares, known.parts, strict=True)):
            coded = self._coded(("share", place, which))
            texts, argument = dict(share.entries), part.argument
            rows = zip(*(way.share_entries(argument, part.value, coded) for way in ways), strict=True)
            lines = ((row[0].place, self._text(texts[row[0].place], "", row)) for row in rows if row[0].place in texts)
            shares[which] = replace(share, entries=tuple(lines))
            singles = [way.single_share(argument, coded) for way in ways] if share.written else []
            if found := tuple(each for each in singles if each is not None):
                shares[which] = replace(shares[which], written=self._text(share.written, "", found, ends=False))
        return replace(shown, written=tuple(written), shares=tuple(shares))

    def _arithmetic(self, record: TapeRecord, operation: Operation, is_fixed: bool) -> Arithmetic:
        """Return the arithmetic of a call on codes.

        :param is_fixed: whether data keep their numbers, for arithmetic that depends on them: a loss has another term
            where a target is 0.
        """
        from playground.core.chain import bind_call

        shadow = self._shadow_record(record, is_fixed)
        call, bound = bind_call(shadow, operation)
        return Arithmetic(self._scope, operation, call, bound, shadow.outputs[0])

    def _text(self, text: str, head: str, entries: Sequence[WorkedEntry], ends: bool = True) -> str:
        """Return arithmetic that follows; as it is if it cannot be told which numbers it shows.

        :param entries: on codes, and with data as they are.
        """
        for place, entry in enumerate(entries):
            with suppress(*ISOLATED_EXCEPTIONS):  # a plugin's arithmetic may do anything with the codes
                pieces = self._pieces(entry.terms, self._by_code)
                made = LiveArithmetic(head, pieces, self._by_code[entry.result], ends, of_data=place > 0)
                if text in (self._fill(made, replace(self._scope, digits=each)) for each in self._digits()):
                    self._texts.append(made)
                    return FollowingText(text, len(self._texts) - 1)
        return text

    def _digits(self) -> range:
        return range(self._scope.digits, MAX_DIGITS + 1)

    def _fill(self, arithmetic: LiveArithmetic, scope: Scope) -> str:
        """Return arithmetic with the numbers of the recorded step."""

        def show(piece: NumberPiece) -> str:
            if isinstance(piece, str):
                return piece
            return scope.number(self._values[piece[0]] if isinstance(piece, tuple) else piece)

        terms = merge_parentheses("".join(map(show, arithmetic.pieces)))
        end = f" = {self._scope.plain(self._values[arithmetic.result])}" if arithmetic.ends else ""
        return f"{arithmetic.head}{terms}{end}"

    @staticmethod
    def _pieces(terms: Callable[[NumberWriter], str], by_code: Mapping[float, Any]) -> tuple[NumberPiece, ...]:
        """Return the pieces of arithmetic that is written from codes."""
        numbers: list[NumberPiece] = []

        def mark(value: float) -> str:
            value = float(value)
            numbers.append((by_code[value],) if value in by_code else value)
            return f"\ue000{len(numbers) - 1}\ue001"

        parts = _MARK.split(terms(mark))
        return tuple(numbers[int(part)] if odd % 2 else part for odd, part in enumerate(parts) if part)

    def _coded(self, key: TensorKey) -> Tensor:
        import torch

        columns = self._columns[key]
        codes = [self._codes[place] for place in columns.flatten().tolist()]
        return torch.tensor(codes, dtype=torch.float64).reshape(columns.shape)

    def _shadow_values(self) -> Iterator[tuple[int, TapeValue]]:
        """Yield each value of the tape with codes in place of its numbers."""
        for place, value in enumerate(self._examined.made.tape.values):
            gradient = self._coded(("gradient", place)) if value.gradient is not None else None
            yield id(value), replace(value, tensor=self._coded(("value", place)), gradient=gradient)

    def _shadow_record(self, record: TapeRecord, is_fixed: bool) -> TapeRecord:
        def shadow(item: Any) -> Any:
            if is_fixed and getattr(item, "kind", None) == "data":
                return item
            if id(item) in self._shadows:
                return self._shadows[id(item)]
            return type(item)(map(shadow, item)) if type(item) in (tuple, list) else item

        keywords = {name: shadow(item) for name, item in record.keywords.items()}
        return replace(
            record, inputs=shadow(record.inputs), keywords=keywords, outputs=shadow(record.outputs), edges=()
        )

    # The update

    def _update(self, index: int) -> LiveUpdate | None:
        examined, shown = self._examined, self._examined.explanation.parameters[index]
        optimizer, change = examined.subject.optimizer, examined.changes.get(shown.name)
        if not shown.written or optimizer is None or change is None:
            return None
        settings = update_numbers(examined.subject, shown.name)
        first = {"p": ("before", index), "g": ("used", index)}
        first |= {name: ("state_before", index, name) for name in change.state_before}
        last = {"p": ("after", index), **{name: ("state_after", index, name) for name in change.state_after}}
        with suppress(UnreadableUpdateError):
            lines = evaluate_formula(optimizer.formula, settings, change.entry(), by_value=True).lines
            names = sorted({name for line in lines for name in line.numbers})
            codes = {name: 1.0 + CODE_SPACING * (place + 1) for place, name in enumerate(names)}
            by_code = {code: name for name, code in codes.items()}
            made = ((line.target, self._pieces(replace(line, numbers=codes).terms, by_code)) for line in lines)
            return LiveUpdate(
                {name: self._symbol(name, settings, first) for name in (*settings, *first)},
                tuple(made),
                {name: self._first(key) for name, key in last.items()},
            )
        return None

    def _symbol(self, name: str, settings: Mapping[str, Any], first: Mapping[str, TensorKey]) -> NumberPiece:
        """Return what a symbol of the update is before the step."""
        if name in first:
            return (self._first(first[name]),)
        if any(each.name == name for each in (*self._module.varying, *self._module.dials)):
            return (name,)
        value = settings[name]
        return float(value) if isinstance(value, bool | int | float) else math.nan

    def _first(self, key: TensorKey) -> int:
        return int(self._columns[key].flatten()[0])


def _make_codes(values: Mapping[int, float]) -> dict[int, float]:
    """Return a number of its own for each output, near its number, so that signs and orders stay.

    :raises CannotFollowError: two have the same all the same.
    """
    codes = {
        place: value * (1 + (len(values) - order) * CODE_SPACING) if value else (order + 1) * ZERO_SPACING
        for order, (place, value) in enumerate(values.items())
    }
    if len(set(codes.values())) < len(codes):
        raise CannotFollowError("two numbers of the step cannot be told apart")
    return codes
