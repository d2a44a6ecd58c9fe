"""Reduces large arguments of sin and cos to an eighth of a turn, with integers of 64 bits.

x = M 2ᵉ with a whole M of 53 bits. Digits of 2/π whose product with x is a multiple of 4 are left out. M times the next
192 digits is x · 2/π, in whole turns, with as many digits as the largest cancellation needs.

Source: M. Payne and R. Hanek, Radian reduction for trigonometric functions, 1983.
"""

from __future__ import annotations

import math
import struct

from playground.core.compiled.wasm.binary import FunctionType, ValueType, WasmModule, encode_unsigned
from playground.core.compiled.wasm.function import Node, WasmFunction

TWO_OVER_PI = bytes.fromhex(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424d"
    "d2e006492eea09d1921cfe1deb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639"
    "835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf27cb09b74f46"
    "3f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b6bab"
)
"""The first 1,216 binary digits of 2/π, enough for the largest number of double precision."""

TABLE_ADDRESS = 512
"""Where a module's memory holds `TWO_OVER_PI`, as words of 32 bits after two words of zeros."""

HALF_PI_LOW = 6.123233995736766e-17
"""π/2 less its nearest number of double precision."""

LOW_WORD = 2**32 - 1

LIMBS = 6
"""How many words of 32 bits the digits are multiplied in."""

OPERATIONS = {
    "add": 0x7C,
    "mul": 0x7E,
    "and": 0x83,
    "or": 0x84,
    "shl": 0x86,
    "sar": 0x87,
    "shr": 0x88,
    "bits": 0xBD,
    "fadd": 0xA0,
    "fsub": 0xA1,
    "fmul": 0xA2,
    "fsign": 0xA6,
    "fsigned": 0xB9,
    "funsigned": 0xBA,
}
"""Instructions on single integers and, with an f, on numbers of 64 bits."""


class Scalars:
    """Writes arithmetic on single numbers of 64 bits.

    :param function: that receives it.
    """

    def __init__(self, function: WasmFunction) -> None:
        self.function = function

    def __call__(self, name: str, *operands: Node | float) -> Node:
        """Return the value of an operation; Python numbers among its operands are constants."""
        type_ = ValueType.F64 if name[0] == "f" else ValueType.I64
        return self.function.node(bytes([OPERATIONS[name]]), type_, *map(self._lift, operands))

    def _lift(self, operand: Node | float) -> Node:
        if isinstance(operand, Node):
            return operand
        if isinstance(operand, int):
            return self.function.integer(operand, ValueType.I64)
        return self.function.node(b"\x44" + struct.pack("<d", operand), ValueType.F64)


def write_turn(module: WasmModule) -> int:
    """Add a function of one x to a module: r with |r| <= π/4 and the quadrant k, x = k π/2 + r + 2 n π.

    It is right for |x| >= 2²⁰, infinities and NaN.

    :returns: the index of the function, which returns r and k as a register of two numbers.
    """
    module.data[TABLE_ADDRESS] = struct.pack("<40I", 0, 0, *struct.unpack(">38I", TWO_OVER_PI))
    function = WasmFunction(module, FunctionType((ValueType.F64,), (ValueType.V128,)))
    do = Scalars(function)
    x = function.read(function.parameters[0])
    bits = do("bits", x)
    mantissa = do("or", do("and", bits, 2**52 - 1), 2**52)
    limbs = _multiply(do, mantissa, _find_digits(do, do("and", do("shr", bits, 52), 2**11 - 1)))
    first = do("or", do("shl", limbs[0], 32), limbs[1])
    # The two leading digits are the quadrant. The next 64 are the share of a quarter turn, from -1/2 to 1/2.
    share = do("or", do("shl", first, 2), do("shr", limbs[2], 30))
    after = do("or", do("or", do("shl", limbs[2], 34), do("shl", limbs[3], 2)), do("shr", limbs[4], 30))
    quadrant = do("add", do("shr", first, 62), do("shr", share, 63))
    upper = do("fmul", do("fsigned", do("sar", share, 32)), 2.0**-32)
    lower = do("fmul", do("funsigned", do("and", share, LOW_WORD)), 2.0**-64)
    angle = _times_half_pi(do, *_sum(do, upper, lower, do("fmul", do("funsigned", after), 2.0**-128)))
    sign = do("fsign", 1.0, x)
    # x - x is NaN for an x that is infinite or NaN, else 0.
    signed = do("fadd", do("fmul", angle, sign), do("fsub", x, x))
    both = function.node(b"\xfd\x14", ValueType.V128, signed)
    return function.finish(
        function.node(b"\xfd\x22\x01", ValueType.V128, both, do("fmul", do("fsigned", quadrant), sign))
    )


