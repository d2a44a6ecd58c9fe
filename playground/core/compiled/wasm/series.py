"""Series for what WebAssembly has no library for: atan, and powers of double precision.

Like the functions of `vectormath`, they take subnormal numbers for zero.

Sources: T. J. Dekker, A floating-point technique for extending the available precision, 1971: sums and products with
their rounding errors.
"""

from __future__ import annotations

import math
import struct

from playground.core.compiled.dialect import V
from playground.core.compiled.vectormath import LN2, clamp, exp_of_sum, extend_power, split_exponent, sum_series

QUARTER_PI_LOW = 3.061616997868383e-17
"""π/4 less its nearest number of double precision."""

TWO_THIRDS_LOW = 3.700743415417188e-17
"""2/3 less its nearest number of double precision."""

MAX_EXPONENT = 2.0**66
"""Beyond, every power but that of 1 is 0 or infinite."""


def arctangent(x: V) -> V:
    """The angle: t - t³ Σ (-1)ⁿ t²ⁿ / (2n + 3) with |t| <= tan π/8, plus π/4 or π/2 for larger arguments."""
    code = x.code
    size = code.intrinsic("fabs", x)
    middle, large = size.compare("ogt", math.tan(math.pi / 8)), size.compare("ogt", math.tan(3 * math.pi / 8))
    above = large.select(-1.0, middle.select(size - 1.0, size))
    below = large.select(size, middle.select(size + 1.0, code.constant(1.0)))
    base, low = math.pi / 4, QUARTER_PI_LOW
    if code.lanes.number == "float":
        (base,) = struct.unpack("<f", struct.pack("<f", math.pi / 4))
        low = math.pi / 4 - base
    high = large.select(2 * base, middle.select(base, code.constant(0.0)))
    rest = large.select(2 * low, middle.select(low, code.constant(0.0)))
    t = above / below
    z = t * t
    bend = (t * z) * sum_series(z, 9, 22, lambda n: (-1) ** (n + 1) / (2 * n + 3))
    return code.intrinsic("copysign", high + (t + (bend + rest)), x)


def power(x: V, y: V) -> V:
    """xʸ = exp(y log |x|) in double precision; the logarithm and the product have twice as many digits."""
    code = x.code

    def by_logarithm(size: V) -> V:
        high, low = _wide_log(size)
        y_clamped = clamp(y, -MAX_EXPONENT, MAX_EXPONENT)
        exponent, lost = two_product(y_clamped, high)
        lost = lost + y_clamped * low
        found = exp_of_sum(exponent, code.intrinsic("fabs", exponent).compare("olt", 750.0).select(lost, 0.0))
        rising = y.compare("ogt", 0.0)
        found = size.compare("olt", 2.0**-1022).select(rising.select(0.0, code.constant(math.inf)), found)
        return size.compare("oeq", math.inf).select(rising.select(math.inf, code.constant(0.0)), found)

    return extend_power(x, y, by_logarithm)


def two_sum(a: V, b: V) -> tuple[V, V]:
    """Return a + b rounded, and the rounding error."""
    total = a + b
    second = total - a
    return total, (a - (total - second)) + (b - second)


def _quick_sum(a: V, b: V) -> tuple[V, V]:
    """Return a + b rounded, and the rounding error, if |a| >= |b|."""
    total = a + b
    return total, b - (total - a)


def _halves(a: V) -> tuple[V, V]:
    """Return the upper and the lower digits of a number of double precision."""
    much = a * (2.0**27 + 1)
    upper = much - (much - a)
    return upper, a - upper


def two_product(a: V, b: V) -> tuple[V, V]:
    """Return a · b rounded, and the rounding error, in double precision."""
    product = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return product, (((a1 * b1 - product) + a1 * b2) + a2 * b1) + a2 * b2


def _wide_log(x: V) -> tuple[V, V]:
    """Return log x in two parts, with the relative error 2⁻⁶⁴: k ln 2 + 2 s + s³ (2/3 + s² Σ 2 s²ⁿ / (2n + 5))."""
    code = x.code
    k, f = split_exponent(x)
    below, below_low = two_sum(code.constant(2.0), f)
    s = f / below
    product, lost = two_product(s, below)
    s_low = (((f - product) - lost) - s * below_low) / below
    z, z_lost = two_product(s, s)
    z_low = z_lost + (s + s) * s_low
    rest = z * sum_series(z, 4, 11, lambda n: 2 / (2 * n + 5))
    third, third_low = _quick_sum(code.constant(2 / 3), rest)
    third_low = third_low + TWO_THIRDS_LOW
    cube, cube_lost = two_product(z, third)
    cube_low = cube_lost + (z * third_low + z_low * third)
    bend, bend_lost = two_product(s, cube)
    bend_low = bend_lost + (s * cube_low + s_low * cube)
    found, found_low = _quick_sum(s + s, bend)
    found_low = found_low + ((s_low + s_low) + bend_low)
    high, low = LN2["double"]
    total, total_low = two_sum(k * high, found)
    return _quick_sum(total, total_low + (found_low + k * low))
