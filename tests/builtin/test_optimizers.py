"""The update rules against torch.optim, their formulas as printed, and themselves in batches."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import operator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.builtin import optimizers
from playground.builtin.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)
from playground.errors import ComponentError

RULES = [getattr(optimizers, name) for name in optimizers.__all__]

# A rule with its parameters; torch is given the same, with beta1, beta2 and the like put into pairs.
CASES = [
    SGD(lr=1e-3),
    SGD(lr=1e-3, weight_decay=0.1),
    SGD(lr=1e-3, momentum=0.9),
    SGD(lr=1e-3, momentum=0.9, dampening=0.3, weight_decay=0.01),
    SGD(lr=1e-3, momentum=0.5, nesterov=True),
    SGD(lr=1e-3, momentum=0.9, nesterov=True, weight_decay=0.1),
    SGD(lr=1e-3, dampening=0.5),
    Adagrad(),
    Adagrad(lr=0.1, lr_decay=0.01, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-6),
    RMSprop(),
    RMSprop(lr=1e-3, alpha=0.3, eps=1e-4, weight_decay=0.1),
    RMSprop(lr=1e-3, momentum=0.9),
    RMSprop(lr=1e-3, centered=True),
    RMSprop(lr=1e-3, alpha=0.9, momentum=0.5, centered=True, weight_decay=0.1),
    Adadelta(),
    Adadelta(lr=0.3, rho=0.4, eps=1e-4, weight_decay=0.1),
    Adam(),
    Adam(lr=0.03, beta1=0.3, beta2=0.4, eps=1e-3, weight_decay=0.1),
    Adam(lr=0.03, beta1=0.0, beta2=0.0),
    Adam(lr=0.03, amsgrad=True, beta2=0.9),
    AdamW(),
    AdamW(lr=0.03, beta1=0.3, beta2=0.9, eps=1e-3, weight_decay=0.3, amsgrad=True),
    AdamW(lr=0.03, weight_decay=0.0),
    Adamax(),
    Adamax(lr=0.03, beta1=0.3, beta2=0.4, eps=1e-3, weight_decay=0.1),
    NAdam(),
    # A gentle rate: across the valley Adam's relatives can double a rounding at each step; see the test of twins.
    NAdam(lr=5e-4, beta1=0.5, beta2=0.99, eps=1e-2, weight_decay=0.1, momentum_decay=0.1),
    RAdam(),
    RAdam(lr=1e-3, beta1=0.3, beta2=0.9, eps=1e-3, weight_decay=0.1),
    RAdam(lr=1e-3, beta2=0.6),
    Rprop(),
    Rprop(lr=0.1, eta_minus=0.3, eta_plus=1.5, step_size_min=1e-3, step_size_max=0.2),
]

PAIRS = {
    "betas": ("beta1", "beta2"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("step_size_min", "step_size_max"),
}

RANGES = {
    "lr": (0, 0.1),
    "momentum": (0, 0.95),
    "dampening": (0, 1),
    "weight_decay": (0, 0.5),
    "lr_decay": (0, 0.1),
    "initial_accumulator_value": (0, 1),
    "eps": (1e-8, 1e-3),
    "alpha": (0.1, 0.99),  # at 0 the centered variance is 0, and only rounding is left of it
    "rho": (0, 0.99),
    "beta1": (0, 0.95),
    "beta2": (0, 0.999),
    "momentum_decay": (0, 0.1),
    "eta_minus": (0.1, 0.9),
    "eta_plus": (1.1, 2),
    "step_size_min": (0, 1e-3),
    "step_size_max": (0.01, 1),
}


@pytest.fixture
def _float64():
    # torch.optim keeps its own scalars, such as NAdam's product of momenta, in the default dtype.
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def title(rule) -> str:
    changed = {f.name: getattr(rule, f.name) for f in dataclasses.fields(rule)}
    return type(rule).__name__ + "".join(
        f" {f.name}={changed[f.name]}" for f in dataclasses.fields(rule) if changed[f.name] != f.default
    )


def torch_arguments(values: dict) -> dict:
    pairs = {pair: tuple(values[name] for name in names) for pair, names in PAIRS.items() if names[0] in values}
    return {name: value for name, value in values.items() if not any(name in names for names in PAIRS.values())} | pairs


def rosenbrock_gradient(x):
    """The gradient of the sum of 100 (x[i+1] - x[i]²)² + (1 - x[i])²."""
    valley = x[1:] - x[:-1] ** 2
    g = np.zeros_like(x)
    g[:-1] = -400 * x[:-1] * valley - 2 * (1 - x[:-1])
    g[1:] += 200 * valley
    return g


def gradients(steps=1000):
    """Six streams with nothing in common: ordinary, huge, tiny, mostly zero, alternating, rarely jumping."""
    draw = np.random.default_rng(0)
    g = draw.normal(size=(steps, 6))
    g[:, 1] *= 1e6
    g[:, 2] *= 1e-9
    g[:, 3] *= draw.random(steps) < 0.1
    g[:, 4] = np.abs(g[:, 4]) * (-1.0) ** np.arange(steps)
    g[:, 5] = 1e-3 + 100 * (draw.random(steps) < 0.01)
    return g


def full_gradient(p: torch.Tensor, noise: np.ndarray) -> torch.Tensor:
    """The first four entries go down Rosenbrock's valley, the other six get what the streams say."""
    return torch.from_numpy(np.concatenate([rosenbrock_gradient(p.detach().numpy()[:4]), noise]))


