"""The binary format, and functions written as values and statements."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.compiled.wasm.binary import FunctionType, ValueType, WasmModule, encode_signed, encode_unsigned
from playground.core.compiled.wasm.function import WasmFunction

I32, F64 = ValueType.I32, ValueType.F64
ADD, SUB, MUL, LESS = b"\x6a", b"\x6b", b"\x6c", b"\x48"


def decode(data, signed):
    number, shift = 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
    return number - (1 << shift) if signed and data[-1] & 64 else number


@given(st.integers(0, 2**64))
def test_unsigned_numbers(number):
    assert decode(encode_unsigned(number), signed=False) == number


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_numbers(number):
    data = encode_signed(number)
    assert decode(data, signed=True) == number
    assert len(data) == 1 or decode(data[:-1], signed=True) != number


def function_of(count, results=(I32,)):
    module = WasmModule()
    return module, WasmFunction(module, FunctionType((I32,) * count, results))


def test_memory_data_and_exports(instance_of) -> None:
    module, function = function_of(1)
    module.data[100] = struct.pack("<i", -7)
    function.finish(
        function.load(b"\x28\x02" + encode_unsigned(96), I32, function.read(function.parameters[0])), name="get"
    )
    instance = instance_of(module.encode())
    assert instance.call("get", 4) == -7
    assert len(instance.reserve(200_000)) >= 200_000


@given(st.integers(-(2**31), 2**31 - 1))
def test_constants(instance_of, number) -> None:
    module, function = function_of(0)
    function.finish(function.integer(number), name="get")
    assert instance_of(module.encode()).call("get") == number


def test_a_shared_value_is_computed_once(instance_of) -> None:
    module, function = function_of(2)
    a, b = map(function.read, function.parameters)
    total = function.node(ADD, I32, a, b)
    assert total is function.node(ADD, I32, a, b)
    for _ in range(200):  # as a tree, this would have 2²⁰⁰ leaves
        total = function.node(ADD, I32, total, total)
    product = function.node(MUL, I32, function.node(SUB, I32, a, b), function.node(SUB, I32, a, b))
    function.finish(function.node(ADD, I32, total, product), name="get")
    code = module.encode()
    assert len(code) < 2_000
    assert instance_of(code).call("get", 7, 4) == 9


@given(st.integers(0, 20), st.integers(-5, 5))
def test_loops_and_conditions(instance_of, steps, start) -> None:
    """Odd steps add the step's number, even ones double; variables change all at once."""
    module, function = function_of(2)
    last, first = map(function.read, function.parameters)
    step, total, old = (function.variable(each) for each in (function.integer(0), first, function.integer(0)))

    def body():
        now = function.read(step)
        odd = function.node(b"\x71", I32, now, function.integer(1))
        function.keep(odd)
        read = function.read

        def add():
            function.assign([total, old], [function.node(ADD, I32, read(total), read(step)), read(total)])

        def double():
            function.assign([old, total], [read(total), function.node(ADD, I32, read(total), read(total))])

        function.when(odd, add)
        function.when(function.node(b"\x45", I32, odd), double)
        function.assign([step], [function.node(ADD, I32, read(step), function.integer(1))])
        return function.node(LESS, I32, read(step), last)

    function.when(function.node(LESS, I32, function.integer(0), last), lambda: function.loop(body))
    both = function.node(MUL, I32, function.read(old), function.integer(1000))
    function.finish(function.node(ADD, I32, both, function.read(total)), name="get")
    wanted, before = start, 0
    for number in range(steps):
        wanted, before = (wanted + number if number % 2 else 2 * wanted), wanted
    assert instance_of(module.encode()).call("get", steps, start) == before * 1000 + wanted


@pytest.mark.parametrize("kept", [False, True], ids=["read late", "kept"])
def test_what_reads_a_variable_is_kept_before_an_assignment(instance_of, kept) -> None:
    module, function = function_of(1)
    variable = function.variable(function.read(function.parameters[0]))
    square = function.node(MUL, I32, function.read(variable), function.read(variable))
    if kept:
        function.keep(square)
    function.assign([variable], [function.integer(2)])
    assert function.node(MUL, I32, function.read(variable), function.read(variable)) is not square
    function.finish(square, name="get")
    assert instance_of(module.encode()).call("get", 5) == (25 if kept else 4)


def test_many_locals(instance_of) -> None:
    module, function = function_of(1)
    x = function.read(function.parameters[0])
    values = [function.node(ADD, I32, x, function.integer(k)) for k in range(300)]
    function.keep(*values)
    total = function.integer(0)
    for value in values:
        total = function.node(ADD, I32, total, function.node(MUL, I32, value, value))
    function.finish(total, name="get")
    assert instance_of(module.encode()).call("get", 1) == sum((k + 1) ** 2 for k in range(300))
