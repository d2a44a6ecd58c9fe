"""Optimizers made at random: compiled, every run is what it is alone, or there is a reason why it is not compiled."""

import math
from functools import partial

import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st

from playground.core.compiled import CannotCompileError

STEPS = 25

# A formula is a nested tuple: the name of an operation and its operands. `TENSORS` give tensors, `NUMBERS` numbers.

TENSORS = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "scale": lambda x, n: x * n,
    "scale by": lambda x, n: n * x,
    "shift": lambda x, n: n - x,
    "ratio": lambda x, y: x / (y.abs() + 1.0),
    "tanh": lambda x: torch.tanh(x),
    "root": lambda x: x.abs().add(0.1).sqrt(),
    "square": lambda x: x**2,
    "power": lambda x, n: (x.abs() + 1) ** n,
    "clamp": lambda x, n: x.clamp(min=-1.0, max=abs(n) + 0.1),
    "mean": lambda x: x - x.mean(),
    "norm": lambda x: x / (x.norm() + 1.0),
    "lerp": lambda x, y, n: torch.lerp(x, y, 1 / (2 + abs(n))),
    "alpha": lambda x, y, n: torch.add(x, y, alpha=n),
    "addcmul": lambda x, y, n: x.addcmul(x, y, value=n),
    "foreach": lambda x, y: torch._foreach_mul([x], [y])[0],
    "where": lambda x, y: torch.where(x > y, x, y),
}

NUMBERS = {
    "plus": lambda a, b: a + b,
    "minus": lambda a, b: a - b,
    "times": lambda a, b: a * b,
    "over": lambda a, b: a / (abs(b) + 1),
    "to the": lambda a, b: (abs(a) + 0.5) ** min(b, 2.0),
    "root of": lambda a: math.sqrt(abs(a)),
    "exp of": lambda a: math.exp(-abs(a)),
    "cos of": lambda a: math.cos(a),
    "floor of": lambda a: math.floor(a),
    "rest": lambda a: a % 3,
    "larger": lambda a, b: max(a, b),
    "smaller": lambda a, b: min(a, float(b)),
    "item": lambda x: x.sum().item(),
}

LEAVES = {
    "tensor": ["p", "g", "s1", "s2"],
    "number": ["t", "a", "b", "c1", "1 / t", "0.9"],
    "known": ["t", "a", "1 / t"],
}
"""Beside tensors: the step's number, two options of which each run has its own, a number of the run, and constants."""

TENSOR_OPERANDS = {
    **dict.fromkeys(("add", "sub", "mul", "ratio", "foreach", "where"), "xx"),
    **dict.fromkeys(("tanh", "root", "square", "mean", "norm"), "x"),
    **dict.fromkeys(("scale", "scale by", "shift", "power", "clamp"), "xn"),
    **dict.fromkeys(("lerp", "alpha", "addcmul"), "xxn"),
}
NUMBER_OPERANDS = {
    **dict.fromkeys(("plus", "minus", "times", "over", "to the", "larger", "smaller"), "nn"),
    **dict.fromkeys(("root of", "exp of", "cos of"), "n"),
    **dict.fromkeys(("floor of", "rest"), "k"),
    "item": "x",
}


def formulas(kind, depth):
    """Return a strategy for formulas: `x` for tensors, `n` for numbers, `k` for numbers that no run determines."""
    leaves = st.sampled_from(LEAVES[{"x": "tensor", "n": "number", "k": "known"}[kind]])
    if depth == 0 or kind == "k":
        return leaves
    operands = TENSOR_OPERANDS if kind == "x" else NUMBER_OPERANDS
    inner = st.sampled_from(sorted(operands)).flatmap(
        lambda name: st.tuples(st.just(name), *(formulas(each, depth - 1) for each in operands[name]))
    )
    return st.one_of(leaves, inner)


CONDITIONS = {
    "": lambda _: True,
    "every third step": lambda now: now["t"] % 3 == 0,
    "the first steps": lambda now: now["t"] <= 7,
    "an option": lambda now: now["a"] > 0.5,
    "an option and the step": lambda now: now["t"] * now["a"] > 4,
    "a number of the run": lambda now: now["c1"] < 0.3,
    "the gradient": lambda now: now["g"].abs().sum() > 0.05,
    "the loss": lambda now: now["loss"] > 0.2,
}


