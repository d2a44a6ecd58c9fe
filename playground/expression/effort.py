"""A bound for what one question to sympy may cost: calls of functions, not seconds, so that every machine agrees.

sympy has no bound of its own: a second derivative or a simplification can take hours. Numbers of any length are not
bounded here (one multiplication is one call, however long its factors are); `size` and `algebra` see to those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from playground.errors import PlaygroundError

MAX_CALLS = 3_000_000
"""Function calls, and returns from them, that one number may take: about a second."""

MAX_PROOF_CALLS = 15_000_000
"""The same for a proof that two expressions are one function, of which a scenario has at most one."""


class NoAnswerError(Exception):
    """sympy has no answer, or one that takes more work or longer numbers than it is worth; the question stays open."""


class _SpentError(BaseException):
    """Ends the computation; not an `Exception`, because sympy catches those and goes on."""


@contextmanager
def limit_calls(calls: int = MAX_CALLS) -> Iterator[None]:
    """Run sympy, and end it, in this thread, after so many function calls.

    A profiler of this thread sees nothing of what runs inside.

    :raises NoAnswerError: it took more, or sympy failed.
    """
    left = calls

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _SpentError

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    except _SpentError as error:
        raise NoAnswerError("it takes too many operations") from error
    except (NoAnswerError, PlaygroundError):
        raise
    except Exception as error:  # sympy raises what it likes where it meets what it did not expect
        raise NoAnswerError(f"sympy fails: {type(error).__name__}") from error
    finally:
        sys.setprofile(before)