START = [-1.2, 1.0, 0.3, -0.7, 0.0, 1.0, 2.0, -3.0, 4.0, 5.0]


def descend(rule, stream) -> torch.Tensor:
    p = torch.tensor(START, dtype=torch.float64)
    state, path = rule.init(p), []
    for step, noise in enumerate(stream):
        p, state = rule.update(p, full_gradient(p, noise), state, step, rule.lr)
        path.append(p)
    return torch.stack(path)


def descend_torch(optimizer_class, arguments, stream) -> torch.Tensor:
    p = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer, path = optimizer_class([p], **arguments), []
    for noise in stream:
        p.grad = full_gradient(p, noise)
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path)


@pytest.mark.product(16)
@pytest.mark.sampled(1)
@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("rule", CASES, ids=title)
def test_equals_torch_over_a_thousand_steps(rule):
    expected = descend_torch(
        getattr(torch.optim, type(rule).__name__), torch_arguments(dataclasses.asdict(rule)), gradients()
    )
    assert torch.isfinite(expected).all()
    torch.testing.assert_close(descend(rule, gradients()), expected, rtol=1e-12, atol=1e-12)


def descend_with_product_in_single_precision(rule, stream) -> torch.Tensor:
    """Descend by NAdam with the product of its momenta rounded to float32 at each step."""
    p, product = torch.tensor(START, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float32)
    state, path = rule.init(p), []
    for step, noise in enumerate(stream):
        mu = rule.beta1 * (1 - 0.96 ** ((step + 1) * rule.momentum_decay) / 2)
        product *= mu
        state["mu_product"] = torch.full_like(p, product.item() / mu)
        p, state = rule.update(p, full_gradient(p, noise), state, step, rule.lr)
        path.append(p)
    return torch.stack(path)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rule", [NAdam(), NAdam(lr=0.03, momentum_decay=0.1), NAdam(beta1=0.5)], ids=title)
def test_nadam_of_torch_rounds_its_product_to_single_precision(rule):
    """By default torch keeps the product in float32, whatever the parameters are; that alone is the difference."""
    theirs = descend_torch(torch.optim.NAdam, torch_arguments(dataclasses.asdict(rule)), gradients())
    rounded = descend_with_product_in_single_precision(rule, gradients())
    torch.testing.assert_close(rounded, theirs, rtol=1e-12, atol=1e-12)
    assert 1e-12 < (descend(rule, gradients()) - theirs).abs().max() < 1e-8


