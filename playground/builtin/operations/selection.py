"""Selecting, repeating and moving entries: each gradient returns to the entry that its number came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import Tensor

from playground.core.operations import Call, Operation

_NAMES = {"input": "x", "self": "x", "axis": "dim", "indices": "index", "keepdims": "keepdim"}

SelectEntries = Callable[[Call, Tensor], Any]
"""Applies the call to a tensor of x's shape; entries that the call fills in are 0."""


def _moved(
    formula: str,
    move: SelectEntries,
    *arguments: str,
    rule: str = "{dy}, each at the entry that it came from",
    fill: str = "",
) -> Operation:
    """Return an operation that moves entries without changing them.

    :param move: applied to the indices of the entries of x, counted from 1, it tells where each number came from.
    :param fill: the argument that supplies the remaining entries, if there is one.
    """

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x: Tensor = call["x"]
        empty = Call({**call.arguments, fill: 0} if fill else call.arguments, call.output)
        places = move(empty, torch.arange(1, x.numel() + 1, dtype=torch.float64).reshape(x.shape)).long()
        found = torch.zeros(x.numel() + 1, dtype=g.dtype).index_add(0, places.flatten(), g.flatten())
        return {"x": found[1:].reshape(x.shape)}

    return Operation(
        formula, {"x": rule}, pull, ("x", *arguments), names=_NAMES, forward=lambda call: move(call, call["x"])
    )


def _given(call: Call, *names: str) -> Mapping[str, Any]:
    """Return those of these arguments that were given."""
    return {name: call[name] for name in names if name in call.arguments}


def flip() -> Operation:
    """The entries in reversed order along axes."""
    return _moved("flip({x})", lambda call, x: x.flip(call["dims"]), "*dims")


def roll() -> Operation:
    """The entries shifted along axes; those shifted out at the end enter at the start."""
    return _moved("roll({x})", lambda call, x: x.roll(call["shifts"], call.get("dims", ())), "shifts", "dims")


def repeat() -> Operation:
    """Copies of x side by side; the gradient is the sum over the copies."""
    return _moved("repeat({x})", lambda call, x: x.repeat(call["sizes"]), "*sizes", rule="Σ {dy} (over copies)")


def tile() -> Operation:
    """Copies of x side by side; the gradient is the sum over the copies."""
    return _moved("tile({x})", lambda call, x: x.tile(call["dims"]), "*dims", rule="Σ {dy} (over copies)")


def repeat_interleave() -> Operation:
    """Each entry repeated; the gradient is the sum over the copies."""

    def move(call: Call, x: Tensor) -> Tensor:
        return x.repeat_interleave(call["repeats"], call.get("dim"))

    return _moved("repeat_interleave({x})", move, "repeats", "dim", rule="Σ {dy} (over copies)")


def select() -> Operation:
    """The entries at one index along an axis."""
    return _moved("select({x})", lambda call, x: x.select(call["dim"], call["index"]), "dim", "index")


def narrow() -> Operation:
    """A slice of x along an axis."""
    return _moved(
        "narrow({x})", lambda call, x: x.narrow(call["dim"], call["start"], call["length"]), "dim", "start", "length"
    )


def gather() -> Operation:
    """The entries at the given indices along an axis."""
    return _moved("gather({x}, {index})", lambda call, x: x.gather(call["dim"], call["index"]), "dim", "index")


def index_select() -> Operation:
    """The slices at the given indices along an axis."""
    return _moved("{x}[{index}]", lambda call, x: x.index_select(call["dim"], call["index"]), "dim", "index")


def take_along_dim() -> Operation:
    """The entries at the given indices along an axis."""
    return _moved(
        "take_along_dim({x}, {index})",
        lambda call, x: torch.take_along_dim(x, call["index"], call.get("dim")),
        *("index", "dim"),
    )


def take() -> Operation:
    """The entries at the given indices of the flattened x."""
    return _moved("take({x}, {index})", lambda call, x: x.take(call["index"]), "index")


def diagonal() -> Operation:
    """The entries whose indices along two axes are equal."""

    def move(call: Call, x: Tensor) -> Tensor:
        return x.diagonal(**_given(call, "offset", "dim1", "dim2"))

    return _moved("the diagonal of {x}", move, "offset", "dim1", "dim2")


