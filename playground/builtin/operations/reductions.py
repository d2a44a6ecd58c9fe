"""Reductions: sums, means, extremes, norms and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from playground.core.operations import Call, Operation, Template

_ARGUMENT_NAMES = {"input": "x", "self": "x", "axis": "dim", "keepdims": "keepdim"}
_ARGUMENTS = ("x", "dim", "keepdim")


def _axes(call: Call) -> tuple[int, ...]:
    """Return the axes to reduce, counted from 0; by default all."""
    dim, axes = call.get("dim"), call["x"].dim()
    if dim is None or isinstance(dim, Tensor) or (isinstance(dim, tuple | list) and not dim):
        return tuple(range(axes))
    return tuple(sorted(axis % max(axes, 1) for axis in (dim if isinstance(dim, tuple | list) else [dim])))


def _broadcast(call: Call, small: Tensor) -> Tensor:
    """Return a reduced tensor in a shape that broadcasts against x."""
    axes = _axes(call)
    if call["x"].dim() == small.dim() or len(axes) == call["x"].dim():
        return small if small.dim() else small.expand(call["x"].shape)
    for axis in axes:
        small = small.unsqueeze(axis)
    return small


def _reshape_reduced(call: Call, found: Tensor) -> Tensor:
    """Return a result that kept its axes in the shape of the call."""
    if call.get("keepdim", False) or not call["x"].dim():
        return found
    for axis in reversed(_axes(call)):
        found = found.squeeze(axis)
    return found


def _entries(sign: str, end: str = "") -> Callable[[Call, tuple[int, ...], Callable[[float], str]], str] | None:
    def terms(call: Call, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        entries = call["x"].flatten().tolist()
        return f"({sign.join(map(number, entries))}){end.format(n=len(entries))}" if call.output.dim() == 0 else ""

    return terms


def total() -> Operation:
    """Σ x over all entries, or along axes."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"x": _broadcast(call, g).expand(call["x"].shape)}

    def forward(call: Call) -> Tensor:
        return _reshape_reduced(call, call["x"].sum(_axes(call), keepdim=True))

    rules = {"x": "{dy}, for each entry"}
    return Operation("Σ {x}", rules, pull, _ARGUMENTS, _entries(" + "), _ARGUMENT_NAMES, forward=forward)


def mean() -> Operation:
    """The mean over all entries, or along axes."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        share = call["x"].numel() / max(call.output.numel(), 1)
        return {"x": (_broadcast(call, g) / share).expand(call["x"].shape)}

    def forward(call: Call) -> Tensor:
        return _reshape_reduced(call, call["x"].mean(_axes(call), keepdim=True))

    rules, terms = {"x": "{dy} / {n}"}, _entries(" + ", " / {n}")
    return Operation("mean({x})", rules, pull, _ARGUMENTS, terms, _ARGUMENT_NAMES, entrywise=True, forward=forward)


def product() -> Operation:
    """The product of all entries, or along an axis."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, dim = call["x"], call.get("dim") if call["x"].dim() else None
        flat = x.reshape(-1) if dim is None else x.movedim(dim, -1)
        n = flat.shape[-1]
        others = torch.where(torch.eye(n, dtype=torch.bool), torch.ones_like(flat)[..., None, :], flat[..., None, :])
        found = others.prod(-1)
        back = found.reshape(x.shape) if dim is None else found.movedim(-1, dim)
        return {"x": back * _broadcast(call, g)}

    def forward(call: Call) -> Tensor:
        dim = call.get("dim")
        return call["x"].prod() if dim is None else call["x"].prod(dim, keepdim=call.get("keepdim", False))  # type: ignore[no-any-return]

    rules = {"x": "{dy} · the product of the others"}
    return Operation("Π {x}", rules, pull, _ARGUMENTS, _entries("·"), _ARGUMENT_NAMES, forward=forward)


def extreme_max() -> Operation:
    """The largest entry, or the largest along an axis; `maximum` is torch's function of two tensors."""
    return _extreme("max")


