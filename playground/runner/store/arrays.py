"""Decodes the parameters and losses of a stored run."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from typing import Literal

from playground.result import Numbers
from playground.runner.store.records import ParameterLayout, Row


def read_parameters(row: Row) -> dict[str, Numbers]:
    """Return the final parameters by name, as nested lists; empty if the run stored none.

    :raises ValueError: the layout does not fit the number of stored values.
    """
    if row.parameters is None:
        return {}
    flat = _decode_numbers("d", row.parameters)
    sizes = [math.prod(shape) for _, shape in row.layout.parameters]
    if sum(sizes) != len(flat):
        raise ValueError(f"the layout of run {row.key} needs {sum(sizes)} numbers, but {len(flat)} are stored")
    return nest_parameters(flat, row.layout)


def nest_parameters(flat: Sequence[float], layout: ParameterLayout) -> dict[str, Numbers]:
    """Return parameters by name, as nested lists."""
    found: dict[str, Numbers] = {}
    start = 0
    for name, shape in layout.parameters:
        size = math.prod(shape)
        found[name] = _nest(flat[start : start + size], shape)
        start += size
    return found


def read_trace(row: Row) -> list[tuple[int, float]]:
    """Return the stored steps, each with the loss before its update; empty if the run stored none.

    :raises ValueError: the layout does not fit the number of stored values.
    """
    if row.trace is None:
        return []
    return list(zip(row.layout.trace_steps, _decode_numbers("f", row.trace), strict=True))


def _decode_numbers(code: Literal["f", "d"], blob: bytes) -> list[float]:
    numbers: array[float] = array(code, blob)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _nest(flat: Sequence[float], shape: tuple[int, ...]) -> Numbers:
    if not shape:
        return flat[0]
    stride = math.prod(shape[1:])
    return [_nest(flat[index * stride : (index + 1) * stride], shape[1:]) for index in range(shape[0])]
