"""A symbolic number computes what Python computes."""

import builtins
import math
import operator

import numpy as np
import pytest
import torch

from playground.core.compiled.errors import CannotCompileError, RunsDifferError
from playground.core.compiled.number import SymbolicNumber
from playground.core.compiled.patching import take_symbolic_numbers
from playground.core.compiled.program import LANE, SLOT, STEP
from playground.core.compiled.recorder import ProgramRecorder
from playground.core.compiled.rules import RULES

HERE = __import__("sys").modules[__name__]


def record(work, *kinds, lanes=None, **known):
    """Call a function with symbolic numbers of these kinds: `float` or `int`; return the recorder and the result."""
    recorder = ProgramRecorder(torch.float64, RULES, lanes)
    kind = known.pop("kind", SLOT)
    recorder.decisions.now = {(STEP,): known["step"]} if known else {}
    with take_symbolic_numbers([HERE]):
        numbers = [
            recorder.number(recorder.program.input(*((kind,) if kind == STEP else (kind, i))), each is builtins.int)
            for i, each in enumerate(kinds)
        ]
        return recorder, recorder.record(lambda: work(*numbers))


def evaluate(recorder, result, values, kind=SLOT):
    """Return what was recorded as a number, and whether it is whole."""
    if not isinstance(result, SymbolicNumber):
        return result
    inputs = {(kind, i): np.float64(value) for i, value in enumerate(values)}
    (found,) = recorder.program.evaluate([result.index], inputs)
    return builtins.int(found) if result.whole else builtins.float(found)


def assert_same(work, *values, kind=SLOT):
    """Compare a function of symbolic numbers with itself on ordinary ones; the type of the result too."""
    recorder, result = record(work, *map(type, values), kind=kind)
    found, wanted = evaluate(recorder, result, values, kind), work(*values)
    # The larger one of an `int` and a `float` may be either.
    assert isinstance(found, type(wanted)) or {*map(type, values)} == {builtins.int, builtins.float}, repr(found)
    assert found == pytest.approx(wanted, rel=1e-14)


UNARY = {
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "+ 1": lambda x: x + 1,
    "1 +": lambda x: 1 + x,
    "- 0.5": lambda x: x - 0.5,
    "0.5 -": lambda x: 0.5 - x,
    "* 3": lambda x: x * 3,
    "3 *": lambda x: 3 * x,
    "/ 2": lambda x: x / 2,
    "2 /": lambda x: 2 / x,
    "** 2": lambda x: x**2,
    "0.9 **": lambda x: 0.9**x,
    "round": round,
    "round to no digits": lambda x: round(x, 0),
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "int": lambda x: int(x),
    "float": lambda x: float(x),
    "sqrt": lambda x: math.sqrt(abs(x)),
    "exp": lambda x: math.exp(-abs(x)),
    "log": lambda x: math.log(abs(x)),
    "log to a base": lambda x: math.log(abs(x), 3),
    "log of a base": lambda x: math.log(3, abs(x)),
    **{
        name: lambda x, name=name: getattr(math, name)(abs(x))
        for name in (
            "log1p",
            "expm1",
            "tanh",
            "sin",
            "cos",
            "atan",
            "erf",
            "log2",
            "log10",
            "fabs",
            "degrees",
            "radians",
        )
    },
    "pow": lambda x: math.pow(abs(x), 1.5),
    "copysign": lambda x: math.copysign(2.0, x),
    "copysign of it": lambda x: math.copysign(x, -1.0),
    "hypot": lambda x: math.hypot(x, 2.0, 1.0),
    "max": lambda x: float(max(x, 1.25)),
    "max of whole numbers": lambda x: max(math.floor(x), 1, 2),
    "max of a list": lambda x: float(max([0.5, x, 1.25])),
    "min": lambda x: float(min(0.25, x, 3.0)),
    "max of one": lambda x: max([x]),
    "sum": lambda x: sum([x, x, 1]),
    "numpy's root": lambda x: float(np.sqrt(abs(x))),
    "a product with numpy": lambda x: x * float(np.float64(2.0)),
    "item": lambda x: x.item() if hasattr(x, "item") else x,
}


