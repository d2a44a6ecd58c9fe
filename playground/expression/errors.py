"""What goes wrong in an expression, with the column where it does."""

from __future__ import annotations

from playground.errors import Fault, PlaygroundError


class ExpressionError(PlaygroundError):
    """An expression that is not valid; each fault's `offset` counts the characters in front of it."""

    @classmethod
    def at(cls, column: int, message: str) -> ExpressionError:
        """Return the error for one fault.

        :param column: characters of the text in front of the fault.
        """
        return cls(Fault(message, offset=column))

    def __str__(self) -> str:
        """One line per fault; it starts with the column, counted from 1, unless the place says it already."""
        return "\n".join(str(fault) if fault.place else f"column {fault.offset + 1}: {fault}" for fault in self.faults)


def shorten(text: str) -> str:
    """Return at most 40 characters of a text that somebody else chose, for a message of one line."""
    return text if len(text) <= 40 else text[:40] + "…"
