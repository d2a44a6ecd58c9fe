"""Functions of one number, entry by entry."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from playground.engine.operations import Call, Operation, elementwise


def neg() -> Operation:
    """−x."""
    return Operation("−{x}", {"x": "−{dy}"}, lambda call, g: {"x": -g}, entrywise=True)


def sqrt() -> Operation:
    """√x."""
    return elementwise("√{x}", "1 / (2·{y})", lambda call: 0.5 / call.output)


def rsqrt() -> Operation:
    """1 / √x."""
    return elementwise("1 / √{x}", "(−0.5)·{y}/{x}", lambda call: -0.5 * call.output / call["x"])


def reciprocal() -> Operation:
    """1 / x."""
    return elementwise("1 / {x}", "(−{y}²)", lambda call: -call.output.square())


def expm1() -> Operation:
    """exp(x) − 1, exact near 0."""
    return elementwise(
        "exp({x}) − 1", "({y} + 1)", lambda call: call.output + 1, forward=lambda call: call["x"].expm1()
    )


def log1p() -> Operation:
    """log(1 + x), exact near 0."""
    return elementwise(
        "log(1 + {x})", "1 / (1 + {x})", lambda call: 1 / (1 + call["x"]), forward=lambda call: call["x"].log1p()
    )


def relu6() -> Operation:
    """x, moved into [0, 6]."""

    def slope(call: Call) -> Any:
        return ((call["x"] > 0) & (call["x"] < 6)).to(call.output)

    return elementwise("min(max({x}, 0), 6)", "[0 < {x} < 6]", slope, "inplace")


def selu() -> Operation:
    """1.0507 x above 0, 1.7581 (exp(x) − 1) below: keeps mean 0 and variance 1."""
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


def exp() -> Operation:
    """The exponential, its own slope."""
    return elementwise("exp({x})", "{y}", lambda call: call.output)


def log() -> Operation:
    """The natural logarithm."""
    return elementwise("log({x})", "1 / {x}", lambda call: 1 / call["x"])


def log2() -> Operation:
    """The logarithm to base 2."""
    return elementwise("log2({x})", "1 / ({x}·log(2))", lambda call: 1 / (call["x"] * math.log(2)))


def log10() -> Operation:
    """The logarithm to base 10."""
    return elementwise("log10({x})", "1 / ({x}·log(10))", lambda call: 1 / (call["x"] * math.log(10)))


def sin() -> Operation:
    """The sine of x."""
    return elementwise("sin({x})", "cos({x})", lambda call: call["x"].cos())


def cos() -> Operation:
    """The cosine of x."""
    return elementwise("cos({x})", "(−sin({x}))", lambda call: -call["x"].sin())


def tan() -> Operation:
    """The tangent of x."""
    return elementwise("tan({x})", "(1 + {y}²)", lambda call: 1 + call.output**2)


def atan() -> Operation:
    """The angle whose tangent is x."""
    return elementwise("atan({x})", "1 / (1 + {x}²)", lambda call: 1 / (1 + call["x"] ** 2))


def sinh() -> Operation:
    """The hyperbolic sine of x."""
    return elementwise("sinh({x})", "cosh({x})", lambda call: call["x"].cosh())


def cosh() -> Operation:
    """The hyperbolic cosine of x."""
    return elementwise("cosh({x})", "sinh({x})", lambda call: call["x"].sinh())


def erf() -> Operation:
    """The error function."""
    return elementwise(
        "erf({x})", "2/√π·exp(−{x}²)", lambda call: 2 / math.sqrt(math.pi) * torch.exp(-(call["x"] ** 2))
    )


def absolute() -> Operation:
    """|x|; at the kink the slope is taken as 0."""
    return elementwise("|{x}|", "sign({x})", lambda call: call["x"].sign())


def sigmoid() -> Operation:
    """σ(x) = 1 / (1 + exp(−x)); steepest, ¼, at 0."""
    return elementwise("σ({x})", "{y}(1 − {y})", lambda call: call.output * (1 - call.output), steepest=0.25)


def tanh() -> Operation:
    """The hyperbolic tangent of x; steepest, 1, at 0."""
    return elementwise("tanh({x})", "(1 − {y}²)", lambda call: 1 - call.output**2, steepest=1.0)


def relu() -> Operation:
    """max(0, x); at the kink the slope is taken as 0."""
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
    """x Φ(x), Φ the normal distribution function; or its approximation by tanh."""

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
    """log(1 + exp(beta x)) / beta, and x itself beyond the threshold."""

    def slope(call: Call) -> Any:
        scaled = call["x"] * call.get("beta", 1.0)
        return torch.where(scaled > call.get("threshold", 20.0), torch.ones_like(scaled), torch.sigmoid(scaled))

    def plain(call: Call) -> bool:
        return bool(call.get("beta", 1.0) == 1)

    return elementwise(
        lambda call: "log(1 + exp({x}))" if plain(call) else "log(1 + exp({beta}·{x})) / {beta}",
        lambda call: "σ({x})" if plain(call) else "σ({beta}·{x})",
        slope,
        *("beta", "threshold"),
        forward=lambda call: torch.nn.functional.softplus(
            call["x"], call.get("beta", 1.0), call.get("threshold", 20.0)
        ),
    )


def logsigmoid() -> Operation:
    """Log σ(x)."""
    return elementwise(
        "log σ({x})",
        "σ(−{x})",
        lambda call: torch.sigmoid(-call["x"]),
        forward=lambda call: torch.nn.functional.logsigmoid(call["x"]),
    )


def hardtanh() -> Operation:
    """x, cut off at both ends."""

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
    """x, moved into [min, max]; the slope is 1 inside, bounds included."""

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

    return elementwise(lambda call: _bounded(call.get("min"), call.get("max")), inside, slope, "min", "max")


def _bounded(low: Any, high: Any) -> str:
    """Return a template of x between bounds, of which one may be missing."""
    raised = "{x}" if low is None else f"max({{x}}, {_number(low)})"
    return raised if high is None else f"min({raised}, {_number(high)})"


def _number(value: Any) -> str:
    """Return an option as a formula writes it; nothing for one that is not given."""
    return "" if value is None else "bound" if isinstance(value, Tensor) else f"{value:.12g}".replace("-", "−")


def nan_to_num() -> Operation:
    """x, with what is no number replaced."""
    return elementwise("nan_to_num({x})", "[{x} is finite]", lambda call: call["x"].isfinite().to(call.output), "nan")


def dropout() -> Operation:
    """x, with some entries set to 0 and the others enlarged."""

    def idle(call: Call) -> bool:
        return not call.get("training", True) or call.get("p", 0.5) == 0

    def slope(call: Call) -> Any:
        if idle(call):
            return torch.ones_like(call.output)
        if call.dice is None:  # drawn on another device than the CPU
            return call.output / call["x"]
        with call.same_dice():  # of an entry that is 0 in any case, the output does not tell whether it was kept
            return torch.nn.functional.dropout(torch.ones_like(call.output), call.get("p", 0.5))

    return elementwise(
        "dropout({x})",
        lambda call: "1" if idle(call) else "[kept] / (1 − rate)",
        slope,
        *("p", "training", "inplace"),
        forward=lambda call: call["x"] * slope(call),
    )
