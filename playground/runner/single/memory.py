"""Limits the memory of a run to `--memory`, and explains a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from playground.errors import PlaygroundError, ScenarioError

if TYPE_CHECKING:
    from playground.core.allocation import TooLargeError

DEFAULT_MEMORY_BYTES = 2 * 10**9
"""Bytes that one run may take by default."""

BYTES_PER_UNIT = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}

_limit_bytes: ContextVar[int] = ContextVar("allowed", default=DEFAULT_MEMORY_BYTES)


def memory_limit() -> int:
    """Return how many bytes one run may take in the current context."""
    return _limit_bytes.get()


@contextmanager
def limit_memory(memory: int | None) -> Iterator[None]:
    """Limit the memory of each run inside the context.

    :param memory: bytes; None keeps the current limit.
    """
    token = _limit_bytes.set(memory_limit() if memory is None else memory)
    try:
        yield
    finally:
        _limit_bytes.reset(token)


def parse_size(text: str) -> int:
    """Parse a size: `500MB`, `2GB`, or a number of bytes.

    :raises PlaygroundError: the text is not a size.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?b?)", text.strip().lower(), re.ASCII)
    if not match or float(match[1]) <= 0:
        raise PlaygroundError(f"--memory {text}: expected a size such as 500MB or 2GB")
    unit = match[2] if match[2] in BYTES_PER_UNIT else f"{match[2]}b"
    return int(float(match[1]) * BYTES_PER_UNIT.get(unit, 1))


@contextmanager
def refuse_large(kind: str, name: str, copies: int = 1) -> Iterator[None]:
    """Refuse a component that needs more memory than the limit, before it allocates the memory.

    :param kind: kind of the component.
    :param name: its name.
    :param copies: copies that a run makes of everything allocated inside.
    :raises ScenarioError: the component needs too much; with its size and the option that allows it.
    """
    from playground.core.allocation import TooLargeError, limit_allocation

    try:
        with limit_allocation(memory_limit(), copies):
            yield
    except TooLargeError as error:
        raise ScenarioError(_describe_refusal(kind, name, error)) from error


def _describe_refusal(kind: str, name: str, error: TooLargeError) -> str:
    """Return the message of a refusal: what the component needs, and how to allow it."""
    unit = next((unit for unit in ("gb", "mb") if error.needed >= BYTES_PER_UNIT[unit]), "kb")
    needed = -(-error.needed // BYTES_PER_UNIT[unit])
    return (
        f"{kind} {name!r} asks for {error.numbers:,} numbers, about {needed:,} {unit.upper()} in a run; "
        f"at most {_format_bytes(memory_limit())} are allowed: make it smaller, or give --memory {needed}{unit.upper()}"
    )


def _format_bytes(count: int) -> str:
    """Return a number of bytes with a unit: `2 GB`."""
    unit = next((unit for unit in ("gb", "mb", "kb") if count >= BYTES_PER_UNIT[unit]), "")
    return f"{count / BYTES_PER_UNIT[unit]:.3g} {unit.upper()}" if unit else f"{count} bytes"
