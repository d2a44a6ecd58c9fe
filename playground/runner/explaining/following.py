"""Makes an explanation whose numbers a page computes anew: it says which output of a program each number is.

Nothing is matched by value. The tape on symbols has the same tensors as the tape with numbers, entry by entry, so each
tensor knows the places of its entries among the outputs. Arithmetic is written once more from tensors in which every
output has a number of its own, its *code*: the number that the writer is asked to write then names the output. That is
done with two sets of codes, so that a number that is computed from others is not taken for one that never changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from playground.runner.explaining.coded_tape import (
    CODE_SPACING,
    CannotFollowError,
    CodedTape,
    make_arithmetic,
    split_pieces,
)
from playground.runner.explaining.explained_step import ExaminedStep, update_numbers
from playground.runner.explaining.observed_tape import TapeObserver, TensorKey, is_written
from playground.runner.explaining.remarks import LOSS_CHANGES
from playground.runner.explaining.worked_arithmetic import (
    MAX_DIGITS,
    Scope,
    WorkedEntry,
    merge_parentheses,
)
from playground.runner.explaining.worked_updates import UnreadableUpdateError, evaluate_formula

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.tape import TapeRecord

SPREADS = (1.0, 1.5)
"""The distances between codes of the two sets, in units of the spacing."""


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
        tape, columns = examined.made.tape, self._columns
        self._codings = tuple(CodedTape(tape, columns, self._values, spread) for spread in SPREADS)

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
        ways = [
            make_arithmetic(coding, record, known.operation, self._scope, is_fixed)
            for is_fixed in (False, True)
            for coding in self._codings
        ]
        texts = {text.partition(" = ")[0]: text for text in shown.written}
        written = []
        for entries in zip(*(way.output_entries() for way in ways), strict=True):
            head = f"{shown.outputs[0]}{entries[0].place}"
            if head in texts:
                written.append(self._text(texts[head], f"{head} = ", entries))
        for which, (share, part) in enumerate(zip(shares, known.parts, strict=True)):
            coded = [coding.encode(("share", place, which)) for coding in self._codings] * 2
            texts, argument = dict(share.entries), part.argument
            pairs = list(zip(ways, coded, strict=True))
            rows = zip(*(way.share_entries(argument, part.value, each) for way, each in pairs), strict=True)
            lines = ((row[0].place, self._text(texts[row[0].place], "", row)) for row in rows if row[0].place in texts)
            shares[which] = replace(share, entries=tuple(lines))
            singles = [way.single_share(argument, each) for way, each in pairs] if share.written else []
            if found := tuple(each for each in singles if each is not None):
                shares[which] = replace(shares[which], written=self._text(share.written, "", found, ends=False))
        return replace(shown, written=tuple(written), shares=tuple(shares))

    def _text(self, text: str, head: str, entries: Sequence[WorkedEntry], ends: bool = True) -> str:
        """Return arithmetic that follows; as it is if it cannot be told which numbers it shows.

        :param entries: on each set of codes, and then on each with data as they are.
        """
        sets = len(self._codings)
        for start in range(0, len(entries), sets):
            with suppress(*ISOLATED_EXCEPTIONS):  # a plugin's arithmetic may do anything with the codes
                pairs = list(zip(self._codings, entries[start : start + sets], strict=True))
                written = {split_pieces(entry.terms, coding.by_code) for coding, entry in pairs}
                results = {coding.by_code[entry.result] for coding, entry in pairs}
                if len(written) > 1 or len(results) > 1:
                    continue
                (pieces,), ((result,),) = written, results
                made = LiveArithmetic(head, pieces, result, ends, of_data=start > 0)
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
            if isinstance(piece, tuple):
                value = self._values[piece[0]]
                return scope.number(1.0 - value if piece[1:] else value)
            return scope.number(piece)

        terms = merge_parentheses("".join(map(show, arithmetic.pieces)))
        end = f" = {self._scope.plain(self._values[arithmetic.result])}" if arithmetic.ends else ""
        return f"{arithmetic.head}{terms}{end}"

    # The update

    def _update(self, index: int) -> LiveUpdate | None:
        examined, shown = self._examined, self._examined.explanation.parameters[index]
        optimizer, change = examined.subject.optimizer, examined.changes.get(shown.name)
        if not shown.written or optimizer is None or change is None:
            return None
        settings = update_numbers(examined.subject, shown.name)
        first: dict[str, TensorKey] = {"p": ("before", index), "g": ("used", index)}
        first |= {name: ("state_before", index, name) for name in change.state_before}
        last: dict[str, TensorKey] = {
            "p": ("after", index),
            **{name: ("state_after", index, name) for name in change.state_after},
        }
        with suppress(UnreadableUpdateError):
            lines = evaluate_formula(optimizer.formula, settings, change.entry(), by_value=True).lines
            names = sorted({name for line in lines for name in line.numbers})
            codes = {name: 1.0 + CODE_SPACING * (place + 1) for place, name in enumerate(names)}
            by_code = {code: (name,) for name, code in codes.items()}
            made = ((line.target, split_pieces(replace(line, numbers=codes).terms, by_code)) for line in lines)
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