def extreme_min() -> Operation:
    """The smallest entry, or the smallest along an axis."""
    return _extreme("min")


def amax() -> Operation:
    """The largest entry along axes; equal largest entries share the gradient."""
    return _extreme("max", share=True)


def amin() -> Operation:
    """The smallest entry along axes; equal smallest entries share the gradient."""
    return _extreme("min", share=True)


def _extreme(name: str, share: bool = False) -> Operation:
    """Return the operation of an extreme.

    :param share: equal extremes along an axis share the gradient; otherwise the first one gets it.
    """

    def two(call: Call, g: Tensor) -> dict[str, Any]:
        x, other = call["x"], call["dim"]
        wins = x > other if name == "max" else x < other
        tie = (x == other) / 2
        return {"x": g * (wins + tie), "dim": g * (~wins & (x != other)) + g * tie}

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, dim = call["x"], call.get("dim")
        if isinstance(dim, Tensor):
            return two(call, g)
        if dim is None or share:
            hit = (x == _broadcast(call, call.output)).to(x)
            return {"x": _broadcast(call, g) * hit / hit.sum(_axes(call), keepdim=True)}
        index = getattr(torch, f"arg{name}")(x, dim, keepdim=True)
        return {"x": torch.zeros_like(x).scatter(dim, index, _broadcast(call, g))}

    def forward(call: Call) -> Tensor:
        if isinstance(call.get("dim"), Tensor):
            return getattr(torch, f"{name}imum")(call["x"], call["dim"])  # type: ignore[no-any-return]
        return _reshape_reduced(call, getattr(call["x"], f"a{name}")(_axes(call), keepdim=True))

    def formula(call: Call) -> str:
        return f"{name}({{x}}, {{dim}})" if isinstance(call.get("dim"), Tensor) else f"{name}({{x}})"

    rules = {"x": f"{{dy}} · [is the {name}]", "dim": f"{{dy}} · [is the {name}]"}
    return Operation(formula, rules, pull, _ARGUMENTS, None, {**_ARGUMENT_NAMES, "other": "dim"}, forward=forward)


def norm() -> Operation:
    """The Euclidean norm √Σ x², or Σ |x|, or max |x|; at the origin the slope is 0."""

    def order(call: Call) -> float:
        given = call.get("ord")
        found = 2.0 if given in (None, "fro") else float(given)
        if found not in (1, 2, math.inf):
            raise ValueError(f"the norm of order {found}")
        return found

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, y = call["x"], _broadcast(call, call.output)
        if order(call) == 1:
            slope = x.sign()
        elif order(call) == 2:
            slope = torch.where(y == 0, torch.zeros_like(x), x / y)
        else:
            hit = (x.abs() == y).to(x)
            slope = x.sign() * hit / hit.sum(_axes(call), keepdim=True)
        return {"x": slope * _broadcast(call, g)}

    def forward(call: Call) -> Tensor:
        size, axes = call["x"].abs(), _axes(call)
        if order(call) == 2:
            return _reshape_reduced(call, size.square().sum(axes, keepdim=True).sqrt())
        return _reshape_reduced(
            call, size.sum(axes, keepdim=True) if order(call) == 1 else size.amax(axes, keepdim=True)
        )

    formulas = {1: "Σ |{x}|", 2: "√(Σ {x}²)", math.inf: "max |{x}|"}
    slopes = {1: "sign({x})", 2: "{x} / {y}", math.inf: "sign({x}), where |{x}| is the largest"}
    rules: dict[str, Template] = {"x": lambda call: "{dy} · " + slopes[order(call)]}
    return Operation(
        lambda call: formulas[order(call)],
        rules,
        pull,
        ("x", "ord", "dim", "keepdim"),
        None,
        {**_ARGUMENT_NAMES, "p": "ord", "A": "x"},
        forward=forward,
    )


def var() -> Operation:
    """Σ (x − mean)² / (n − 1) over all entries, or along axes."""
    return _spread(root=False)


def std() -> Operation:
    """√(Σ (x − mean)² / (n − 1)) over all entries, or along axes."""
    return _spread(root=True)


