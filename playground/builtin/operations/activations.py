"""Activations and clamping functions of `torch.nn.functional`."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import Tensor

from playground.core.operations import Call, Operation, elementwise


def relu6() -> Operation:
    """x, clamped to [0, 6]."""

    def slope(call: Call) -> Any:
        return ((call["x"] > 0) & (call["x"] < 6)).to(call.output)

    return elementwise("min(max({x}, 0), 6)", "[0 < {x} < 6]", slope, "inplace")


def selu() -> Operation:
    """1.0507 x above 0, 1.7581 (exp(x) − 1) below; keeps mean 0 and variance 1."""
    scale, alpha = 1.0507009873554805, 1.6732632423543772

    def slope(call: Call) -> Any:
        x = call["x"]
        return torch.where(x > 0, scale, scale * alpha * x.clamp(max=0).exp()).to(x)

    return elementwise(
        f"{scale}·(max(0, {{x}}) + {alpha}·(exp(min(0, {{x}})) − 1))",
        f"{scale}·[1 if {{x}} > 0, else {alpha}·exp({{x}})]",
        slope,
        "inplace",
    )


def sigmoid() -> Operation:
    """σ(x) = 1 / (1 + exp(−x)); steepest, ¼, at 0."""
    return elementwise("σ({x})", "{y}(1 − {y})", lambda call: call.output * (1 - call.output), steepest=0.25)


def tanh() -> Operation:
    """The hyperbolic tangent of x; steepest, 1, at 0."""
    return elementwise("tanh({x})", "(1 − {y}²)", lambda call: 1 - call.output**2, steepest=1.0)


def relu() -> Operation:
    """max(0, x); at the kink the slope is 0."""
    return elementwise("max(0, {x})", "[{x} > 0]", lambda call: (call["x"] > 0).to(call.output), "inplace")


def leaky_relu() -> Operation:
    """x above 0, negative_slope · x below."""

    def slope(call: Call) -> Any:
        x = call["x"]
        return torch.where(x > 0, torch.ones_like(x), x.new_tensor(call.get("negative_slope", 0.01)))

    def below(call: Call) -> str:
        return _number(call.get("negative_slope", 0.01))

    return elementwise(
        lambda call: f"max(0, {{x}}) + {below(call)}·min(0, {{x}})",
        lambda call: f"[1 if {{x}} > 0, else {below(call)}]",
        slope,
        *("negative_slope", "inplace"),
    )


def elu() -> Operation:
    """x above 0, alpha (exp(x) − 1) below."""

    def slope(call: Call) -> Any:
        x = call["x"]
        return torch.where(x > 0, torch.ones_like(x), call.get("alpha", 1.0) * x.clamp(max=0).exp())

    def times(call: Call) -> str:
        return "" if call.get("alpha", 1.0) == 1 else f"{_number(call['alpha'])}·"

    return elementwise(
        lambda call: f"max(0, {{x}}) + {times(call)}(exp(min(0, {{x}})) − 1)",
        lambda call: f"[1 if {{x}} > 0, else {times(call)}exp({{x}})]",
        slope,
        *("alpha", "inplace"),
    )


def gelu() -> Operation:
    """x Φ(x), with the normal distribution function Φ; or its approximation by tanh."""

    def slope(call: Call) -> Any:
        x: Tensor = call["x"]
        if call.get("approximate", "none") == "tanh":
            c = math.sqrt(2 / math.pi)
            t = torch.tanh(c * (x + 0.044715 * x**3))
            return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2)
        density = torch.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
        return 0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density

    def rough(call: Call) -> bool:
        return bool(call.get("approximate", "none") == "tanh")

    return elementwise(
        lambda call: "0.5·{x}·(1 + tanh(√(2/π)·({x} + 0.044715·{x}^3)))" if rough(call) else "{x}·Φ({x})",
        lambda call: "the slope of this at {x}" if rough(call) else "(Φ({x}) + {x}·φ({x}))",
        slope,
        "approximate",
    )


def silu() -> Operation:
    """x σ(x)."""

    def slope(call: Call) -> Any:
        s = torch.sigmoid(call["x"])
        return s * (1 + call["x"] * (1 - s))

    return elementwise("{x}·σ({x})", "σ({x})(1 + {x}(1 − σ({x})))", slope, "inplace")


def softplus() -> Operation:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is larger than the threshold."""

    def scale_input(call: Call) -> Tensor:
        return call["x"] * call.get("beta", 1.0)  # type: ignore[no-any-return]

    def beyond(call: Call) -> Tensor:
        return scale_input(call) > call.get("threshold", 20.0)  # type: ignore[no-any-return]

    def slope(call: Call) -> Any:
        return torch.where(beyond(call), torch.ones_like(call["x"]), torch.sigmoid(scale_input(call)))

    def argument(call: Call) -> str:
        return "{x}" if call.get("beta", 1.0) == 1 else "{beta}·{x}"

    def split(call: Call, above: str, below: str) -> str:
        """Return a template with both branches, if some entries are beyond the threshold."""
        limit = _number(call.get("threshold", 20.0))
        return f"[{above} if {argument(call)} > {limit}, else {below}]" if bool(beyond(call).any()) else below

    def formula(call: Call) -> str:
        return split(
            call, "{x}", f"log(1 + exp({argument(call)}))" + (" / {beta}" if call.get("beta", 1.0) != 1 else "")
        )

    return elementwise(
        formula,
        lambda call: split(call, "1", f"σ({argument(call)})"),
        slope,
        *("beta", "threshold"),
        forward=lambda call: F.softplus(call["x"], call.get("beta", 1.0), call.get("threshold", 20.0)),
    )