class Made(torch.optim.Optimizer):
    """Moves the parameters by formulas, with two tensors and a number as state.

    :param made: the formulas of the move, of both tensors, of the number, and the other move; when to move so.
    """

    def __init__(self, params, made, lr=0.05, a=0.3, b=0.7):
        super().__init__(params, {"lr": lr, "a": a, "b": b})
        self.made = made
        self.number = 0.5

    @torch.no_grad()
    def step(self, closure):
        move, first, second, number, other, condition = self.made
        loss = closure().item()
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(t=0, s1=torch.zeros_like(p), s2=torch.ones_like(p))
                state["t"] += 1
                now = {"p": p, "g": p.grad, "loss": loss, "c1": self.number, **state}
                now |= {"a": group["a"], "b": group["b"], "1 / t": 1 / state["t"], "0.9": 0.9}
                chosen = move if CONDITIONS[condition](now) else other
                moved = compute(chosen, now)
                state["s1"].mul_(0.9).add_(torch.tanh(compute(first, now)), alpha=0.1)
                state["s2"] = 0.5 * state["s2"] + torch.tanh(compute(second, now))
                value = compute(number, now)
                self.number = 0.9 * self.number + 0.1 / (1 + abs(value))
                p.sub_(group["lr"] * torch.tanh(moved + 0.1 * p.grad))


def compute(formula, now):
    """Return the value of a formula."""
    if isinstance(formula, str):
        return now[formula]
    name, *operands = formula
    return {**TENSORS, **NUMBERS}[name](*(compute(each, now) for each in operands))


def optimizers(conditions, depth):
    """Return a strategy for the formulas of an optimizer."""
    tensor, number = formulas("x", depth), formulas("n", depth)
    return st.tuples(tensor, tensor, tensor, number, tensor, st.sampled_from(conditions))


RUNS = [{"lr": 0.05, "a": 0.3, "b": 0.7}, {"lr": 0.02, "a": 0.9, "b": 0.2}, {"lr": 0.1, "a": 0.4, "b": 0.5}]


def require_same_or_refused(made, require_same):
    """Compare three runs with themselves alone."""
    try:
        require_same([partial(Made, made=made, **run) for run in RUNS], steps=STEPS, may_be_sensitive=True)
    except CannotCompileError as error:
        event(f"refused: {error}")
        return False
    return True


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@settings(max_examples=3)
@given(optimizers([""], 2))
def test_arithmetic(require_same, made) -> None:
    assert require_same_or_refused(made, require_same)


@settings(max_examples=3)
@given(optimizers(sorted(CONDITIONS), 1))
def test_decisions(require_same, made) -> None:
    require_same_or_refused(made, require_same)


@pytest.mark.slow
@settings(max_examples=8)
@given(optimizers([""], 3))
def test_more_arithmetic(require_same, made) -> None:
    assert require_same_or_refused(made, require_same)


@pytest.mark.slow
@settings(max_examples=12)
@given(optimizers(sorted(CONDITIONS), 2))
def test_more_decisions(require_same, made) -> None:
    require_same_or_refused(made, require_same)


@pytest.mark.slow
@pytest.mark.product(4)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_decision_is_compiled(condition, require_same) -> None:
    made = ("g", "g", ("square", "g"), ("item", "g"), ("scale", "s1", "a"), condition)
    assert require_same_or_refused(made, require_same)


@pytest.mark.slow
@pytest.mark.product(12)
@pytest.mark.parametrize("name", [*TENSOR_OPERANDS, *NUMBER_OPERANDS])
def test_every_operation_is_compiled(name, require_same) -> None:
    leaves = {"x": ["s2", "g"], "n": ["b", "c1"], "k": ["t"]}
    operands = {**TENSOR_OPERANDS, **NUMBER_OPERANDS}[name]
    formula = (name, *(leaves[kind][place % len(leaves[kind])] for place, kind in enumerate(operands)))
    made = (
        (formula, "g", "g", "t", "g", "")
        if name in TENSOR_OPERANDS
        else ("g", ("scale", "g", formula), "g", formula, "g", "")
    )
    assert require_same_or_refused(made, require_same)
