"""exp, log, sin and other functions for a vector of runs, as series with stated and tested errors.

The result in a lane depends on that lane's argument only, so a run's numbers do not depend on the other runs. Subnormal
numbers count as zero, as everywhere in a descent (`flush_denormals`). `MAX_ERRORS_ULP` states the error of each
function.

Sources: W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980 (reduction by constants in pieces);
fdlibm, Sun Microsystems 1993 (which parts to add last). The series are Taylor series, long enough for the reduced
argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from playground.core.compiled.dialect import Dialect, V

LN2 = {"float": (0.693359375, -2.12194440e-4), "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}
"""The logarithm of 2 in two pieces. The first has so few digits that its product with an exponent is exact."""

HALF_PI = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21)
"""π/2 in pieces of double precision, whose products with integers up to 2²⁰ are exact."""

ERFC_COEFFICIENTS = {
    "float": (
        *(
            0.20798329133342886,
            -0.154361174115076700,
            0.04969844502435794,
            -0.012713150077462087,
            0.0024793197594595851,
        ),
        *(-0.00033159447203562186, 1.9545275150974250e-5, 2.4145078152230688e-6, -5.2945541261056067e-7),
    ),
    "double": (
        *(0.2079832913334288618, -0.1543611742943691723, 0.04969844540339464135, -0.01271314769569219710),
        *(0.002479314697078185654, -0.0003316029605764124966, 1.956358324613711389e-5, 2.425557471905031647e-6),
        *(-5.541274478467713239e-7, -4.526700764248740730e-9, 1.133953806174470664e-8, -2.638150898508073258e-10),
        *(-2.571511429603254987e-10, 6.047405945991704021e-12, 6.085791590687091464e-12),
    ),
}
"""Coefficients of erfc(x) exp(x²) for x from 1 to 6, interpolated at Chebyshev points with 40 digits. The error is at
most 2e-11 (float) and 4e-18 (double), times exp(-x²)."""

MAX_REDUCED_ARGUMENT = 1e6
"""Larger arguments of sin and cos are left to the library: π/2 in pieces is not exact enough for them."""


def polynomial(x: V, coefficients: Sequence[float]) -> V:
    """Σ cₖ xᵏ by Horner's scheme."""
    result = x.code.constant(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result = result.times_plus(x, coefficient)
    return result


def sum_series(x: V, single: int, double: int, coefficient: Callable[[int], float]) -> V:
    """Sum a series with a number of terms for each precision."""
    count = single if x.code.lanes.number == "float" else double
    return polynomial(x, [coefficient(k) for k in range(count)])


def _power_of_two(code: Dialect[V], exponent: V) -> V:
    """2 to the power of an integer, within the range of normal numbers."""
    bias, fraction = (127, 23) if code.lanes.number == "float" else (1023, 52)
    return (exponent + bias).shift(fraction).as_number()


def _reduce_exponent(x: V) -> tuple[V, V, V]:
    """Return the integer k, r = x - k ln 2 with |r| <= ln 2 / 2, and the rounding error of r."""
    high, low = LN2[x.code.lanes.number]
    k = x.code.intrinsic("rint", x * (1 / math.log(2)))
    left, minus = (-k).times_plus(high, x), -k
    # k high is exact, so `left` has no rounding error; the last result is what r lost by rounding.
    r = minus.times_plus(low, left)
    return k, r, minus.times_plus(low, left - r)


def clamp(x: V, low: float, high: float) -> V:
    """Move x into a range; NaN stays NaN."""
    x = x.compare("olt", low).select(low, x)
    return x.compare("ogt", high).select(high, x)


def _exp_remainder(r: V) -> V:
    """eʳ - 1 - r = r² Σ rᵏ / (k + 2)!, |r| <= ln 2 / 2."""
    return r * r * sum_series(r, 6, 12, lambda k: 1 / math.factorial(k + 2))


def exp(x: V) -> V:
    """2ᵏ eʳ.

    The power of two is applied in two halves, so that the result may overflow to infinity or underflow to 0.
    """
    return exp_of_sum(x, None)


def exp_of_sum(x: V, correction: V | None) -> V:
    """exp(x + correction), where the correction is below the last digit of x."""
    code = x.code
    range_ = (-105.0, 90.0) if code.lanes.number == "float" else (-746.0, 711.0)
    # Beyond the range the result is 0 or infinite anyway, and k would leave the range of exponents.
    k, r, lost = _reduce_exponent(clamp(x, *range_))
    whole = k.to_integer()
    half = whole.shift(-1)
    one = code.constant(1.0)
    first = one + r
    # 1 + r loses the low digits of r; they are added back with the smaller terms.
    rest = _exp_remainder(r)
    lost = lost if correction is None else lost + correction * (first + rest)
    found = first + (rest + (lost + (r - (first - one))))
    return found * _power_of_two(code, half) * _power_of_two(code, whole - half)


def _expm1_within(x: V) -> V:
    """2ᵏ (eʳ - 1) + (2ᵏ - 1), for x within the limit of `expm1`."""
    k, r, lost = _reduce_exponent(x)
    power = _power_of_two(x.code, k.to_integer())
    return power.times_plus((_exp_remainder(r) + lost) + r, power - 1.0)


def expm1(x: V) -> V:
    """eˣ - 1; eˣ for large x, where 1 is below the last digit."""
    limit = 20.0 if x.code.lanes.number == "float" else 40.0
    near = _expm1_within(clamp(x, -limit, limit))
    near = x.compare("ogt", limit).select(call("exp", x), near)
    # Keeps the sign of -0.
    return x.compare("oeq", 0.0).select(x, near)


def tanh(x: V) -> V:
    """With e = exp(2 |x|) - 1 and the sign of x: e/2 - e/2 · e/(e + 2) near 0, 1 - 2 / (e + 2) further out."""
    code = x.code
    limit = 10.0 if code.lanes.number == "float" else 20.0
    size = clamp(code.intrinsic("fabs", x), 0.0, limit)
    e = _expm1_within(size + size)
    near = e.compare("olt", 1.5)
    ratio = near.select(e, 2.0) / (e + 2.0)
    half = e * 0.5
    return code.intrinsic("copysign", near.select((-half).times_plus(ratio, half), code.constant(1.0) - ratio), x)


def sigmoid(x: V) -> V:
    """1 - e / (1 + e), and e - e · e / (1 + e) below 0, with e = exp(-|x|)."""
    code = x.code
    e = call("exp", -code.intrinsic("fabs", x))
    ratio = e / (e + 1.0)
    return x.compare("olt", 0.0).select((-e).times_plus(ratio, e), code.constant(1.0) - ratio)


def split_exponent(x: V) -> tuple[V, V]:
    """Return k and f with x = 2ᵏ (1 + f) and √½ <= 1 + f < √2, for normal x > 0.

    Subtracting the bits of √½ before shifting moves the border between exponents from 1 to √½.
    """
    code = x.code
    fraction = 23 if code.lanes.number == "float" else 52
    bits = x.bits()
    k = (bits - code.constant(math.sqrt(0.5)).bits()).shift(-fraction)
    mantissa = (bits - k.shift(fraction)).as_number()
    return k.to_number(), mantissa - 1.0


def _log_of(x: V, correction: V | None) -> V:
    """k ln 2 + log(1 + f), plus a correction: f - (f²/2 - s (f²/2 + R)) with s = f / (2 + f), R = Σ 2 s²ᵏ / (2k + 1).

    The largest term is added last, which keeps the error below one ulp.
    """
    high, low = LN2[x.code.lanes.number]
    k, f = split_exponent(x)
    s = f / (f + 2.0)
    z = s * s
    r = z * sum_series(z, 4, 11, lambda n: 2 / (2 * n + 3))
    half = f * f * 0.5
    small = s * (half + r)
    small = k.times_plus(low, small if correction is None else small + correction)
    return k.times_plus(high, f - (half - small))


def _ends_of_log(x: V, found: V) -> V:
    """Insert the logarithms of 0, infinity, NaN and negative numbers."""
    smallest = 2.0**-126 if x.code.lanes.number == "float" else 2.0**-1022
    found = x.compare("olt", smallest).select(-math.inf, found)
    found = x.compare("olt", 0.0).select(math.nan, found)
    return x.compare("olt", math.inf).select(found, x)


def log(x: V) -> V:
    """The natural logarithm: -∞ at 0, NaN below 0."""
    return _ends_of_log(x, _log_of(x, None))


def log1p(x: V) -> V:
    """log(1 + x) = log u + (1 + x - u) / u, where u is 1 + x rounded."""
    one = x.code.constant(1.0)
    u = x + 1.0
    small = x.code.intrinsic("fabs", x).compare("olt", 1.0)
    lost = small.select(x - (u - 1.0), one - (u - x))
    found = _ends_of_log(u, _log_of(u, lost / u))
    # Keeps the sign of -0.
    return x.compare("oeq", 0.0).select(x, found)


def _quarters(x: V) -> tuple[V, V]:
    """Return r with |r| <= π/4 and the quadrant k, x = k π/2 + r; computed with extra digits, since r may be tiny."""
    code = x.code
    # k first and k second are exact. In double precision, the rounding error of r and the third piece are added last.
    k = code.intrinsic("rint", x * (2 / math.pi))
    first, second, third = HALF_PI
    if code.lanes.number == "float":
        x, many = x.widen(), k.widen()
        return ((x - many * first) - many * second).narrow(), k.to_integer()
    left, middle = x - k * first, k * second
    r = left - middle
    lost = (left - r) - middle
    return r + (lost - k * third), k.to_integer()


def _sine_and_cosine(r: V) -> tuple[V, V]:
    """Return sin r and cos r, |r| <= π/4."""
    one = r.code.constant(1.0)
    z = r * r
    sine = (r * z).times_plus(sum_series(z, 4, 8, lambda n: (-1) ** (n + 1) / math.factorial(2 * n + 3)), r)
    half = z * 0.5
    top = one - half
    rest = (z * z) * sum_series(z, 4, 7, lambda n: (-1) ** n / math.factorial(2 * n + 4))
    return sine, top + (((one - top) - half) + rest)


def wave(r: V, k: V, turned: int) -> V:
    """The sine of r + (k + turned) π/2, |r| <= π/4."""
    sine, cosine = _sine_and_cosine(r)
    quadrant = k + turned if turned else k
    odd = (quadrant & 1).compare("ne", 0)
    found = odd.select(cosine, sine)
    below = (quadrant & 2).compare("ne", 0)
    return below.select(-found, found)


def _wave(x: V, name: str, turned: int) -> V:
    """The sine of x + turned π/2."""
    code = x.code
    found = wave(*_quarters(clamp(x, -MAX_REDUCED_ARGUMENT, MAX_REDUCED_ARGUMENT)), turned)
    # NaN is also `far`, so the library handles it.
    far = ~code.intrinsic("fabs", x).compare("ole", MAX_REDUCED_ARGUMENT)
    return code.choose_rarely(far, found, lambda: code.library(name, x))


def sin(x: V) -> V:
    """The sine, by the series of sine or cosine, depending on the quadrant."""
    return _wave(x, "sin", 0)


def cos(x: V) -> V:
    """The cosine: the sine, a quarter turn further."""
    return _wave(x, "cos", 1)


def call(name: str, *operands: V) -> V:
    """Call one of these functions."""
    code: Dialect[V] = operands[0].code
    return code.call_function(name, *operands)


def erf(x: V) -> V:
    """2/√π Σ (-1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)) below 1; 1 - exp(-x²) P(u) beyond, u = ((x - 3)/(x + 3) + 1/12) 12/5."""
    code = x.code
    size = clamp(code.intrinsic("fabs", x), 0.0, 6.0)
    z = size * size
    near = size * sum_series(
        z, 10, 18, lambda n: 2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1))
    )
    u = ((size - 3.0) / (size + 3.0) + 1 / 12) * 2.4
    far = code.constant(1.0) - call("exp", -z) * polynomial(u, ERFC_COEFFICIENTS[code.lanes.number])
    return code.intrinsic("copysign", size.compare("olt", 1.0).select(near, far), x)


