"""Data movement: the same numbers in another place, so the gradient travels back the way they came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from playground.engine.operations import Call, Operation

_NAMES = {"input": "x", "self": "x", "tensors": "x"}


def reshape() -> Operation:
    """The same entries in another shape."""
    return Operation(
        "reshape({x})", {"x": "{dy}, reshaped"}, lambda call, g: {"x": g.reshape(call["x"].shape)}, names=_NAMES
    )


def expand() -> Operation:
    """The same entries, repeated along an axis; the gradient is the sum over the copies."""
    return Operation("expand({x})", {"x": "Σ {dy} (over copies)"}, lambda call, g: {"x": g}, names=_NAMES)


def transpose() -> Operation:
    """Two axes change places."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"x": g.transpose(call.get("dim0", -1), call.get("dim1", -2)) if g.dim() > 1 else g}

    return Operation("{x}ᵀ", {"x": "{dy}ᵀ"}, pull, ("x", "dim0", "dim1"), names=_NAMES)


def same() -> Operation:
    """The same numbers."""
    return Operation("{x}", {"x": "{dy}"}, lambda call, g: {"x": g.to(call["x"])}, names=_NAMES)


def constant() -> Operation:
    """Numbers that do not depend on x: no gradient flows."""
    return Operation("constant", {}, lambda call, g: {}, names=_NAMES)


def getitem() -> Operation:
    """Some entries of x; the others get no gradient from here."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x: Tensor = call["x"]
        places = torch.arange(x.numel()).reshape(x.shape)[call["index"]]  # whatever kind of index it is
        found = torch.zeros(x.numel(), dtype=g.dtype).index_add(0, places.flatten(), g.flatten())
        return {"x": found.reshape(x.shape)}

    return Operation("{x}[{index}]", {"x": "{dy} at [{index}], 0 elsewhere"}, pull, ("x", "index"), names=_NAMES)


def stack() -> Operation:
    """Tensors side by side along a new axis."""
    return _joined("stack", lambda call, g, dim: list(g.unbind(dim)))


def cat() -> Operation:
    """Tensors one behind the other along an axis."""

    def pieces(call: Call, g: Tensor, dim: int) -> list[Tensor]:
        return list(torch.split(g, [each.shape[dim] for each in call["x"]], dim))

    return _joined("cat", pieces)


def _joined(name: str, pieces: Callable[[Call, Tensor, int], list[Tensor]]) -> Operation:
    return Operation(
        f"{name}({{x}})",
        {"x": "its part of {dy}"},
        lambda call, g: {"x": pieces(call, g, call.get("dim", 0))},
        ("x", "dim"),
        names=_NAMES,
    )


def where() -> Operation:
    """A where the condition holds, else b."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        zero = torch.zeros_like(g)
        return {"a": torch.where(call["condition"], g, zero), "b": torch.where(call["condition"], zero, g)}

    return Operation(
        "{a} where it holds, else {b}",
        {"a": "{dy} where it holds", "b": "{dy} where it does not"},
        pull,
        ("condition", "a", "b"),
        names={"input": "a", "self": "a", "other": "b"},
    )