def diag() -> Operation:
    """The diagonal of a matrix, or the matrix with a diagonal."""
    return _moved("diag({x})", lambda call, x: x.diag(call.get("diagonal", 0)), "diagonal")


def triu() -> Operation:
    """The entries on and above a diagonal; the others are 0."""
    return _moved("the upper triangle of {x}", lambda call, x: x.triu(call.get("diagonal", 0)), "diagonal")


def tril() -> Operation:
    """The entries on and below a diagonal; the others are 0."""
    return _moved("the lower triangle of {x}", lambda call, x: x.tril(call.get("diagonal", 0)), "diagonal")


def movedim() -> Operation:
    """The axes in another order."""
    return _moved(
        "movedim({x})", lambda call, x: x.movedim(call["source"], call["destination"]), "source", "destination"
    )


def masked_select() -> Operation:
    """The entries where a mask is true."""
    return _moved("{x}[{mask}]", lambda call, x: x.masked_select(call["mask"]), "mask")


def masked_fill() -> Operation:
    """x, with a given number where a mask is true."""
    return _moved(
        "{value} where {mask}, else {x}",
        lambda call, x: x.masked_fill(call["mask"], call["value"]),
        *("mask", "value"),
        rule="0 where {mask}, else {dy}",
        fill="value",
    )


def pad() -> Operation:
    """x, extended at its ends by a constant or by copies of its own entries."""

    def move(call: Call, x: Tensor) -> Tensor:
        return F.pad(x, call["pad"], call.get("mode", "constant"), call.get("value"))

    return _moved("pad({x})", move, "pad", "mode", "value", fill="value", rule="Σ {dy} (over copies)")


def interpolate() -> Operation:
    """A larger or smaller image, in which each pixel is a copy of the nearest one."""

    def move(call: Call, x: Tensor) -> Tensor:
        if call.get("mode", "nearest") not in ("nearest", "nearest-exact"):
            raise ValueError("the pixels are mixed, not moved")
        return F.interpolate(x, **_given(call, "size", "scale_factor", "mode", "recompute_scale_factor"))

    arguments = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")
    return _moved("copies of the nearest entries of {x}", move, *arguments, rule="Σ {dy} (over copies)")


def pixel_shuffle() -> Operation:
    """The channels rearranged as the pixels of a larger image."""
    return _moved("pixel_shuffle({x})", lambda call, x: F.pixel_shuffle(x, call["upscale_factor"]), "upscale_factor")


def sort() -> Operation:
    """The sorted entries along an axis."""

    def find(call: Call) -> Any:
        return call["x"].sort(call.get("dim", -1), call.get("descending", False))

    return _found("sort({x})", find, "dim", "descending")


def topk() -> Operation:
    """The largest, or smallest, entries along an axis."""

    def find(call: Call) -> Any:
        return call["x"].topk(call["k"], call.get("dim", -1), call.get("largest", True), call.get("sorted", True))

    return _found("the first {k} of {x} in order", find, "k", "dim", "largest", "sorted")


def kthvalue() -> Operation:
    """The k-th smallest entry along an axis."""

    def find(call: Call) -> Any:
        return call["x"].kthvalue(call["k"], call.get("dim", -1), call.get("keepdim", False))

    return _found("number {k} of {x} in order", find, "k", "dim", "keepdim")


def median() -> Operation:
    """The median along an axis."""

    def find(call: Call) -> Any:
        if call.get("dim") is None:
            raise ValueError("the median of all entries: those that tie share its gradient")
        return call["x"].median(call["dim"], call.get("keepdim", False))

    return _found("median({x})", find, "dim", "keepdim")


def _found(formula: str, find: Callable[[Call], Any], *arguments: str) -> Operation:
    """Return an operation that finds entries along an axis.

    :param find: returns the entries and their indices along the axis.
    """

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, dim = call["x"], call.get("dim", -1)
        places = find(call)[1]
        if places.dim() < x.dim():
            places, g = places.unsqueeze(dim), g.unsqueeze(dim)
        return {"x": torch.zeros_like(x).scatter_add(dim, places, g)}

    return Operation(
        formula,
        {"x": "{dy} at the entry that it came from, 0 elsewhere"},
        pull,
        ("x", *arguments),
        names=_NAMES,
        forward=lambda call: find(call)[0],
    )