@pytest.mark.parametrize("value", [2.7, -3.4, 5, -7, 0.5], ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_operations_on_one_number(name, value) -> None:
    assert_same(UNARY[name], value)


BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": lambda a, b: abs(a) ** b,
    "max": lambda a, b: max(a, b),
    "min": lambda a, b: min(a, b),
    "hypot": lambda a, b: math.hypot(a, b),
}


@pytest.mark.parametrize("values", [(2.5, 0.75), (-3.5, 2), (7, 2.5), (-7.5, -2.5)], ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_operations_on_two_numbers(name, values) -> None:
    assert_same(BINARY[name], *values)


WHOLE = {"//": operator.floordiv, "%": operator.mod}


@pytest.mark.parametrize(
    "values", [(7, 2), (-7, 2), (7, -2), (-7, -2), (7.5, 2.0), (-7.5, 2), (6, 3), (49, 7)], ids=str
)
@pytest.mark.parametrize("name", WHOLE)
def test_quotients_and_remainders(name, values) -> None:
    """Of hyperparameters; of numbers of the run they are refused."""
    assert_same(WHOLE[name], *values, kind=LANE)
    a, b = values
    assert_same(lambda x: WHOLE[name](x, b), a, kind=LANE)
    assert_same(lambda x: WHOLE[name](a, x), b, kind=LANE)
    assert_same(lambda x: divmod(x, b)[0], a, kind=LANE)
    assert_same(lambda x: divmod(x, b)[1], a, kind=LANE)
    assert_same(lambda x: divmod(a, x)[1], b, kind=LANE)
    with pytest.raises(CannotCompileError, match="a remainder of numbers that differ between runs"):
        record(lambda x: WHOLE[name](x, b), type(a))


def test_quotients_of_the_step_and_a_hyperparameter_are_exact() -> None:
    """A kernel multiplies by a rounded reciprocal: 49 * (1 / 49) is below 1."""
    recorder = ProgramRecorder(torch.float64, RULES)
    step = recorder.number(recorder.program.input(STEP), whole=True)
    every = recorder.number(recorder.program.input(LANE, 0), whole=True)
    quotient = step // every
    steps = np.arange(500.0)
    for k in (3, 7, 49):
        (found,) = recorder.program.evaluate([quotient.index], {(STEP,): steps, (LANE, 0): np.float64(k)})
        assert (found == steps // k).all()
    assert {"ge", "select"} <= {node.operation for node in recorder.program.nodes}  # which mends a quotient


COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "bool": lambda a, b: bool(a - b),
    "is whole": lambda a, b: a.is_integer(),
    "isnan": lambda a, b: math.isnan(a),
    "isinf": lambda a, b: math.isinf(a),
    "isfinite": lambda a, b: math.isfinite(a),
}


@pytest.mark.parametrize("step", [1, 2, 5])
@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_by_the_step_is_decided(name, step) -> None:
    """It is remembered: the program holds for steps at which it comes out the same."""
    work = COMPARISONS[name]
    recorder, result = record(lambda t: work(t * 0.5, 1), builtins.int, kind=STEP, step=step)
    assert result is work(step * 0.5, 1)
    assert list(recorder.decisions.by_step.values()) == [builtins.float(result)]


def test_a_comparison_by_a_hyperparameter_divides_the_runs() -> None:
    lanes = {(LANE, 0): np.array([0.0, 0.1, 0.0, 0.2])}
    with pytest.raises(RunsDifferError) as caught:
        record(lambda x: bool(x), builtins.float, kind=LANE, lanes=lanes)
    assert caught.value.groups() == [[0, 2], [1, 3]]
    assert record(lambda x: x < 1, builtins.float, kind=LANE, lanes=lanes)[1] is True


@pytest.mark.parametrize(
    "work", [lambda x: round(x, 1), lambda x: x > 0, bool, lambda x: [1, 2][x], range, lambda x: "a" * x, hash]
)
def test_a_number_of_the_run_has_no_value(work) -> None:
    if work is hash:
        assert record(work, builtins.float)[1] == record(work, builtins.float)[1]
        return
    with pytest.raises(CannotCompileError, match="differs between runs"):
        record(work, builtins.float)


@pytest.mark.parametrize(
    ("work", "wanted"),
    [
        (lambda t: round(t * 0.37 + 0.74, 1), round(3 * 0.37 + 0.74, 1)),
        (range, range(3)),
        (lambda t: [5, 6, 7, 8][t], 8),
        (lambda t: "a" * t, "aaa"),
        (lambda t: f"{t}"[:1], "v"),
    ],
)
def test_the_step_has_a_value(work, wanted) -> None:
    assert record(work, builtins.int, kind=STEP, step=3)[1] == wanted


def test_what_is_no_number_is_not_computed_with() -> None:
    for work in (lambda x: x + "a", lambda x: x * None, lambda x: x < "a"):
        with pytest.raises(CannotCompileError, match=r"unsupported operand|not supported"):
            record(work, builtins.float)
    assert record(lambda x: (x == "a", x != None), builtins.float)[1] == (False, True)  # noqa: E711


def test_constants_are_ordinary_numbers() -> None:
    recorder, result = record(lambda x: (x - x * 0 + 2, x), builtins.float)
    assert isinstance(result[1], SymbolicNumber)
    zero = recorder.number(recorder.program.constant(2.0), whole=True)
    assert (zero, type(zero)) == (2, builtins.int)


TENSORS = {
    "tensor": lambda x: torch.tensor(x, dtype=torch.float64),
    "tensor of a list": lambda x: torch.tensor([[x, 1.0], [2.0, x * 2]], dtype=torch.float64),
    "as_tensor": lambda x: torch.as_tensor([x, 1.0], dtype=torch.float64),
    "default dtype": lambda x: torch.tensor([x * 1.1]),
    "mul": lambda x: torch.arange(3.0, dtype=torch.float64) * x,
    "rmul": lambda x: x * torch.arange(3.0, dtype=torch.float64),
    "alpha": lambda x: torch.arange(3.0).double().add(torch.ones(3).double(), alpha=x),
    "value": lambda x: torch.ones(3).double().addcmul(torch.ones(3).double(), torch.arange(3.0).double(), value=-x),
    "lerp": lambda x: torch.zeros(3).double().lerp(torch.ones(3).double(), 1 / (2 + x)),
    "pow": lambda x: torch.arange(1.0, 4.0).double() ** x,
    "rpow": lambda x: x ** torch.arange(1.0, 4.0).double(),
    "full": lambda x: torch.full((2,), x, dtype=torch.float64),
    "fill": lambda x: torch.zeros(2).double().fill_(x),
    "clamp": lambda x: torch.arange(4.0).double().clamp(max=x),
    "item": lambda x: torch.tensor(x, dtype=torch.float64).item() + torch.ones(()).double(),
    "float": lambda x: float(torch.tensor(x, dtype=torch.float64)) + torch.ones(()).double(),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_take_symbolic_numbers(name) -> None:
    recorder, result = record(TENSORS[name], builtins.float)
    symbol = recorder.lift(result)
    values = recorder.program.evaluate(symbol.ids.flatten().tolist(), {(SLOT, 0): np.float64(1.7)})
    wanted = TENSORS[name](1.7)
    assert symbol.dtype is wanted.dtype
    found = torch.tensor([builtins.float(each) for each in values], dtype=torch.float64).reshape(symbol.shape)
    torch.testing.assert_close(found, wanted.double())


def test_functions_are_replaced_only_while_a_step_is_recorded() -> None:
    before = math.sqrt, math.log, torch.tensor, vars(HERE).get("float"), vars(HERE).get("max")
    with pytest.raises(CannotCompileError, match="on purpose"):
        record(lambda x: [math.sqrt(x)].index(CannotCompileError("on purpose")) or raise_on_purpose(), builtins.float)
    assert before == (math.sqrt, math.log, torch.tensor, vars(HERE).get("float"), vars(HERE).get("max"))


def raise_on_purpose():
    raise CannotCompileError("on purpose")


def test_types_tell_symbolic_numbers_apart() -> None:
    def work(x):
        return isinstance(x, float), isinstance(x, int), isinstance(1.5, float), isinstance(1, int), float("2.5")

    assert record(work, builtins.float)[1] == (True, False, True, True, 2.5)
    assert record(work, builtins.int)[1] == (False, True, True, True, 2.5)
