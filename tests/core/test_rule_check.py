"""A rule counts for a call only if its formula gives the output, and its derivatives what autograd gave back."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from playground.core.operations import Operation
from playground.core.problem import Batches, Problem
from playground.core.rule_check import verify_call
from playground.core.tape import Tape, record_on_tape
from playground.plugins.manager import load_plugins
from playground.runner.explaining.step import known_operations

OPERATIONS = known_operations(load_plugins(autoload=False))
X = torch.tensor([-4.83, -7.58, 0.5, 0.5, 2.25, 1.1], dtype=torch.float64)
RNN = torch.nn.RNN(3, 2, dtype=torch.float64)


def taped(function, x=X):
    module = torch.nn.ParameterDict({"x": torch.nn.Parameter(x.clone())})
    tape = Tape()
    loss = record_on_tape(Problem(module, lambda _, __: function(module["x"]), Batches(())), tape).loss(module, ())
    torch.autograd.grad(loss, list(module.parameters()))
    return tape


def unknown(function, operations=OPERATIONS, x=X):
    """Return the operations that are shown as unknown ones; the gradients of all must add up to autograd's."""
    tape = taped(function, x)
    routes, totals, found = tape.routes(), {}, []
    for record in tape.records:
        known = verify_call(record, operations, routes[record])
        found += [] if known else [record.name]
        given = [(part.value, part.share) for part in known.parts] if known else routes[record].items()
        for value, share in given:
            totals[value] = totals.get(value, 0) + share
    for value in tape.values:
        if value.gradient is not None and value is not tape.loss:
            torch.testing.assert_close(
                totals[value], value.gradient, rtol=1e-9 if x.dtype == torch.float64 else 1e-6, atol=1e-9
            )
    return found


KNOWN = {
    "axes as a tuple": lambda x: torch.amax(x.reshape(2, 3), dim=(0, 1)) + x.sum(),
    "a single number summed along an axis": lambda x: x[0].sum(0),
    "a single number's mean and extremes": lambda x: x[0].mean(0) + x[1].amax(0) + x[2].max(0).values + x[1].prod(0),
    "axis for dim": lambda x: (torch.cat([x.reshape(2, 3), x.reshape(2, 3)], axis=1) ** 2).sum(),
    "negative axes, kept": lambda x: (x.reshape(2, 3).sum(dim=(-1, -2), keepdim=True) ** 2).sum(),
    "keepdims": lambda x: (x.reshape(2, 3).mean(axis=-1, keepdims=True) ** 2).sum(),
    "a weight with one output": lambda x: (F.linear(x.reshape(2, 3), x[:3]) ** 2).sum(),
    "alpha": lambda x: torch.add(x, x * 2, alpha=3).sum() + torch.sub(x, x * 2, alpha=0.5).sum(),
    "the same tensor twice": lambda x: (x * x).sum(),
    "ties": lambda x: x.amax() + torch.maximum(x, x.flip(0)).max() + x[2:4].amax(0),
    "other axes": lambda x: (x.reshape(1, 2, 3).permute(2, 0, 1).transpose(-1, 0) ** 2).sum(),
    "approximate": lambda x: F.gelu(x, approximate="tanh").sum(),
    "windows that hang over": lambda x: (
        (F.avg_pool1d(x[None], 4, 3, 1, True) ** 2).sum()
        + (F.avg_pool2d(x.reshape(1, 2, 3), 2, 2, 1, True, False) ** 2).sum()
    ),
    "more windows than entries": lambda x: (F.adaptive_avg_pool1d(x.reshape(2, 3), 5) ** 2).sum(),
    "windows with holes": lambda x: (F.max_pool1d(x[None], 2, 1, 1, dilation=2, ceil_mode=True) ** 2).sum(),
    "windows of equal entries": lambda x: F.max_pool1d(x[None] * 0 + 1, 3, 2).sum() + x.sum(),
    "a transposed convolution in groups": lambda x: (
        F.conv_transpose1d(x.reshape(2, 3), x[:4].reshape(2, 1, 2), stride=3, padding=1, output_padding=1, groups=2)
        ** 2
    ).sum(),
    "groups of channels": lambda x: (F.group_norm(x.reshape(1, 2, 3), 2, x[:2], x[2:4]) ** 2).sum(),
    "padding by copies": lambda x: sum(
        (F.pad(x.reshape(1, 2, 3), (1, 2), mode=mode) ** 2).sum() for mode in ("reflect", "replicate", "circular")
    ),
    "an attention with a condition": lambda x: F.scaled_dot_product_attention(
        *[x.reshape(1, 2, 3)] * 3, attn_mask=torch.tensor([[True, False], [True, True]])
    ).sum(),
    "a bilinear layer": lambda x: (F.bilinear(x[:2], x[2:5], x.reshape(1, 2, 3)) ** 2).sum(),
    "an axis that one factor alone has": lambda x: torch.einsum("ij, k -> k", x.reshape(2, 3), x).sum(),
    "softplus beyond its threshold": lambda x: torch.nn.Softplus(2.0, 1.5)(x).sum(),
    "ties in order": lambda x: x.sort().values.prod() + x.topk(3).values.prod() + x.reshape(2, 3).median(1)[0].prod(),
    "spread": lambda x: x.std() + torch.var(x.reshape(2, 3), 0, unbiased=False).prod(),
    "in place": lambda x: (x * 1).mul_(3).add_(1).sum(),
}