def logsigmoid() -> Operation:
    """log σ(x)."""
    return elementwise(
        "log σ({x})",
        "σ(−{x})",
        lambda call: torch.sigmoid(-call["x"]),
        forward=lambda call: F.logsigmoid(call["x"]),
    )


def mish() -> Operation:
    """x tanh(log(1 + exp(x)))."""

    def slope(call: Call) -> Any:
        x = call["x"]
        t = torch.tanh(F.softplus(x))
        return t + x * torch.sigmoid(x) * (1 - t**2)

    bent = "tanh(softplus({x}))"
    return elementwise(
        f"{{x}}·{bent}",
        f"({bent} + {{x}}·σ({{x}})·(1 − {bent}²))",
        slope,
        "inplace",
        forward=lambda call: F.mish(call["x"]),
    )


def hardswish() -> Operation:
    """x (x + 3) / 6 between −3 and 3, 0 below, x above."""

    def slope(call: Call) -> Any:
        x = call["x"]
        middle = torch.where(x < 3, x / 3 + 0.5, torch.ones_like(x))
        return torch.where(x > -3, middle, torch.zeros_like(x))

    return elementwise(
        "{x}·min(max({x} + 3, 0), 6) / 6", "([−3 < {x} < 3]·(2·{x} + 3)/6 + [3 ≤ {x}])", slope, "inplace"
    )


def celu() -> Operation:
    """x above 0, alpha (exp(x / alpha) − 1) below."""

    def slope(call: Call) -> Any:
        x = call["x"]
        return torch.where(x > 0, torch.ones_like(x), (x.clamp(max=0) / call.get("alpha", 1.0)).exp())

    def alpha(call: Call) -> str:
        return _number(call.get("alpha", 1.0))

    return elementwise(
        lambda call: f"max(0, {{x}}) + {alpha(call)}·(exp(min(0, {{x}})/{alpha(call)}) − 1)",
        lambda call: f"[1 if {{x}} > 0, else exp({{x}}/{alpha(call)})]",
        slope,
        *("alpha", "inplace"),
    )


def prelu() -> Operation:
    """x above 0, w · x below; w is learned, one number or one per channel."""

    def weight(call: Call) -> Tensor:
        w, dimensions = call["w"], call["x"].dim()
        return w.reshape(-1, *[1] * (dimensions - 2)) if w.numel() > 1 else w.reshape([1] * dimensions)  # type: ignore[no-any-return]

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, w = call["x"], weight(call)
        to_w = (g * x.clamp(max=0)).sum_to_size(w.shape).reshape(call["w"].shape)
        return {"x": g * torch.where(x > 0, torch.ones_like(x), w), "w": to_w}

    rules = {"x": "{dy} · [1 if {x} > 0, else {w}]", "w": "Σ {dy} · min(0, {x})"}
    return Operation(
        "max(0, {x}) + {w}·min(0, {x})",
        rules,
        pull,
        ("x", "w"),
        names={"input": "x", "self": "x", "weight": "w"},
        forward=lambda call: call["x"].clamp(min=0) + weight(call) * call["x"].clamp(max=0),
    )