@pytest.mark.usefixtures("_float64")
def test_where_nadam_leaves_that_of_torch_it_leaves_its_twins(monkeypatch):
    """At a high rate the valley doubles a rounding at each step: a start one ulp away ends as far off as torch does."""
    rule = NAdam(lr=0.1, momentum_decay=0.1)
    theirs = descend_torch(torch.optim.NAdam, torch_arguments(dataclasses.asdict(rule)), gradients())
    ours, twins = descend(rule, gradients()), []
    for side in (-math.inf, math.inf):
        monkeypatch.setitem(globals(), "START", [math.nextafter(x, side) for x in START])
        twins.append(descend(rule, gradients()))
        monkeypatch.undo()
    valley = slice(0, 4)  # the other entries get gradients that do not depend on them
    apart = (ours - theirs)[:, valley].abs().amax(1).cummax(0).values
    moved = torch.stack([twin - ours for twin in twins])[..., valley].abs().amax((0, 2)).cummax(0).values
    assert apart[-1] > 1e-3
    assert (apart <= 100 * moved).all()


@pytest.mark.parametrize("rule_class", [rule for rule in RULES if rule is not Lion])
def test_defaults_are_those_of_torch(rule_class):
    ours = torch_arguments({f.name: f.default for f in dataclasses.fields(rule_class)})
    theirs = inspect.signature(getattr(torch.optim, rule_class.__name__)).parameters
    assert ours == {name: theirs[name].default for name in ours}


def test_adam_freezes_as_torch_does_where_a_square_overflows():
    g = torch.tensor([1e25, 1.0])
    p, q = torch.zeros(2), torch.zeros(2, requires_grad=True)
    rule, optimizer = Adam(), torch.optim.Adam([q])
    state = rule.init(p)
    for step in range(3):
        p, state = rule.update(p, g, state, step, rule.lr)
        q.grad = g.clone()
        optimizer.step()
    assert p[0] == 0
    torch.testing.assert_close(p, q.detach())


@pytest.mark.parametrize(("beta1", "beta2", "weight_decay"), [(0.9, 0.99, 0.0), (0.3, 0.5, 0.1)])
def test_lion_equals_its_paper(beta1, beta2, weight_decay):
    lr, p, m, path = 1e-3, np.array(START), np.zeros(10), []
    for noise in gradients():
        g = np.concatenate([rosenbrock_gradient(p[:4]), noise])
        p = p - lr * (np.sign(beta1 * m + (1 - beta1) * g) + weight_decay * p)
        m = beta2 * m + (1 - beta2) * g
        path.append(p)
    rule = Lion(lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay)
    torch.testing.assert_close(descend(rule, gradients()), torch.from_numpy(np.array(path)), rtol=1e-12, atol=1e-12)


# --- the formula that is shown is the one that is computed


OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
}
FUNCTIONS = {"sqrt": math.sqrt, "abs": abs, "max": max, "min": min, "sign": lambda x: (x > 0) - (x < 0)}


def evaluate(node, values):
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return values[node.id]
        case ast.BinOp():
            return OPERATORS[type(node.op)](evaluate(node.left, values), evaluate(node.right, values))
        case ast.Compare(ops=[op], comparators=[right]):
            return OPERATORS[type(op)](evaluate(node.left, values), evaluate(right, values))
        case ast.BoolOp(op=ast.And()):
            return all(evaluate(part, values) for part in node.values)
        case ast.IfExp():
            return evaluate(node.body if evaluate(node.test, values) else node.orelse, values)
        case ast.Call():
            return FUNCTIONS[node.func.id](*(evaluate(argument, values) for argument in node.args))
    raise TypeError(ast.dump(node))


def assignments(rule):
    return [ast.parse(line).body[0] for line in rule.formula]


@pytest.mark.parametrize("rule", [*CASES, Lion(), Lion(lr=0.1, beta1=0.5, beta2=0.1, weight_decay=0.5)], ids=title)
def test_the_formula_is_what_is_computed(rule):
    stream = [0.5, 0.3, -0.2, 0.0, -0.4, 0.7, 0.1, 0.1, -0.9, 0.2, 0.3]
    p = torch.tensor([2.0], dtype=torch.float64)
    state = rule.init(p)
    remembered = {name: value.item() for name, value in ({"b": 0.0, "v_max": 0.0} | state).items() if name in state}
    values = {"b": 0.0, "v_max": 0.0} | remembered | {"p": p.item()} | dataclasses.asdict(rule)
    for step, g in enumerate(stream):
        p, state = rule.update(p, torch.tensor([g], dtype=torch.float64), state, step, rule.lr)
        values |= {"g": g, "t": step + 1}
        for assignment in assignments(rule):
            values[assignment.targets[0].id] = evaluate(assignment.value, values)
        assert values["p"] == pytest.approx(p.item(), rel=1e-12)
        assert {name: values[name] for name in state} == pytest.approx({n: s.item() for n, s in state.items()})


