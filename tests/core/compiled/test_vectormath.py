"""The functions of vectors against long doubles over their whole range, in units in the last place."""

import ctypes
import math

import mpmath
import numpy as np
import pytest

from playground.core.compiled import jit, vectormath
from playground.core.compiled.assembly import assemble_module
from playground.core.compiled.code import Code, Lanes
from playground.core.setting import flush_denormals

FEW = 97
PRECISIONS = {"float": np.float32, "double": np.float64}
WIDTHS = [128, jit.vector_bits()]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def erf(x):
    """By mpmath, for enough of the arguments: the others are not looked at."""
    found = np.full(len(x), np.nan, dtype=np.longdouble)
    found[::FEW] = [np.longdouble(mpmath.nstr(mpmath.erf(mpmath.mpf(float(each))), 25)) for each in x[::FEW]]
    return found


REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "atan": np.arctan,
    "erf": erf,
}


def compiled(name, lanes, bits, operands=1, inline=True):
    """One function as a loop over arrays."""
    code = Code(lanes)
    pointers = ", ".join(f"ptr %in{i}" for i in range(operands))
    code.lines.append(f"define void @apply(i64 %count, {pointers}, ptr %out) {{")
    code.label("entry")
    code.line("br label %loop")
    code.label("loop")
    code.line("%i = phi i64 [0, %entry], [%next, %end]")
    code.line(f"%at = mul i64 %i, {lanes.width}")
    values = [code.load(f"%in{i}", lanes.number, "%at", lanes.numbers) for i in range(operands)]
    code.store(vectormath.call(name, *values), "%out", lanes.number, "%at")
    code.line("br label %end")
    code.label("end")
    code.line("%next = add i64 %i, 1")
    code.line("%more = icmp slt i64 %next, %count")
    code.line("br i1 %more, label %loop, label %done")
    code.label("done")
    code.line("ret void")
    code.lines.append("}")
    text, library = assemble_module([code], inline)
    function = jit.CompiledModule(text, bits, library).function(
        "apply", ctypes.c_int64, *[ctypes.c_void_p] * (operands + 1)
    )

    @flush_denormals()
    def apply(*arrays):
        out = np.empty_like(arrays[0])
        function(len(out) // lanes.width, *(array.ctypes.data for array in arrays), out.ctypes.data)
        return out

    return apply


def arguments(dtype, count=40_000):
    """Numbers of every size and both signs, those that are usual, and those that are special."""
    rng = np.random.default_rng(0)
    bits = np.dtype(dtype).itemsize * 8
    whole = rng.integers(0, 2**bits, count, dtype=f"u{bits // 8}").view(dtype)
    sizes = np.exp(rng.uniform(-30, 12, count)) * rng.choice([-1, 1], count)
    near_one = 1 + 0.3 * rng.standard_normal(count)
    quarters = np.rint(rng.uniform(-1e4, 1e4, count)) * (np.pi / 2)
    even = np.linspace(-20, 20, count)
    info = np.finfo(dtype)
    special = [
        0.0,
        -0.0,
        math.inf,
        -math.inf,
        math.nan,
        info.tiny,
        -info.tiny,
        info.max,
        -info.max,
        info.tiny / 4,
        1,
        -1,
    ]
    wide = [88.7, 88.8, -87.4, -103, 709.7, 709.8, -745, -708.4, 1e6, 999_999.5, -1e6 - 1, 3e8]
    return np.concatenate(
        [
            whole,
            *(np.asarray(each).astype(dtype) for each in (sizes, near_one, quarters, even)),
            np.tile(np.array([*special, *wide], dtype), 64),
        ]
    )


def errors(found, wanted, dtype):
    """The distance in units in the last place; what is below the normal range counts as zero."""
    tiny = np.finfo(dtype).tiny
    rounded = wanted.astype(dtype)
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    same |= (np.abs(rounded) <= tiny) & (np.abs(found) <= tiny)
    unit = np.spacing(np.maximum(np.abs(rounded), tiny)).astype(np.longdouble)
    distance = np.abs(found.astype(np.longdouble) - wanted) / unit
    distance = np.where(np.isnan(distance), np.inf, distance)
    return np.where(same, np.where(np.isfinite(distance) & (np.abs(rounded) > tiny), distance, 0), distance)


def test_an_error_is_stated_for_every_function_and_is_small() -> None:
    assert REFERENCES.keys() | {"pow"} == vectormath.FUNCTIONS.keys() == vectormath.MAX_ERRORS_ULP.keys()
    assert max(vectormath.MAX_ERRORS_ULP.values()) <= 2.0


@pytest.mark.sampled(4)
@pytest.mark.parametrize("bits", sorted(set(WIDTHS)))
@pytest.mark.parametrize("number", PRECISIONS)
@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_error_over_the_whole_range(name, number, bits) -> None:
    dtype = PRECISIONS[number]
    lanes = Lanes(number, bits // (8 * np.dtype(dtype).itemsize))
    x = arguments(dtype)
    found = compiled(name, lanes, bits)(x)
    flushed = np.where(np.abs(x) < np.finfo(dtype).tiny, np.copysign(dtype(0), x), x)
    error = errors(found, REFERENCES[name](flushed.astype(np.longdouble)), dtype)
    error = np.where(np.arange(len(x)) % FEW, 0, error) if name == "erf" else error
    worst = error.argmax()
    assert error[worst] <= vectormath.MAX_ERRORS_ULP[name], f"{error[worst]:.2f} at {x[worst]!r}: {found[worst]!r}"


@pytest.mark.parametrize("number", PRECISIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_error_of_powers(number) -> None:
    dtype = PRECISIONS[number]
    bits = jit.vector_bits()
    rng = np.random.default_rng(1)
    base = np.concatenate(
        [
            np.exp(rng.uniform(-20, 20, 20_000)),
            -np.exp(rng.uniform(-3, 3, 20_000)),
            np.repeat([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.0], 8),
        ]
    )
    power = np.concatenate(
        [
            rng.uniform(-8, 8, 20_000),
            np.rint(rng.uniform(-9, 9, 20_000)),
            np.tile([0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 3.0], 8),
        ]
    )
    base, power = base.astype(dtype), power.astype(dtype)
    found = compiled("pow", Lanes(number, bits // (8 * np.dtype(dtype).itemsize)), bits, operands=2)(base, power)
    error = errors(found, np.power(base.astype(np.longdouble), power.astype(np.longdouble)), dtype)
    worst = error.argmax()
    assert error[worst] <= vectormath.MAX_ERRORS_ULP["pow"], (
        f"{error[worst]:.2f} at {base[worst]!r} ** {power[worst]!r}: {found[worst]!r}"
    )


@pytest.mark.parametrize("name", REFERENCES)
def test_a_lane_depends_on_nothing_but_its_argument(name) -> None:
    """Among huge numbers and NaN as among its like, and whether the function is copied or called."""
    bits = jit.vector_bits()
    lanes = Lanes("double", bits // 64)
    x = np.linspace(-3, 3, 40 * lanes.width)
    wild = x.copy()
    wild[1 :: lanes.width] = np.resize([math.nan, math.inf, -1e300, 1e7], len(wild[1 :: lanes.width]))
    apply = compiled(name, lanes, bits)
    kept = np.ones(len(x), dtype=bool)
    kept[1 :: lanes.width] = False
    np.testing.assert_array_equal(apply(x)[kept], apply(wild)[kept])
    np.testing.assert_array_equal(apply(x), compiled(name, lanes, bits, inline=False)(x))
