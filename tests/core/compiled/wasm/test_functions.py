"""Functions of numbers in WebAssembly over their whole range, and every scalar operation against its meaning."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.core.compiled import vectormath
from playground.core.compiled.body import Emitter
from playground.core.compiled.program import SLOT, Program
from playground.core.compiled.scalar_operations import OPERATIONS, Dependence
from playground.core.compiled.wasm.binary import FunctionType, ValueType, WasmModule
from playground.core.compiled.wasm.function import WasmFunction
from playground.core.compiled.wasm.functions import FunctionTable
from playground.core.compiled.wasm.vector import WasmCode, WasmLanes

PRECISIONS = {"float": np.float32, "double": np.float64}
FIRST, COUNT = 1024, 64
EXACT = ("add", "sub", "mul", "div", "fma", "neg", "abs", "sqrt", "floor", "ceil", "trunc", "round", "float32")
EXACT += ("maximum", "minimum", "select")
MAX_ULP = 3.0
"""Errors of the series and of numpy's functions together."""


def write(number, operands, outputs):
    """A module with `apply(count)`, which reads and writes arrays of `COUNT` numbers, a register at a time.

    :param outputs: from code and operands to the results.
    """
    module = WasmModule()
    function = WasmFunction(module, FunctionType((ValueType.I32,)))
    code = WasmCode(function, WasmLanes(number, 4 if number == "float" else 2), FunctionTable(module))
    bytes_each = COUNT * code.lanes.bytes_each
    at = function.variable(function.integer(0))

    def body():
        here = function.read(at)
        values = [code.load(here, FIRST + i * bytes_each) for i in range(operands)]
        for i, value in enumerate(outputs(code, values), start=operands):
            code.store(value, here, FIRST + i * bytes_each)
        function.assign([at], [function.node(b"\x6a", ValueType.I32, here, function.integer(16))])
        return function.node(b"\x48", ValueType.I32, function.read(at), function.read(function.parameters[0]))

    function.loop(body)
    function.finish(name="apply")
    return module.encode()


class Applied:
    """Calls `apply` for arrays of any length."""

    def __init__(self, instance, number, operands, results):
        self._instance, self._dtype, self._operands = instance, PRECISIONS[number], operands
        self._shape = (operands + results, COUNT)
        size = np.dtype(self._dtype).itemsize * operands * COUNT + np.dtype(self._dtype).itemsize * results * COUNT
        self._view = instance.reserve(FIRST + size)[FIRST : FIRST + size].view(self._dtype).reshape(self._shape)

    def __call__(self, *arrays):
        found = []
        for begin in range(0, len(arrays[0]), COUNT):
            for i, each in enumerate(arrays):
                part = each[begin : begin + COUNT]
                self._view[i, : len(part)] = part
            self._instance.call("apply", self._view[0].nbytes)
            found.append(self._view[self._operands :].copy())
        return np.concatenate(found, axis=1)[:, : len(arrays[0])]


@pytest.fixture(scope="module")
def ranges(load_beside):
    """The arguments and errors of `test_vectormath.py`."""
    return load_beside("test_vectormath")