@pytest.mark.parametrize("rule_class", RULES)
def test_every_symbol_and_parameter_is_explained(rule_class):
    names = {node.id for line in assignments(rule_class) for node in ast.walk(line) if isinstance(node, ast.Name)}
    assert names - FUNCTIONS.keys() <= rule_class.symbols.keys()
    assert rule_class.symbols.keys() - names <= {"lr"}
    assert set(rule_class().init(torch.zeros(1))) <= rule_class.symbols.keys()
    for field in dataclasses.fields(rule_class):
        assert f":param {field.name}:" in rule_class.__doc__


# --- many runs at once


@st.composite
def batches(draw):
    """A rule of any class for three runs, as three rules and as one with a tensor for every number."""
    rule_class = draw(st.sampled_from(RULES))
    fields = dataclasses.fields(rule_class)
    flags = {f.name: draw(st.booleans()) for f in fields if isinstance(f.default, bool)}
    ranges = {f.name: RANGES[f.name] for f in fields if f.name not in flags}
    if flags.get("nesterov"):
        del ranges["dampening"]
        ranges["momentum"] = (0.1, 0.95)
    values = {
        name: [draw(st.sampled_from([low, high]) | st.floats(low, high, allow_subnormal=False)) for _ in range(3)]
        for name, (low, high) in ranges.items()
    }
    alone = [rule_class(**flags, **{name: value[row] for name, value in values.items()}) for row in range(3)]
    return alone, values, flags


def three_gradients(steps):
    draw = torch.Generator().manual_seed(1)
    return torch.randn(steps, 3, 4, generator=draw, dtype=torch.float64)


def run_alone(rules, steps):
    p = torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(3, 4)
    rows = list(p)
    states = [rule.init(row) for rule, row in zip(rules, rows, strict=True)]
    for step, g in enumerate(three_gradients(steps)):
        for row, rule in enumerate(rules):
            rows[row], states[row] = rule.update(rows[row], g[row], states[row], step, rule.lr)
    return torch.stack(rows)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(batches())
def test_a_batch_of_runs_equals_each_run_alone(batch):
    alone, values, flags = batch
    columns = {name: torch.tensor(value, dtype=torch.float64)[:, None] for name, value in values.items()}
    rule = type(alone[0])(**flags, **columns)
    p = torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(3, 4)
    state = rule.init(p)
    for step, g in enumerate(three_gradients(12)):
        p, state = rule.update(p, g, state, step, rule.lr)
    torch.testing.assert_close(p, run_alone(alone, 12), rtol=1e-10, atol=1e-10)


