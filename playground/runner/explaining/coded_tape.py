"""The values of a step's tape with codes in place of their numbers, and the arithmetic that is written from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playground.explanation import NumberPiece
from playground.runner.explaining.observed_tape import TensorKey
from playground.runner.explaining.worked_arithmetic import Arithmetic, NumberWriter, Scope

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.operations import Operation
    from playground.core.tape import Tape, TapeRecord, TapeValue

CODE_SPACING = 2.0**-40
"""The relative distance between the codes of equal numbers: large enough for float64, too small to change an order."""

ZERO_SPACING = 2.0**-900
"""The distance between the codes of zeros."""

_MARK = re.compile("\ue000([0-9]+)\ue001")
"""Stands for a number in arithmetic: private characters, which no formula has."""


class CannotFollowError(Exception):
    """The numbers of a step cannot follow; the message says why."""


class CodedTape:
    """The values of a tape with a code in place of each number.

    :param columns: the places of each tensor's entries.
    :param values: the number at each place.
    :param spread: how far codes lie apart.
    :ivar by_code: what a number stands for: a place, or a place and a sign that it is 1 minus the number there.
    :raises CannotFollowError: two places have the same code.
    """

    def __init__(
        self, tape: Tape, columns: Mapping[TensorKey, Tensor], values: Mapping[int, float], spread: float
    ) -> None:
        self._columns = columns
        self._codes = {
            place: value * (1 + (len(values) - order) * spread * CODE_SPACING)
            if value
            else (order + spread) * ZERO_SPACING
            for order, (place, value) in enumerate(values.items())
        }
        if len(set(self._codes.values())) < len(self._codes):
            raise CannotFollowError("two numbers of the step cannot be told apart")
        # losses of probabilities have terms of 1 − p
        complements = {1.0 - code: (place, "1−") for place, code in self._codes.items() if values[place] not in (0, 1)}
        self.by_code: dict[float, tuple[Any, ...]] = complements | {
            code: (place,) for place, code in self._codes.items()
        }
        self._shadows = {id(value): self._encode_value(value, place) for place, value in enumerate(tape.values)}

    def encode(self, key: TensorKey) -> Tensor:
        """Return a tensor with codes in place of its numbers, float64."""
        import torch

        columns = self._columns[key]
        codes = [self._codes[place] for place in columns.flatten().tolist()]
        return torch.tensor(codes, dtype=torch.float64).reshape(columns.shape)

    def _encode_value(self, value: TapeValue, place: int) -> TapeValue:
        gradient = self.encode(("gradient", place)) if value.gradient is not None else None
        return replace(value, tensor=self.encode(("value", place)), gradient=gradient)

    def encode_record(self, record: TapeRecord, is_fixed: bool) -> TapeRecord:
        """Return a call on codes.

        :param is_fixed: whether data keep their numbers.
        """

        def encode(item: Any) -> Any:
            if is_fixed and getattr(item, "kind", None) == "data":
                return item
            if id(item) in self._shadows:
                return self._shadows[id(item)]
            return type(item)(map(encode, item)) if type(item) in (tuple, list) else item

        keywords = {name: encode(item) for name, item in record.keywords.items()}
        return replace(
            record, inputs=encode(record.inputs), keywords=keywords, outputs=encode(record.outputs), edges=()
        )


def make_arithmetic(
    coded: CodedTape, record: TapeRecord, operation: Operation, scope: Scope, is_fixed: bool
) -> Arithmetic:
    """Return the arithmetic of a call on codes.

    :param is_fixed: whether data keep their numbers, for arithmetic that depends on them: a loss has another term where
        a target is 0.
    """
    from playground.core.chain import bind_call

    shadow = coded.encode_record(record, is_fixed)
    call, bound = bind_call(shadow, operation)
    return Arithmetic(scope, operation, call, bound, shadow.outputs[0])


def split_pieces(
    terms: Callable[[NumberWriter], str], by_code: Mapping[float, tuple[Any, ...]]
) -> tuple[NumberPiece, ...]:
    """Return the pieces of arithmetic that is written from codes."""
    numbers: list[NumberPiece] = []

    def mark(value: float) -> str:
        value = float(value)
        numbers.append(by_code.get(value, value))
        return f"\ue000{len(numbers) - 1}\ue001"

    parts = _MARK.split(terms(mark))
    return tuple(numbers[int(part)] if odd % 2 else part for odd, part in enumerate(parts) if part)