@pytest.mark.sampled(13)
@pytest.mark.parametrize("function", KNOWN.values(), ids=KNOWN)
def test_forms_of_a_call_that_are_known(function):
    assert unknown(function) == []


UNKNOWN = {
    "rounding": (lambda x: torch.div(x[0], x[1], rounding_mode="trunc") + x.sum(), ["div"]),
    "rounding down": (lambda x: (torch.div(x, 0.7, rounding_mode="floor") + x).sum(), ["div"]),
    "another norm": (lambda x: torch.linalg.vector_norm(x, ord=3), ["vector_norm"]),
    "an output that nobody uses": (lambda x: x.reshape(2, 3).unbind(1)[2].prod(), ["unbind"]),
    "two outputs that are used": (lambda x: torch.svd(x.reshape(2, 3)).S.sum(), ["svd"]),
    "pieces": (lambda x: x.split(2)[0].sum() + x.chunk(3)[2].prod(), ["split", "chunk"]),
    "bounds that learn": (lambda x: x.clamp(max=x.mean()).sum(), ["clamp"]),
    "a median that equal entries share": (lambda x: x.median() * x.sum(), ["median"]),
    "a diagonal": (lambda x: torch.einsum("ii->i", x[:4].reshape(2, 2)).prod(), ["einsum"]),
    "pixels that are mixed": (
        lambda x: F.interpolate(x[None, None], size=9, mode="linear").square().sum(),
        ["interpolate"],
    ),
    "a filling that learns": (lambda x: (x.masked_fill(x > 0, x.mean()) ** 2).sum(), ["masked_fill"]),
    "several outputs": (lambda x: RNN(x.reshape(2, 3))[0].sum(), ["rnn_tanh"]),
    "an empty piece": (lambda x: torch.cat([x.reshape(2, 3), torch.empty(0).double()]).sum(), []),
}


@pytest.mark.parametrize(("function", "names"), UNKNOWN.values(), ids=UNKNOWN)
def test_forms_of_a_call_that_are_not_known(function, names):
    assert unknown(function) == names


SQUARE = Operation("{x}²", {"x": "{dy} · 2·{x}"}, lambda call, g: {"x": g * 2 * call["x"]}, entrywise=True)


def fails(call, g):
    raise SystemExit("an operation of a plugin")


@pytest.mark.parametrize(
    "rule",
    [
        replace(SQUARE, formula="{x}^3"),
        replace(SQUARE, rules={"x": "{dy} · {x}"}),
        replace(SQUARE, rules={}),
        replace(SQUARE, formula="{z}²"),
        replace(SQUARE, pull=lambda call, g: {"x": g * call["x"]}),
        replace(SQUARE, pull=lambda call, g: {"x": g[0]}),
        replace(SQUARE, pull=lambda call, g: {}),
        replace(SQUARE, pull=fails),
        replace(SQUARE, formula=lambda call: call["power"]),
        replace(SQUARE, forward=lambda call: call["x"]),
    ],
)
def test_a_rule_that_is_false_or_fails_is_no_rule(rule):
    def function(x):
        return x.square().sum()

    sums = OPERATIONS["sum"]
    assert unknown(function, {"square": SQUARE, "sum": sums}) == []
    assert unknown(function, {"square": rule, "sum": sums}) == ["square"]


def test_two_routes_of_which_one_is_known():
    def function(x):
        z = x.reshape(2, 3) * 0.5
        return (torch.special.bessel_j0(z.detach()) * torch.lgamma(z)).sum() + (z**2).sum()

    assert unknown(function) == ["bessel_j0", "lgamma"]


def test_saturated_slopes_in_single_precision_are_still_known():
    x = torch.tensor([9.0, -30.0, 0.3], dtype=torch.float32)

    def function(x):
        return x.tanh().sum() + x.sigmoid().sum() + F.logsigmoid(x).sum() + F.softplus(x).sum() + F.silu(x).sum()

    assert unknown(function, x=x) == []


def test_a_loss_that_differentiates_inside_has_the_parts_of_the_outer_pass():
    def function(x):
        y = (x**3).sum()
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        return y + slope.square().sum()

    unknown(function)
