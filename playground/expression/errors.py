"""Errors in an expression, with their columns."""

from __future__ import annotations

from playground.errors import Fault, PlaygroundError


class ExpressionError(PlaygroundError):
    """An expression that is not valid; `offset` of each fault is its column, counted from 0."""

    @classmethod
    def at(cls, column: int, message: str) -> ExpressionError:
        """Return the error for one fault.

        :param column: the column, counted from 0.
        """
        return cls(Fault(message, offset=column))

    def __str__(self) -> str:
        """One line per fault; begins with the column, counted from 1, unless the fault has a place."""
        return "\n".join(str(fault) if fault.place else f"column {fault.offset + 1}: {fault}" for fault in self.faults)


def shorten(text: str) -> str:
    """Return at most 40 characters of a foreign text, for a message of one line."""
    return text if len(text) <= 40 else text[:40] + "…"
