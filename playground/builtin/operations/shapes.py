"""Moving data: the numbers stay the same, so gradients return by the same path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from playground.core.operations import Call, Operation

_ARGUMENT_NAMES = {"input": "x", "self": "x", "tensors": "x", "axis": "dim", "axis0": "dim0", "axis1": "dim1"}


def reshape() -> Operation:
    """The same entries in another shape."""
    return Operation(
        "reshape({x})",
        {"x": "{dy}, reshaped"},
        lambda call, g: {"x": g.reshape(call["x"].shape)},
        names=_ARGUMENT_NAMES,
        forward=lambda call: call["x"].reshape(call.output.shape),
    )


def expand() -> Operation:
    """The same entries, repeated along an axis; the gradient is the sum over the copies."""
    return Operation(
        "expand({x})",
        {"x": "Σ {dy} (over copies)"},
        lambda call, g: {"x": g},
        names=_ARGUMENT_NAMES,
        forward=lambda call: call["x"].expand(call.output.shape),
    )


def transpose() -> Operation:
    """The entries with two axes exchanged."""

    def swapped(call: Call, tensor: Tensor) -> Tensor:
        return tensor.transpose(call.get("dim0", -1), call.get("dim1", -2)) if tensor.dim() > 1 else tensor

    return Operation(
        "{x}ᵀ",
        {"x": "{dy}ᵀ"},
        lambda call, g: {"x": swapped(call, g)},
        ("x", "dim0", "dim1"),
        names=_ARGUMENT_NAMES,
        forward=lambda call: swapped(call, call["x"]),
    )


def permute() -> Operation:
    """The axes in another order."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        axes = [axis % g.dim() for axis in call["dims"]]
        return {"x": g.permute([axes.index(axis) for axis in range(g.dim())])}

    return Operation(
        "permute({x})",
        {"x": "{dy}, permuted back"},
        pull,
        ("x", "*dims"),
        names=_ARGUMENT_NAMES,
        forward=lambda call: call["x"].permute(call["dims"]),
    )


def same() -> Operation:
    """The same numbers."""
    return Operation(
        "{x}",
        {"x": "{dy}"},
        lambda call, g: {"x": g.to(call["x"])},
        names=_ARGUMENT_NAMES,
        forward=lambda call: call["x"],
    )


def constant() -> Operation:
    """Numbers that do not depend on x: there is no gradient."""
    return Operation("constant", {}, lambda call, g: {}, names=_ARGUMENT_NAMES)


def getitem() -> Operation:
    """Some entries of x; the others get no gradient."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x: Tensor = call["x"]
        places = torch.arange(x.numel()).reshape(x.shape)[call["index"]]  # works for every kind of index
        found = torch.zeros(x.numel(), dtype=g.dtype).index_add(0, places.flatten(), g.flatten())
        return {"x": found.reshape(x.shape)}

    return Operation(
        "{x}[{index}]",
        {"x": "{dy} at [{index}], 0 elsewhere"},
        pull,
        ("x", "index"),
        names=_ARGUMENT_NAMES,
        forward=lambda call: call["x"][call["index"]],
    )


def stack() -> Operation:
    """Tensors joined along a new axis."""
    return _joining_operation("stack", lambda call, g, dim: list(g.unbind(dim)), torch.stack)


def cat() -> Operation:
    """Tensors concatenated along an axis."""

    def pieces(call: Call, g: Tensor, dim: int) -> list[Tensor]:
        return list(torch.split(g, [each.shape[dim] for each in call["x"]], dim))

    return _joining_operation("cat", pieces, torch.cat)


def _joining_operation(
    name: str, pieces: Callable[[Call, Tensor, int], list[Tensor]], join: Callable[[Any, int], Tensor]
) -> Operation:
    return Operation(
        f"{name}({{x}})",
        {"x": "its part of {dy}"},
        lambda call, g: {"x": pieces(call, g, call.get("dim", 0))},
        ("x", "dim"),
        names=_ARGUMENT_NAMES,
        forward=lambda call: join(call["x"], call.get("dim", 0)),
    )


def where() -> Operation:
    """a where the condition holds, else b."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        zero = torch.zeros_like(g)
        return {"a": torch.where(call["condition"], g, zero), "b": torch.where(call["condition"], zero, g)}

    return Operation(
        "{a} where it holds, else {b}",
        {"a": "{dy} where it holds", "b": "{dy} where it does not"},
        pull,
        ("condition", "a", "b"),
        names={"input": "a", "self": "a", "other": "b"},
        forward=lambda call: torch.where(call["condition"], call["a"], call["b"]),
    )