def flushed(x):
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("number", PRECISIONS)
@pytest.mark.parametrize("name", [name for name in vectormath.FUNCTIONS if name != "pow"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_error_over_the_whole_range(instance_of, ranges, name, number) -> None:
    """Arguments below the normal range count as zero, or as what they are."""
    dtype = PRECISIONS[number]
    code = write(number, 1, lambda _, values: [vectormath.call(name, *values)])
    x = ranges.arguments(dtype, count=10_000)
    (found,) = Applied(instance_of(code), number, 1, 1)(x)
    reference = ranges.REFERENCES[name]
    both = [ranges.errors(found, reference(each.astype(np.longdouble)), dtype) for each in (x, flushed(x))]
    error = np.minimum(*both)
    error = np.where(np.arange(len(x)) % ranges.FEW, 0, error) if name == "erf" else error
    worst = error.argmax()
    limit = 2.0 if name == "atan" else vectormath.MAX_ERRORS_ULP[name]
    assert error[worst] <= limit, f"{error[worst]:.2f} at {x[worst]!r}: {found[worst]!r}"


@pytest.mark.parametrize("number", PRECISIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_error_of_powers(instance_of, ranges, number) -> None:
    dtype, rng = PRECISIONS[number], np.random.default_rng(1)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 2.0, np.inf, -np.inf, np.nan]
    near_one = np.exp(rng.uniform(-0.01, 0.01, 8_000))
    base = [np.exp(rng.uniform(-20, 20, 8_000)), -np.exp(rng.uniform(-3, 3, 8_000)), near_one, np.repeat(special, 10)]
    exponent = [rng.uniform(-8, 8, 8_000), np.rint(rng.uniform(-9, 9, 8_000)), rng.uniform(-6e4, 6e4, 8_000)]
    base, exponent = (np.concatenate(each).astype(dtype) for each in (base, [*exponent, np.tile(special, 10)]))
    code = write(number, 2, lambda _, values: [vectormath.call("pow", *values)])
    (found,) = Applied(instance_of(code), number, 2, 1)(base, exponent)
    wanted = np.power(base.astype(np.longdouble), exponent.astype(np.longdouble))
    error = ranges.errors(found, wanted, dtype)
    worst = error.argmax()
    assert error[worst] <= 1.0, f"{error[worst]:.2f} at {base[worst]!r} ** {exponent[worst]!r}: {found[worst]!r}"


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_the_hardest_arguments_of_waves(instance_of, name) -> None:
    """Doubles that lie next to multiples of π/2, and the largest one."""
    import mpmath

    hard = [6381956970095103.0 * 2.0**797, 5.319372648326541e255, 1.7976931348623157e308, 1e22, 1e6 + 0.5, 2.0**20]
    x = np.array([*hard, *(-each for each in hard)])
    code = write("double", 1, lambda _, values: [vectormath.call(name, *values)])
    (found,) = Applied(instance_of(code), "double", 1, 1)(x)
    with mpmath.workprec(1_300):
        wanted = [float(getattr(mpmath, name)(mpmath.mpf(float(each)))) for each in x]
    np.testing.assert_allclose(found, wanted, rtol=4e-16)


def operation_program(dtype):
    """Every operation of three numbers; what is a boolean becomes 1 or 0."""
    program = Program(dtype)
    x, y, z = (program.input(SLOT, i) for i in range(3))
    below, above = program.apply("lt", x, y), program.apply("gt", y, z)
    operands = {"fma": (x, y, z), "select": (below, y, z), "and": (below, above), "or": (below, above), "not": (below,)}
    binary = {*["add", "sub", "mul", "div", "pow", "maximum", "minimum", "lt", "le", "gt", "ge", "eq", "ne"]}
    one, zero = program.constant(1.0), program.constant(0.0)
    found = {}
    for name, operation in OPERATIONS.items():
        index = program.apply(name, *operands.get(name, (x, y) if name in binary else (x,)))
        found[name] = program.apply("select", index, one, zero) if operation.boolean else index
    for name in ("eq", "ne"):
        found[f"{name} of truths"] = program.apply("select", program.apply(name, below, above), one, zero)
    return program, found


@pytest.fixture(scope="module", params=PRECISIONS)
def operations(instance_of, request):
    """Every operation, in one module; its program, and the values by name."""
    number = request.param
    program, found = operation_program(PRECISIONS[number])

    def outputs(code, values):
        inputs = {(SLOT, i): (lambda value=value: value) for i, value in enumerate(values)}
        emitter = Emitter(code, program, inputs, {})
        emitter.emit(program.needed(found.values()))
        return [emitter.value(index) for index in found.values()]

    applied = Applied(instance_of(write(number, 3, outputs)), number, 3, len(found))
    return applied, program, found, PRECISIONS[number]


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, np.inf, -np.inf, np.nan, 1e-310, -5e-324, 1e-40, 1e6, 1e22, -3e8, 88.8]


def is_close(found, wanted, dtype, limit):
    """Equal up to an error in units of the last place; numbers below the normal range are all alike."""
    tiny = np.finfo(dtype).tiny
    wanted = wanted.astype(dtype)
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    same |= (np.abs(found) <= tiny) & (np.abs(wanted) <= tiny)
    return same | (np.abs(found - wanted) <= limit * np.spacing(np.maximum(np.abs(wanted), tiny)))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_operation_means_what_its_table_says(operations, data) -> None:
    """Whatever the numbers are: of any size, infinite, subnormal or NaN. Subnormal ones may count as zero."""
    applied, program, found, dtype = operations
    width = np.dtype(dtype).itemsize * 8
    usual = st.floats(-10, 10, width=32)
    numbers = st.sampled_from(SPECIAL).map(lambda value: float(dtype(value))) | st.floats(width=width) | usual
    rows = [np.array(data.draw(st.lists(numbers, min_size=8, max_size=8)), dtype) for _ in range(3)]
    results = applied(*rows)
    wide = np.float64 if dtype is np.float32 else np.longdouble
    for name, index, result in zip(found, found.values(), results, strict=True):
        allowed = np.zeros(len(result), dtype=bool)
        exact = name in EXACT or OPERATIONS[name.split()[0]].boolean
        for given_rows in product(*((each, flushed(each)) for each in rows)):
            # numpy has no erf of long doubles, and its float32 functions are less exact than ours.
            kind = dtype if exact else np.float64 if name == "erf" else wide
            inputs = {(SLOT, i): each.astype(kind) for i, each in enumerate(given_rows)}
            (wanted,) = program.evaluate([index], inputs, kind)
            wanted = np.broadcast_to(np.asarray(wanted), result.shape)
            allowed |= is_close(result, wanted, dtype, 0 if exact else MAX_ULP)
        place = int(np.argmin(allowed))
        assert allowed.all(), f"{name} of {[each[place] for each in rows]}: {result[place]!r}, not {wanted[place]!r}"


STEPS = ("add", "sub", "mul", "div", "fma", "neg", "abs", "maximum", "minimum", "floor", "select")


@settings(max_examples=40, deadline=None)
@given(data=st.data(), number=st.sampled_from(sorted(PRECISIONS)))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_programs_of_any_shape(instance_of, data, number) -> None:
    """Values that are used never, once or often, near or far: each has the right local at the right time."""
    program = Program(PRECISIONS[number])
    values = [program.input(SLOT, i) for i in range(3)]
    values += [program.constant(each) for each in (0.5, -3.0)]
    steps = st.lists(st.tuples(st.sampled_from(STEPS), *[st.integers(0, 10_000)] * 3), min_size=5, max_size=60)
    for name, *places in data.draw(steps):
        a, b, c = (values[place % len(values)] for place in places)
        condition = program.apply("lt", a, b)
        count = {"fma": 3, "neg": 1, "abs": 1, "floor": 1}.get(name, 2)
        operands = (condition, b, c) if name == "select" else (a, b, c)[:count]
        values.append(program.apply(name, *operands))
    wanted = list(dict.fromkeys(values[-4:]))

    def outputs(code, loaded):
        inputs = {(SLOT, i): (lambda value=value: value) for i, value in enumerate(loaded)}
        emitter = Emitter(code, program, inputs, {}, [Dependence.RUN] * len(program.nodes))
        emitter.emit(program.needed([*wanted, *values[:3]]))
        return [emitter.value(index) for index in wanted]

    rows = [np.array([1.5, -2.25, 1e-3, 7.0], PRECISIONS[number]) * (i + 1) - i for i in range(3)]
    found = Applied(instance_of(write(number, 3, outputs)), number, 3, len(wanted))(*rows)
    inputs = {(SLOT, i): row for i, row in enumerate(rows)}
    for result, value in zip(found, program.evaluate(wanted, inputs, PRECISIONS[number]), strict=True):
        np.testing.assert_array_equal(result, np.broadcast_to(np.asarray(value, result.dtype), result.shape))
