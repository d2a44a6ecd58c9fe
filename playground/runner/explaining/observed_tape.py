"""Chooses what a program computes of an explained step: every tensor that the explanation shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.compiled.observing import ObservedStep
    from playground.core.operations import Operation
    from playground.core.tape import TapeRecord
    from playground.runner.explaining.explained_step import ExaminedStep

TensorKey = tuple[Any, ...]
"""Names a tensor of a step: `("value", 2)`, `("share", 1, 0)`, `("after", 0)`, `("state_before", 0, "m")`."""


class TapeObserver:
    """Reads the tensors of a step on symbols in the order in which an examined step has them.

    :param examined: the same step with numbers.
    """

    def __init__(self, examined: ExaminedStep) -> None:
        self.step = examined.explanation.step
        self.updates = examined.made.after is not None
        self._examined = examined
        self.numbers: Mapping[TensorKey, Tensor] = dict(_list_numbers(examined))
        """The tensors with their numbers, by key."""

    def read(self, seen: ObservedStep) -> Sequence[Tensor]:
        """Return the tensors on symbols, in the order of `numbers`."""
        from playground.core.compiled.errors import CannotCompileError

        found = dict(_list_symbols(self._examined, seen))
        if {key: tuple(each.shape) for key, each in found.items()} != {
            key: tuple(each.shape) for key, each in self.numbers.items()
        }:
            raise CannotCompileError("the recorded step has other tensors than the explained one")
        return [found[key] for key in self.numbers]


def is_written(examined: ExaminedStep, place: int) -> bool:
    """Tell whether the formula and the rules of an operation are shown."""
    record = examined.made.tape.records[place]
    return examined.reader.understood[record] is not None and bool(examined.explanation.operations[place].formula)


def _list_numbers(examined: ExaminedStep) -> Iterator[tuple[TensorKey, Tensor]]:
    made, tape = examined.made, examined.made.tape
    routes = tape.routes()
    for place, value in enumerate(tape.values):
        yield ("value", place), value.tensor
        if value.gradient is not None:
            yield ("gradient", place), value.gradient
    for place, record in enumerate(tape.records):
        known = examined.reader.understood[record]
        shares = (
            [part.share for part in known.parts]
            if known and is_written(examined, place)
            else [*routes[record].values()]
        )
        for which, share in enumerate(shares):
            yield ("share", place, which), share
    for index, name in enumerate(made.before):
        yield ("before", index), made.before[name]
        if (taken := made.used[index]) is not None:
            yield ("used", index), taken
        if made.after is not None:
            yield ("after", index), made.after[name]
            for kind, states in (("state_before", made.states_before), ("state_after", made.states_after)):
                for key, state in states[index].items():
                    yield (kind, index, key), state
    if tape.loss is not None:
        yield ("loss",), tape.loss.tensor
    if made.loss_after is not None:
        import torch

        yield ("loss_after",), torch.tensor(made.loss_after, dtype=torch.float64)


def _list_symbols(examined: ExaminedStep, seen: ObservedStep) -> Iterator[tuple[TensorKey, Tensor]]:
    tape = seen.tape
    _require_same(examined, seen)
    routes = tape.routes()
    for place, value in enumerate(tape.values):
        yield ("value", place), value.tensor
        if value.gradient is not None:
            yield ("gradient", place), value.gradient
    for place, (record, own) in enumerate(zip(tape.records, examined.made.tape.records, strict=True)):
        known = examined.reader.understood[own]
        if known and is_written(examined, place):
            shares = _share(record, known.operation)
        else:
            shares = [*routes[record].values()]
        for which, share in enumerate(shares):
            yield ("share", place, which), share
    for index, tensor in enumerate(seen.before):
        yield ("before", index), tensor
        if (taken := seen.gradients[index]) is not None:
            yield ("used", index), taken
        if seen.after is not None:
            yield ("after", index), seen.after[index]
            for kind, states in (("state_before", seen.states_before), ("state_after", seen.states_after)):
                for key, state in states[index].items():
                    yield (kind, index, key), state
    if tape.loss is not None:
        yield ("loss",), tape.loss.tensor
    if seen.loss_after is not None:
        yield ("loss_after",), seen.loss_after


def _share(record: TapeRecord, operation: Operation) -> list[Tensor]:
    from playground.core.chain import propagate_gradient

    gradient = record.outputs[0].gradient
    return [] if gradient is None else [share for _, _, share, _ in propagate_gradient(record, operation, gradient)]


def _require_same(examined: ExaminedStep, seen: ObservedStep) -> None:
    from playground.core.compiled.errors import CannotCompileError

    ours, theirs = examined.made.tape, seen.tape
    if [(each.name, each.kind) for each in ours.values] != [(each.name, each.kind) for each in theirs.values] or [
        each.name for each in ours.records
    ] != [each.name for each in theirs.records]:
        raise CannotCompileError("the recorded step has other operations than the explained one")
