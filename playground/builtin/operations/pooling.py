"""Pooling of `torch.nn.functional`: each window of the last axes becomes its largest entry or its mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import Tensor

from playground.core.operations import Call, Operation

_NAMES = {"input": "x", "self": "x", "kernel_size": "size", "output_size": "size"}

Windows = Callable[[Call, int], Tensor]
"""Returns the weight of each entry along one axis of x in each entry of y, as a matrix `(y, x)`.

Axes are counted from the last one, which is −1.
"""


def max_pool1d() -> Operation:
    """The largest entry of each window of a signal."""
    return _max_pool(1)


def max_pool2d() -> Operation:
    """The largest entry of each window of an image."""
    return _max_pool(2)


def max_pool3d() -> Operation:
    """The largest entry of each window of a volume."""
    return _max_pool(3)


def adaptive_max_pool1d() -> Operation:
    """The largest entry of each window of a signal, for a given number of windows."""
    return _largest(1, lambda call: F.adaptive_max_pool1d(call["x"], call["size"], True), ("x", "size"))


def adaptive_max_pool2d() -> Operation:
    """The largest entry of each window of an image, for a given number of windows."""
    return _largest(2, lambda call: F.adaptive_max_pool2d(call["x"], call["size"], True), ("x", "size"))


def avg_pool1d() -> Operation:
    """The mean of each window of a signal."""
    return _avg_pool(1)


def avg_pool2d() -> Operation:
    """The mean of each window of an image."""
    return _avg_pool(2)


def avg_pool3d() -> Operation:
    """The mean of each window of a volume."""
    return _avg_pool(3)


def adaptive_avg_pool1d() -> Operation:
    """The mean of each window of a signal, for a given number of windows."""
    return _means(1, _adaptive, ("x", "size"))


def adaptive_avg_pool2d() -> Operation:
    """The mean of each window of an image, for a given number of windows."""
    return _means(2, _adaptive, ("x", "size"))


def _max_pool(dimensions: int) -> Operation:
    pool = getattr(F, f"max_pool{dimensions}d")

    def find(call: Call) -> tuple[Tensor, Tensor]:
        given = call.get("stride"), call.get("padding", 0), call.get("dilation", 1), call.get("ceil_mode", False)
        return pool(call["x"], call["size"], *given, return_indices=True)  # type: ignore[no-any-return]

    return _largest(dimensions, find, ("x", "size", "stride", "padding", "dilation", "ceil_mode"))


def _largest(dimensions: int, find: Callable[[Call], tuple[Tensor, Tensor]], arguments: tuple[str, ...]) -> Operation:
    """Return the operation that takes the largest entry of each window.

    :param find: returns these entries and their indices among all entries of the last axes.
    """

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, places = call["x"], find(call)[1].flatten(-dimensions)
        found = torch.zeros_like(x).flatten(-dimensions).scatter_add(-1, places, g.flatten(-dimensions))
        return {"x": found.reshape(x.shape)}

    return Operation(
        "the largest entry of each window of {x}",
        {"x": "{dy} at the largest entry of its window, 0 elsewhere"},
        pull,
        arguments,
        names=_NAMES,
        forward=lambda call: find(call)[0],
    )


def _avg_pool(dimensions: int) -> Operation:
    def windows(call: Call, axis: int) -> Tensor:
        """Return the windows along an axis; padding counts as 0, or is excluded."""
        size = _of_axis(call["size"], axis)
        stride = _of_axis(call.get("stride"), axis) or size
        padding, entries = _of_axis(call.get("padding", 0), axis), call["x"].shape[axis]
        rows = torch.zeros(call.output.shape[axis], entries).to(call["x"])
        for place, row in enumerate(rows):
            first = place * stride - padding
            inside = slice(max(first, 0), min(first + size, entries))
            last = entries + padding if call.get("count_include_pad", True) else entries
            start = first if call.get("count_include_pad", True) else inside.start
            row[inside] = 1 if call.get("divisor_override") else 1 / (min(first + size, last) - start)
        return rows

    arguments = ("x", "size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    return _means(dimensions, windows, arguments)


def _adaptive(call: Call, axis: int) -> Tensor:
    """Return windows that cover an axis, with sizes as equal as possible."""
    entries, count = call["x"].shape[axis], call.output.shape[axis]
    rows = torch.zeros(count, entries).to(call["x"])
    for place, row in enumerate(rows):
        inside = slice(place * entries // count, -(-(place + 1) * entries // count))
        row[inside] = 1 / (inside.stop - inside.start)
    return rows


def _means(dimensions: int, windows: Windows, arguments: tuple[str, ...]) -> Operation:
    """Return the operation that takes the mean of each window, as one matrix per axis."""

    def along_each(call: Call, tensor: Tensor, transposed: bool) -> Tensor:
        for axis in range(-dimensions, 0):
            rows = windows(call, axis)
            moved = tensor.movedim(axis, -1) @ (rows if transposed else rows.T)
            tensor = moved.movedim(-1, axis)
        return tensor / (call.get("divisor_override") or 1)

    return Operation(
        "the mean of each window of {x}",
        {"x": "{dy} / entries of its window, for each entry of the window"},
        lambda call, g: {"x": along_each(call, g, True)},
        arguments,
        names=_NAMES,
        forward=lambda call: along_each(call, call["x"], False),
    )


def _of_axis(given: Any, axis: int) -> int:
    """Return an option's value for one axis: it is one number for all axes, or a list."""
    if not isinstance(given, tuple | list):
        return int(given or 0)
    return int(given[axis] if len(given) > 1 else given[0]) if given else 0