def _find_digits(do: Scalars, exponent: Node) -> list[Node]:
    """Return the digits of 2/π from the first whose product with x is no multiple of 4, as words.

    :param exponent: of x, as its bits have it.
    """
    function, begin = do.function, do("add", exponent, -1013)
    # Smaller numbers are not looked at, but must not lead elsewhere in the memory.
    is_inside = function.node(b"\x59", ValueType.I32, begin, function.integer(0, ValueType.I64))
    begin = function.node(b"\x1b", ValueType.I64, begin, function.integer(0, ValueType.I64), is_inside)
    place = function.node(b"\xa7", ValueType.I32, do("shl", do("shr", begin, 5), 2))
    words = [
        function.load(b"\x35\x02" + encode_unsigned(TABLE_ADDRESS + 4 * word), ValueType.I64, place)
        for word in range(LIMBS + 1)
    ]
    shift = do("and", begin, 31)
    return [do("shr", do("shl", do("or", do("shl", words[i], 32), words[i + 1]), shift), 32) for i in range(LIMBS)]


def _multiply(do: Scalars, mantissa: Node, digits: list[Node]) -> list[Node]:
    """Return the fraction of a whole number times digits: by its lower and its upper half, one after the other."""
    carry: Node | int = 0
    found = list(digits)
    for i in reversed(range(LIMBS)):
        term = do("add", do("mul", digits[i], do("and", mantissa, LOW_WORD)), carry)
        found[i], carry = do("and", term, LOW_WORD), do("shr", term, 32)
    carry = 0
    for i in reversed(range(1, LIMBS)):
        term = do("add", do("add", do("mul", digits[i], do("shr", mantissa, 32)), found[i - 1]), carry)
        found[i - 1], carry = do("and", term, LOW_WORD), do("shr", term, 32)
    return found


def _sum(do: Scalars, a: Node, b: Node, c: Node) -> tuple[Node, Node]:
    """Return a + b + c rounded and the rounding error; each is 0 or larger than the next."""
    rounded = do("fadd", a, b)
    rest = do("fadd", do("fsub", b, do("fsub", rounded, a)), c)
    total = do("fadd", rounded, rest)
    return total, do("fsub", rest, do("fsub", total, rounded))


def _times_half_pi(do: Scalars, number: Node, low: Node) -> Node:
    """Return π/2 (number + low), rounded once: both factors are split, so that partial products are exact."""
    half_pi = math.pi / 2
    upper_pi = math.ldexp(math.floor(math.ldexp(half_pi, 25)), -25)
    lower_pi = half_pi - upper_pi
    much = do("fmul", number, 2.0**27 + 1)
    upper = do("fsub", much, do("fsub", much, number))
    lower = do("fsub", number, upper)
    product = do("fmul", number, half_pi)
    lost = do("fsub", do("fmul", upper, upper_pi), product)
    for a, b in (upper, lower_pi), (lower, upper_pi), (lower, lower_pi), (number, HALF_PI_LOW), (low, half_pi):
        lost = do("fadd", lost, do("fmul", a, b))
    return do("fadd", product, lost)
