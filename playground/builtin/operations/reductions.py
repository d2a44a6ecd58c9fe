"""Many numbers become fewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from playground.engine.operations import Call, Operation

_NAMES = {"input": "x", "self": "x", "axis": "dim"}
_ARGUMENTS = ("x", "dim", "keepdim")


def _again(call: Call, small: Tensor) -> Tensor:
    """Return a reduced tensor so that it broadcasts against x."""
    dim = call.get("dim")
    if dim is None or call.get("keepdim", False) or isinstance(dim, Tensor):
        return small
    axes = sorted(axis % call["x"].dim() for axis in (dim if isinstance(dim, tuple | list) else [dim]))
    for axis in axes:
        small = small.unsqueeze(axis)
    return small


def _entries(sign: str, end: str = "") -> Callable[[Call, tuple[int, ...], Callable[[float], str]], str] | None:
    def terms(call: Call, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        entries = call["x"].flatten().tolist()
        return f"({sign.join(map(number, entries))}){end.format(n=len(entries))}" if call.output.dim() == 0 else ""

    return terms


def total() -> Operation:
    """Σ x over all entries, or along axes."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"x": _again(call, g).expand(call["x"].shape)}

    return Operation("Σ {x}", {"x": "{dy}, for each entry"}, pull, _ARGUMENTS, _entries(" + "), _NAMES)


def mean() -> Operation:
    """The mean over all entries, or along axes."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        share = call["x"].numel() / max(call.output.numel(), 1)
        return {"x": (_again(call, g) / share).expand(call["x"].shape)}

    return Operation(
        "mean({x})", {"x": "{dy} / {n}"}, pull, _ARGUMENTS, _entries(" + ", " / {n}"), _NAMES, entrywise=True
    )


def product() -> Operation:
    """The product of all entries, or along an axis."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, dim = call["x"], call.get("dim")
        flat = x.reshape(-1) if dim is None else x.movedim(dim, -1)
        n = flat.shape[-1]
        others = torch.where(torch.eye(n, dtype=torch.bool), torch.ones_like(flat)[..., None, :], flat[..., None, :])
        found = others.prod(-1)
        back = found.reshape(x.shape) if dim is None else found.movedim(-1, dim)
        return {"x": back * _again(call, g)}

    return Operation("Π {x}", {"x": "{dy} · the product of the others"}, pull, _ARGUMENTS, _entries("·"), _NAMES)


def extreme_max() -> Operation:
    """The largest entry, or the largest along an axis; torch's two-tensor form is `maximum`."""
    return _extreme("max")


def extreme_min() -> Operation:
    """The smallest entry, or the smallest along an axis."""
    return _extreme("min")


def _extreme(name: str) -> Operation:
    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, other = call["x"], call.get("dim")
        if isinstance(other, Tensor):
            wins = x > other if name == "max" else x < other
            tie = (x == other) / 2
            return {"x": g * (wins + tie), "dim": g * (~wins & (x != other)) + g * tie}
        if other is None:
            hit = (x == call.output).to(x)
            return {"x": g * hit / hit.sum()}
        index = getattr(torch, f"arg{name}")(x, other, keepdim=True)
        return {"x": torch.zeros_like(x).scatter(other, index, g if call.get("keepdim") else g.unsqueeze(other))}

    def formula(call: Call) -> str:
        return f"{name}({{x}}, {{dim}})" if isinstance(call.get("dim"), Tensor) else f"{name}({{x}})"

    rules = {"x": f"{{dy}} · [is the {name}]", "dim": f"{{dy}} · [is the {name}]"}
    return Operation(formula, rules, pull, _ARGUMENTS, None, {**_NAMES, "other": "dim"})


def norm() -> Operation:
    """The Euclidean norm √Σ x²; at the origin the slope is taken as 0."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        y = _again(call, call.output)
        slope = torch.where(y == 0, torch.zeros_like(call["x"]), call["x"] / y)
        return {"x": slope * _again(call, g)}

    return Operation("√(Σ {x}²)", {"x": "{dy} · {x} / {y}"}, pull, ("x", "ord", "dim", "keepdim"), None, _NAMES)


def softmax() -> Operation:
    """exp(x) / Σ exp(x) along an axis: shares that sum to 1."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        s = call.output
        return {"x": s * (g - (g * s).sum(call["dim"], keepdim=True))}

    rules = {"x": "{y} · ({dy} − Σ {dy}·{y})"}
    return Operation("exp({x}) / Σ exp({x})", rules, pull, ("x", "dim"), None, _NAMES)


def log_softmax() -> Operation:
    """X − log Σ exp(x) along an axis."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"x": g - call.output.exp() * g.sum(call["dim"], keepdim=True)}

    rules = {"x": "{dy} − exp({y}) · Σ {dy}"}
    return Operation("{x} − log Σ exp({x})", rules, pull, ("x", "dim"), None, _NAMES)


def logsumexp() -> Operation:
    """Log Σ exp(x) along axes."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"x": (call["x"] - _again(call, call.output)).exp() * _again(call, g)}

    return Operation("log Σ exp({x})", {"x": "{dy} · exp({x} − {y})"}, pull, _ARGUMENTS, None, _NAMES)