def _spread(root: bool) -> Operation:
    """Return the operation of the variance or its root."""

    def degrees(call: Call) -> float:
        """Return the divisor of the sum of squares."""
        entries = call["x"].numel() / max(call.output.numel(), 1)
        given = call.get("unbiased", True) if call.get("correction") is None else call["correction"]
        return float(entries - given)

    def away(call: Call) -> Tensor:
        return call["x"] - call["x"].mean(_axes(call), keepdim=True)  # type: ignore[no-any-return]

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        slope = away(call) / degrees(call)
        return {"x": _broadcast(call, g) * (slope / _broadcast(call, call.output) if root else 2 * slope)}

    def forward(call: Call) -> Tensor:
        found = away(call).square().sum(_axes(call), keepdim=True) / degrees(call)
        return _reshape_reduced(call, found.sqrt() if root else found)

    def formula(call: Call) -> str:
        inside = f"Σ ({{x}} − mean({{x}}))² / {degrees(call):g}"
        return f"√({inside})" if root else inside

    def rule(call: Call) -> str:
        slope = f"({{x}} − mean({{x}})) / {degrees(call):g}"
        return f"{{dy}} · {slope} / {{y}}" if root else f"{{dy}} · 2·{slope}"

    arguments = ("x", "dim", "unbiased", "keepdim")
    return Operation(formula, {"x": rule}, pull, arguments, None, _ARGUMENT_NAMES, forward=forward)


def cumsum() -> Operation:
    """The cumulative sum along an axis."""
    return Operation(
        "the sum of {x} so far",
        {"x": "the sum of {dy} from here on"},
        lambda call, g: {"x": g.flip(call["dim"]).cumsum(call["dim"]).flip(call["dim"])},
        ("x", "dim"),
        names=_ARGUMENT_NAMES,
        forward=lambda call: call["x"].cumsum(call["dim"]),
    )


def softmax() -> Operation:
    """exp(x) / Σ exp(x) along an axis: shares that sum to 1."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        s = call.output
        return {"x": s * (g - (g * s).sum(call["dim"], keepdim=True))}

    rules = {"x": "{y} · ({dy} − Σ {dy}·{y})"}
    return Operation(
        "exp({x}) / Σ exp({x})",
        rules,
        pull,
        ("x", "dim"),
        names=_ARGUMENT_NAMES,
        forward=lambda call: torch.softmax(call["x"], call["dim"]),
    )


def softmin() -> Operation:
    """exp(−x) / Σ exp(−x) along an axis: shares that sum to 1."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        s = call.output
        return {"x": s * ((g * s).sum(call["dim"], keepdim=True) - g)}

    return Operation(
        "exp(−{x}) / Σ exp(−{x})",
        {"x": "{y} · (Σ {dy}·{y} − {dy})"},
        pull,
        ("x", "dim"),
        names=_ARGUMENT_NAMES,
        forward=lambda call: torch.softmax(-call["x"], call["dim"]),
    )


def log_softmax() -> Operation:
    """x − log Σ exp(x) along an axis."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"x": g - call.output.exp() * g.sum(call["dim"], keepdim=True)}

    rules = {"x": "{dy} − exp({y}) · Σ {dy}"}
    return Operation(
        "{x} − log Σ exp({x})",
        rules,
        pull,
        ("x", "dim"),
        names=_ARGUMENT_NAMES,
        forward=lambda call: torch.log_softmax(call["x"], call["dim"]),
    )


def logsumexp() -> Operation:
    """log Σ exp(x) along axes."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"x": (call["x"] - _broadcast(call, call.output)).exp() * _broadcast(call, g)}

    def forward(call: Call) -> Tensor:
        return _reshape_reduced(call, call["x"].logsumexp(_axes(call), keepdim=True))

    rules = {"x": "{dy} · exp({x} − {y})"}
    return Operation("log Σ exp({x})", rules, pull, _ARGUMENTS, None, _ARGUMENT_NAMES, forward=forward)
