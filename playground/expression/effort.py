"""Bounds the cost of one sympy call, in function calls instead of seconds, so that every machine gives the same result.

sympy itself has no bound: a second derivative or a simplification can take hours. This module does not bound the length
of numbers (one multiplication is one call, however long its factors are); `size` and `algebra` do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from playground.errors import PlaygroundError

MAX_CALLS = 3_000_000
"""Maximum number of function calls and returns to compute one number: about a second."""

MAX_PROOF_CALLS = 15_000_000
"""The same for a proof that two expressions are the same function; a scenario has at most one."""


class NoAnswerError(Exception):
    """sympy finds no answer, or it takes too many operations or too long numbers; the question stays open."""


class _SpentError(BaseException):
    """Ends the computation. Not an `Exception`, because sympy catches those and continues."""


@contextmanager
def limit_calls(calls: int = MAX_CALLS) -> Iterator[None]:
    """Run sympy in this thread, and stop it after `calls` function calls.

    A profiler of this thread does not see the code inside.

    :raises NoAnswerError: it took more calls, or sympy failed.
    """
    left = calls

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _SpentError

    # the profiler is called at each call and return in this thread, and can raise from there
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    except _SpentError as error:
        raise NoAnswerError("it takes too many operations") from error
    except (NoAnswerError, PlaygroundError):
        raise
    except Exception as error:  # sympy raises many types of exceptions on unexpected input
        raise NoAnswerError(f"sympy fails: {type(error).__name__}") from error
    finally:
        sys.setprofile(before)