def power(x: V, y: V) -> V:
    """|x|ʸ = exp(y log |x|): floats in double precision, with the sign for odd y; doubles by the library's pow."""
    code = x.code
    if code.lanes.number == "double":
        return code.library("pow", x, y)

    def by_logarithm(size: V) -> V:
        logarithm = call("log", size.widen())
        return call("exp", y.widen() * logarithm).narrow()

    return extend_power(x, y, by_logarithm)


def extend_power(x: V, y: V, find: Callable[[V], V]) -> V:
    """Return xʸ: the sign of x for odd integers y, and the special cases of C's pow.

    They are 1 for |x| = 1 or y = 0, NaN for a finite negative x with a fractional y, and NaN for NaN operands except
    pow(1, NaN) and pow(NaN, 0).

    :param find: returns |x|ʸ, given |x|.
    """
    code = x.code
    size = code.intrinsic("fabs", x)
    one = size.compare("oeq", 1.0) | y.compare("oeq", 0.0)
    found = one.select(1.0, find(size))
    whole = code.intrinsic("floor", y).compare("oeq", y)
    half = y * 0.5
    odd = whole & code.intrinsic("floor", half).compare("one", half)
    signed = odd.select(code.intrinsic("copysign", found, x), found)
    undefined = x.compare("olt", 0.0) & x.compare("one", -math.inf) & ~whole
    signed = undefined.select(math.nan, signed)
    unknown = y.compare("uno", y) & x.compare("une", 1.0) | x.compare("uno", x) & y.compare("une", 0.0)
    return unknown.select(math.nan, signed)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "sin": sin,
    "cos": cos,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "atan": lambda x: x.code.library("atan", x),
    "erf": erf,
    "pow": power,
}
"""The functions that operations of a program call."""

MAX_ERRORS_ULP = {
    "exp": 1.0,
    "expm1": 2.0,
    "log": 1.0,
    "log1p": 1.5,
    "sin": 1.5,
    "cos": 1.5,
    "tanh": 2.0,
    "sigmoid": 2.0,
    "atan": 1.0,
    "erf": 2.0,
    "pow": 1.0,
}
"""The largest error of each function over its whole range, in units in the last place (ulp), in both precisions."""

LIBRARY_FUNCTIONS = ("sin", "cos", "atan", "pow")
"""Functions that may call the library's function of the same name."""
