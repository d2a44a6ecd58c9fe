"""Elementary functions, entry by entry."""

from __future__ import annotations

import math

import torch

from playground.core.operations import Operation, elementwise


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


def exp() -> Operation:
    """The exponential function, which is its own slope."""
    return elementwise("exp({x})", "{y}", lambda call: call.output)


def expm1() -> Operation:
    """exp(x) − 1, exact near 0."""
    return elementwise(
        "exp({x}) − 1", "({y} + 1)", lambda call: call.output + 1, forward=lambda call: call["x"].expm1()
    )


def log() -> Operation:
    """The natural logarithm."""
    return elementwise("log({x})", "1 / {x}", lambda call: 1 / call["x"])


def log1p() -> Operation:
    """log(1 + x), exact near 0."""
    return elementwise(
        "log(1 + {x})", "1 / (1 + {x})", lambda call: 1 / (1 + call["x"]), forward=lambda call: call["x"].log1p()
    )


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
    """|x|; at the kink the slope is 0."""
    return elementwise("|{x}|", "sign({x})", lambda call: call["x"].sign())


def nan_to_num() -> Operation:
    """x, with NaN and infinities replaced."""
    return elementwise("nan_to_num({x})", "[{x} is finite]", lambda call: call["x"].isfinite().to(call.output), "nan")


def exp2() -> Operation:
    """2 to the power x."""
    return elementwise("2^{x}", "{y}·log(2)", lambda call: call.output * math.log(2))


def asin() -> Operation:
    """The angle whose sine is x."""
    return elementwise("asin({x})", "1 / √(1 − {x}²)", lambda call: (1 - call["x"] ** 2).rsqrt())


def acos() -> Operation:
    """The angle whose cosine is x."""
    return elementwise("acos({x})", "(−1) / √(1 − {x}²)", lambda call: -(1 - call["x"] ** 2).rsqrt())


def asinh() -> Operation:
    """The number whose hyperbolic sine is x."""
    return elementwise("asinh({x})", "1 / √({x}² + 1)", lambda call: (call["x"] ** 2 + 1).rsqrt())


def acosh() -> Operation:
    """The number whose hyperbolic cosine is x."""
    return elementwise("acosh({x})", "1 / √({x}² − 1)", lambda call: (call["x"] ** 2 - 1).rsqrt())


def atanh() -> Operation:
    """The number whose hyperbolic tangent is x."""
    return elementwise("atanh({x})", "1 / (1 − {x}²)", lambda call: 1 / (1 - call["x"] ** 2))


def erfc() -> Operation:
    """1 minus the error function."""
    return elementwise(
        "erfc({x})", "(−2)/√π·exp(−{x}²)", lambda call: -2 / math.sqrt(math.pi) * torch.exp(-(call["x"] ** 2))
    )