def test_runs_without_momentum_are_not_dampened_in_a_batch_either():
    column = torch.tensor([0.0, 0.9, 0.5], dtype=torch.float64)[:, None]
    rule, p = SGD(lr=0.1, momentum=column, dampening=0.3), torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(3, 4)
    state = rule.init(p)
    for step, g in enumerate(three_gradients(5)):
        p, state = rule.update(p, g, state, step, rule.lr)
    alone = [SGD(lr=0.1, momentum=value, dampening=0.3) for value in (0.0, 0.9, 0.5)]
    torch.testing.assert_close(p, run_alone(alone, 5), rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(batches())
def test_vmap_over_runs_equals_each_run_alone(batch):
    alone, values, flags = batch
    rule_class = type(alone[0])
    columns = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    p = torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(3, 4)
    state = torch.func.vmap(lambda p, numbers: rule_class(**flags, **numbers).init(p))(p, columns)

    def update(p, g, state, numbers, step):
        rule = rule_class(**flags, **numbers)
        return rule.update(p, g, state, step, rule.lr)

    for step, g in enumerate(three_gradients(8)):
        p, state = torch.func.vmap(update, in_dims=(0, 0, 0, 0, None))(p, g, state, columns, step)
    torch.testing.assert_close(p, run_alone(alone, 8), rtol=1e-10, atol=1e-10)


# --- purity, shapes, refusals


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", [*CASES, Lion(weight_decay=0.1)], ids=title)
def test_is_pure_and_keeps_shapes_and_dtypes(rule, dtype):
    p, g = torch.linspace(-1, 1, 6, dtype=dtype).reshape(2, 3), torch.full((2, 3), 0.3, dtype=dtype)
    state = rule.init(p)
    for step in range(7):
        given = {"p": p, "g": g, **state}
        before = {name: (tensor.clone(), tensor._version) for name, tensor in given.items()}
        p, state = rule.update(p, g, state, step, rule.lr)
        for name, tensor in given.items():
            assert torch.equal(tensor, before[name][0])
            assert tensor._version == before[name][1]
        assert state.keys() | {"p", "g"} == given.keys()
        results = [p, *state.values()]
        assert all(result.shape == (2, 3) and result.dtype == dtype for result in results)
        # A gradient's memory may be used again by whoever computed it: nothing that is kept may lie in it.
        assert g.data_ptr() not in {result.data_ptr() for result in results}
        assert len({result.data_ptr() for result in results}) == len(results)


@pytest.mark.parametrize("rule_class", RULES)
def test_works_on_scalars_and_on_nothing(rule_class):
    rule = rule_class()
    for shape in [(), (0,)]:
        p = torch.ones(shape)
        q, _ = rule.update(p, torch.ones(shape), rule.init(p), 0, rule.lr)
        assert q.shape == shape
        assert (q < 1).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SGD(nesterov=True), "nesterov needs momentum above 0 and dampening 0"),
        (lambda: SGD(nesterov=True, momentum=0.9, dampening=0.1), "nesterov needs momentum above 0 and dampening 0"),
        (lambda: Rprop(step_size_min=2.0, step_size_max=1.0), "step_size_min 2 is above step_size_max 1"),
    ],
)
def test_refuses_what_contradicts_itself(build, message):
    with pytest.raises(ComponentError) as caught:
        build()
    assert caught.value.faults[0].message == message
    assert caught.value.faults[0].path


# --- where SGD stops being stable


def size_after(rule, lr, curvature, steps=4000):
    p = torch.ones(1, dtype=torch.float64)
    state = rule.init(p)
    for step in range(steps):
        p, state = rule.update(p, curvature * p, state, step, lr)
        if not 1e-9 < abs(p.item()) < 1e9:
            break
    return abs(p.item())


@pytest.mark.parametrize("curvature", [8.0, 0.3])
@pytest.mark.parametrize(
    "rule",
    [
        SGD(),
        SGD(weight_decay=0.5),
        SGD(dampening=0.5),
        SGD(momentum=0.5),
        SGD(momentum=0.9, weight_decay=0.5),
        SGD(momentum=0.5, dampening=0.5),
        SGD(momentum=0.5, dampening=-0.5),
        SGD(momentum=0.5, nesterov=True),
        SGD(momentum=0.9, nesterov=True, weight_decay=0.5),
    ],
    ids=title,
)
def test_stability_bound_parts_convergence_from_divergence(rule, curvature):
    bound = rule.stability_bound(curvature)
    assert size_after(rule, 0.98 * bound, curvature) < 1e-8
    assert size_after(rule, 1.02 * bound, curvature) > 1e8


def test_stability_bound_of_the_bowl():
    assert SGD().stability_bound(8) == 0.25


@pytest.mark.parametrize(
    ("rule", "curvature"),
    [
        (SGD(), 0.0),
        (SGD(), -1.0),
        (SGD(momentum=1.0), 1.0),
        (SGD(momentum=0.5, dampening=1.0), 1.0),
        (SGD(momentum=torch.tensor([0.1, 0.9])), 1.0),
        (Adam(), 1.0),
    ],
)
def test_no_bound_where_none_is_known(rule, curvature):
    assert rule.stability_bound(curvature) is None