def glu() -> Operation:
    """a σ(b), where a and b are the halves of x along an axis."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        first, second = call["x"].chunk(2, call.get("dim", -1))
        gate = torch.sigmoid(second)
        return {"x": torch.cat([g * gate, g * first * gate * (1 - gate)], call.get("dim", -1))}

    def forward(call: Call) -> Tensor:
        first, second = call["x"].chunk(2, call.get("dim", -1))
        return first * torch.sigmoid(second)  # type: ignore[no-any-return]

    return Operation(
        "a·σ(b), a and b the halves of {x}",
        {"x": "{dy} · σ(b) for a, {dy} · a·σ(b)(1 − σ(b)) for b"},
        pull,
        ("x", "dim"),
        names={"input": "x", "self": "x"},
        forward=forward,
    )


def softsign() -> Operation:
    """x / (1 + |x|)."""
    return elementwise("{x} / (1 + |{x}|)", "1 / (1 + |{x}|)²", lambda call: (1 + call["x"].abs()) ** -2)


def tanhshrink() -> Operation:
    """x − tanh(x)."""
    return elementwise("{x} − tanh({x})", "tanh({x})²", lambda call: call["x"].tanh() ** 2)


def softshrink() -> Operation:
    """x, moved towards 0 by lambd; 0 within lambd of 0."""

    def threshold(call: Call) -> str:
        return _number(call.get("lambd", 0.5))

    return elementwise(
        lambda call: f"max(0, {{x}} − {threshold(call)}) + min(0, {{x}} + {threshold(call)})",
        lambda call: f"[|{{x}}| > {threshold(call)}]",
        lambda call: (call["x"].abs() > call.get("lambd", 0.5)).to(call.output),
        "lambd",
    )


def hardshrink() -> Operation:
    """x; 0 within lambd of 0."""

    def slope_indicator(call: Call) -> str:
        return f"[|{{x}}| > {_number(call.get('lambd', 0.5))}]"

    return elementwise(
        lambda call: "{x}·" + slope_indicator(call),
        slope_indicator,
        lambda call: (call["x"].abs() > call.get("lambd", 0.5)).to(call.output),
        "lambd",
    )


def threshold() -> Operation:
    """x above a threshold, else a fixed value."""
    return elementwise(
        lambda call: f"[{{x}} if {{x}} > {_number(call['threshold'])}, else {_number(call['value'])}]",
        lambda call: f"[{{x}} > {_number(call['threshold'])}]",
        lambda call: (call["x"] > call["threshold"]).to(call.output),
        *("threshold", "value", "inplace"),
    )


def hardtanh() -> Operation:
    """x, clamped at both ends."""

    def slope(call: Call) -> Any:
        x = call["x"]
        inside = (x > call.get("min_val", -1.0)) & (x < call.get("max_val", 1.0))
        return inside.to(x)

    def bounds(call: Call) -> tuple[float, float]:
        return call.get("min_val", -1.0), call.get("max_val", 1.0)

    return elementwise(
        lambda call: _bounded(*bounds(call)),
        lambda call: "[" + " < ".join((_number(bounds(call)[0]), "{x}", _number(bounds(call)[1]))) + "]",
        slope,
        *("min_val", "max_val", "inplace"),
    )


def clamp() -> Operation:
    """x, clamped to [min, max]; the slope is 1 inside, bounds included."""
    return _clamp("min", "max")


def clamp_min() -> Operation:
    """The larger of x and a bound."""
    return _clamp("min")


def clamp_max() -> Operation:
    """The smaller of x and a bound."""
    return _clamp("max")


def _clamp(*bounds: str) -> Operation:
    """Return the operation that clamps x to bounds, given in this order."""

    def slope(call: Call) -> Any:
        x = call["x"]
        inside = torch.ones_like(x, dtype=torch.bool)
        if (low := call.get("min")) is not None:
            inside &= x >= low
        if (high := call.get("max")) is not None:
            inside &= x <= high
        return inside.to(x)

    def inside(call: Call) -> str:
        low, high = (_number(bound) for bound in (call.get("min"), call.get("max")))
        return "[" + " ≤ ".join(part for part in (low, "{x}", high) if part) + "]"

    return elementwise(lambda call: _bounded(call.get("min"), call.get("max")), inside, slope, *bounds)


def _bounded(low: Any, high: Any) -> str:
    """Return a template of x between bounds, one of which may be missing."""
    raised = "{x}" if low is None else f"max({{x}}, {_number(low)})"
    return raised if high is None else f"min({raised}, {_number(high)})"


def _number(value: Any) -> str:
    """Return an option as formatted in a formula; empty if it is not given."""
    return "" if value is None else "bound" if isinstance(value, Tensor) else f"{value:.12g}".replace("-", "−")
