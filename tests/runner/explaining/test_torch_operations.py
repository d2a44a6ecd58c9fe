"""Operations and modules with the inputs of torch's own tests: no traceback, no false number."""

import itertools
import re
import warnings

import pytest
import torch

from playground.core.formula_reader import UnreadableFormulaError, evaluate_formula
from playground.core.problem import Batches, Problem
from playground.core.tape import Tape, record_on_tape
from playground.explanation import Explanation
from playground.plugins.manager import load_plugins
from playground.report.explanation.rendering import EXPLANATION_FORMATS, renderer
from playground.runner.explaining.from_tape import TapeReader
from playground.runner.explaining.step import known_operations

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # torch's own, of its samples

OPERATIONS = known_operations(load_plugins(autoload=False))
SAMPLES = 2
EVERY = 4
"""Shards that the operations are divided into, so that no test takes minutes."""


def databases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.testing._internal.common_modules import module_db
    return op_db, module_db


def tensors(item):
    if isinstance(item, torch.Tensor):
        yield item
    elif isinstance(item, dict):
        yield from tensors(list(item.values()))
    elif isinstance(item, tuple | list):
        for each in item:
            yield from tensors(each)


def replaced(item, by):
    if isinstance(item, torch.Tensor):
        return by.get(id(item), item)
    if type(item) in (tuple, list):
        return type(item)(replaced(each, by) for each in item)
    return item


def total(made):
    found = torch.zeros((), dtype=torch.float64)
    for place, each in enumerate(tensors(made)):
        if each.is_floating_point() and each.requires_grad and place % 2 == 0:  # of some outputs, not all are used
            found = found + (each.double() * (place + 1)).sum()
    return found


def function_of(call, given, named):
    """Return a module whose parameters are the tensors of a call, each of which has a second route to the loss."""
    leaves = list({id(each): each for each in tensors([given, named]) if each.requires_grad}.values())
    if not leaves or not all(each.is_floating_point() and each.layout == torch.strided for each in leaves):
        return None
    module = torch.nn.ParameterList(torch.nn.Parameter(each.detach().clone()) for each in leaves)

    def loss(_, __):
        moved = [parameter * 1 for parameter in module]
        by = {id(leaf): each for leaf, each in zip(leaves, moved, strict=True)}
        made = call(*replaced(given, by), **{key: replaced(value, by) for key, value in named.items()})
        return total(made) + sum(each.double().square().sum() for each in moved)

    return module, loss


def explained(module, loss):
    """Return the operations and nodes of one pass; None where torch itself cannot make it."""
    tape = Tape()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = record_on_tape(Problem(module, loss, Batches(())), tape).loss(module, ())
            torch.autograd.grad(value, list(module.parameters()), allow_unused=True)
        except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
            return None
        teller = TapeReader(tape, OPERATIONS, None, 6, 0)
        return Explanation(
            scenario="",
            summary="",
            file="",
            step=0,
            samples=0,
            sample=None,
            digits=6,
            nodes=teller.nodes(),
            operations=teller.operations(),
            parameters=(),
            loss=value.item(),
        )


def check(told, name):
    """Hold what is shown: parts add up to totals, and arithmetic with numbers gives its result."""
    totals = {}
    for operation in told.operations:
        for share in operation.shares:
            if share.value.values is not None:
                found = torch.tensor(share.value.values, dtype=torch.float64)
                totals[share.to] = totals[share.to] + found if share.to in totals else found
            if share.written:
                near(share.written, share.value.mean, name)
        for line in operation.written:
            _, terms, result = re.split(" = ", line, maxsplit=2)
            near(terms, evaluate_formula(result, {}).item(), name)
    for node in told.nodes:
        known = node.gradient is not None and node.gradient.values is not None
        if known and node.name in totals and node.kind != "loss":
            wanted = torch.tensor(node.gradient.values, dtype=torch.float64)
            torch.testing.assert_close(totals[node.name], wanted, rtol=1e-4, atol=1e-4, equal_nan=True, msg=name)


def near(terms, result, name):
    try:
        found = evaluate_formula(terms, {}).item()
    except UnreadableFormulaError:
        pytest.fail(f"{name}: {terms!r} is no arithmetic")
    assert found == pytest.approx(result, rel=0.02, abs=1e-5, nan_ok=True), f"{name}: {terms} = {result}"


@pytest.mark.product(1)
@pytest.mark.parametrize("shard", range(EVERY))
def test_functions(shard):
    operations, _ = databases()
    seen = 0
    for info in operations[shard::EVERY]:
        if not info.supports_autograd or torch.float64 not in info.supported_dtypes("cpu"):
            continue
        try:
            samples = list(itertools.islice(info.sample_inputs("cpu", torch.float64, requires_grad=True), SAMPLES))
        except Exception:
            continue
        for sample in samples:
            made = function_of(info.op, [sample.input, *sample.args], sample.kwargs)
            told = explained(*made) if made else None
            if told is not None:
                seen += 1
                check(told, info.name)
    assert seen > 100


def modules():
    _, infos = databases()
    for info in infos:
        for training in (True, False):
            try:
                inputs = list(info.module_inputs_func(info, "cpu", torch.float64, True, training=training))
            except Exception:
                continue
            for each in inputs[:SAMPLES]:
                yield info, training, each


def module_pass(info, training, each):
    arguments = each.constructor_input
    try:
        module = info.module_cls(*arguments.args, **{**arguments.kwargs, "dtype": torch.float64})
    except TypeError:
        module = info.module_cls(*arguments.args, **arguments.kwargs).double()
    module.train(training)
    given = each.forward_input
    extra = torch.nn.ParameterList([torch.nn.Parameter(torch.ones((), dtype=torch.float64))])
    whole = torch.nn.ModuleList([module, extra])

    def loss(_, __):
        scaled = [item * extra[0] if isinstance(item, torch.Tensor) and item.is_floating_point() else item
                  for item in given.args]  # fmt: skip
        return total(module(*scaled, **given.kwargs)) + extra[0].square()

    return whole, loss


def test_modules():
    seen, unknown = 0, set()
    for info, training, each in modules():
        try:
            made = module_pass(info, training, each)
        except (RuntimeError, TypeError, ValueError):
            continue
        told = explained(*made)
        if told is not None:
            seen += 1
            check(told, info.name)
            unknown |= {operation.name for operation in told.operations if not operation.formula}
    assert seen > 100
    known = "linear layer_norm batch_norm group_norm instance_norm rms_norm embedding bilinear prelu glu mish celu "
    known += "gelu silu relu hardswish softplus softsign softshrink hardshrink tanhshrink threshold cosine_similarity "
    known += "avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d adaptive_avg_pool1d "
    known += "adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d conv1d conv2d conv3d "
    known += "conv_transpose1d conv_transpose2d conv_transpose3d"
    assert not unknown & set(known.split())


@pytest.mark.parametrize("form", EXPLANATION_FORMATS)
def test_every_format(form):
    operations, _ = databases()
    render = renderer(form, "en", 80)
    for info in operations[::40]:
        if info.supports_autograd and torch.float64 in info.supported_dtypes("cpu"):
            sample = next(iter(info.sample_inputs("cpu", torch.float64, requires_grad=True)), None)
            made = sample and function_of(info.op, [sample.input, *sample.args], sample.kwargs)
            told = explained(*made) if made else None
            if told is not None:
                assert render(told)
