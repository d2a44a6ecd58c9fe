"""Every operation of torch that is recorded, against torch itself: value and derivative, by table."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.program import SLOT
from playground.core.compiled.recorder import ProgramRecorder
from playground.core.compiled.rules import RULES
from playground.core.compiled.symbol import Symbol

DOUBLE = torch.float64
INDEX = torch.tensor([2, 0, 1, 2])
MASK = torch.tensor([[True, False, True, False]] * 3)
ROWS = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 2]])


def recorded(function, *tensors):
    """Record a function of tensors of one run, and compute what was recorded with numpy."""
    recorder, inputs, symbols = ProgramRecorder(tensors[0].dtype, RULES, {}), {}, []
    for tensor in tensors:
        ids = [recorder.program.input(SLOT, len(inputs) + i) for i in range(tensor.numel())]
        inputs |= {(SLOT, len(inputs) + i): value for i, value in enumerate(tensor.flatten().numpy())}
        symbols.append(Symbol(torch.tensor(ids).reshape(tensor.shape), tensor.dtype).requires_grad_())
    found = recorder.lift(recorder.record(lambda: function(*symbols)))
    values = recorder.program.evaluate(found.ids.flatten().tolist(), inputs, recorder.program.dtype)
    return torch.tensor([float(value) for value in values], dtype=DOUBLE).reshape(found.shape), found.dtype


def assert_same(function, *tensors):
    found, dtype = recorded(function, *tensors)
    wanted = function(*(tensor.clone().requires_grad_() for tensor in tensors))
    assert dtype == wanted.dtype
    torch.testing.assert_close(found, wanted.detach().double(), rtol=1e-12, atol=1e-12, equal_nan=True)


def derivative(function):
    """The gradient of Σ wᵢ f(x)ᵢ, so that every entry counts in its own way."""

    def of(*tensors):
        out = function(*tensors)
        weights = torch.linspace(1.0, 2.0, out.numel(), dtype=out.dtype).reshape(out.shape)
        grads = torch.autograd.grad((out * weights).sum(), tensors)
        return torch.cat([grad.flatten() for grad in grads])

    return of


def in_place(x):
    out = torch.zeros(3, 4, dtype=x.dtype)
    out[1:] = x[1:] * 2
    out[0, ::2] += x[0, ::2]
    out.mul_(3.0).clamp_(min=-1.0)
    return out


SMOOTH = {
    "add": lambda x: x + 1.5 + x,
    "add alpha": lambda x: torch.add(x, x.sin(), alpha=0.3),
    "sub": lambda x: 1.0 - x,
    "sub alpha": lambda x: torch.sub(x, x * x, alpha=2),
    "mul": lambda x: x * x * 3,
    "div": lambda x: x / (x * x + 1) / 3,
    "reciprocal": lambda x: (x * x + 1).reciprocal(),
    "neg": lambda x: -x,
    "square": lambda x: x.square(),
    "exp": torch.exp,
    "exp2": torch.exp2,
    "expm1": torch.expm1,
    "log": lambda x: torch.log(x * x + 0.1),
    "log1p": lambda x: torch.log1p(x * x),
    "log2": lambda x: torch.log2(x * x + 1),
    "log10": lambda x: torch.log10(x * x + 1),
    "sqrt": lambda x: (x * x + 1).sqrt(),
    "rsqrt": lambda x: (x * x + 1).rsqrt(),
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "erf": torch.erf,
    "pow 2": lambda x: x**2,
    "pow 3": lambda x: x**3,
    "pow -2": lambda x: (x * x + 1) ** -2,
    "pow 0.5": lambda x: (x * x + 1) ** 0.5,
    "pow 1.7": lambda x: (x * x + 1) ** 1.7,
    "pow of tensors": lambda x: (x * x + 1) ** x,
    "pow of a number": lambda x: 1.3**x,
    "lerp": lambda x: torch.lerp(x, x * x, 0.3),
    "lerp far": lambda x: torch.lerp(x, x * x, torch.tensor(0.8, dtype=x.dtype)),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.3),
    "addcdiv": lambda x: torch.addcdiv(x, x, x * x + 1, value=0.3),
    "sum": lambda x: x.sum(),
    "sum of rows": lambda x: (x * x).sum(1, keepdim=True),
    "mean": lambda x: x.mean(dim=0),
    "prod": lambda x: x.prod(-1),
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(),
    "var_mean": lambda x: torch.stack(torch.var_mean(x, 0, correction=0)),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=-1),
    "cumsum": lambda x: x.cumsum(1),
    "logsumexp": lambda x: x.logsumexp(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(0),
    "layer norm": lambda x: F.layer_norm(x, (4,)),
    "group norm": lambda x: F.group_norm(x.reshape(1, 4, 3), 2),
    "matmul": lambda x: x @ x.T,
    "matmul of batches": lambda x: x[None] @ x.T[None],
    "mv": lambda x: x @ x[0],
    "dot": lambda x: x[0] @ x[1],
    "addmm": lambda x: torch.addmm(x[:, :3], x, x.T, beta=0.5, alpha=2),
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, x),
    "outer": lambda x: torch.outer(x[0], x[1]),
    "conv1d": lambda x: F.pad(x, (1, 1)).unfold(1, 3, 1).mean(-1),
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "logsigmoid": F.logsigmoid,
    "elu": F.elu,
    "celu": F.celu,
    "selu": F.selu,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
}

KINKED = {
    "abs": torch.abs,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
    "hardswish": F.hardswish,
    "relu6": F.relu6,
    "threshold": lambda x: F.threshold(x, 0.1, 0.2),
    "clamp": lambda x: x.clamp(-0.5, 0.7),
    "clamp_min": lambda x: x.clamp(min=0.1),
    "clamp_max": lambda x: x.clamp(max=0.1),
    "maximum": lambda x: torch.maximum(x, x.flip(0)),
    "minimum": lambda x: torch.minimum(x, x * x),
    "amax": lambda x: x.amax(1),
    "amin": lambda x: x.amin((0, 1)),
    "max": lambda x: x.max(),
    "where": lambda x: torch.where(x > 0.2, x, x * 3),
    "masked_fill": lambda x: x.masked_fill(MASK, 2.0),
    "where of numbers": lambda x: torch.where(x.isnan() | ~(x <= 0) & (x != 1), x, -1.0),
    "nan_to_num": lambda x: torch.nan_to_num(x),
}

MOVING = {
    "views": lambda x: x.T.reshape(2, 6).unsqueeze(0).squeeze(0).expand(2, 6)[:, 1:4].permute(1, 0).flatten(),
    "view": lambda x: x.view(4, 3).unflatten(0, (2, 2)).diagonal(),
    "cat": lambda x: torch.cat([x, x * 2], dim=1),
    "stack": lambda x: torch.stack([x[0], x[1] + 1]),
    "split": lambda x: torch.cat(x.split(2, dim=1)[::-1], dim=1),
    "unbind": lambda x: sum(k * row for k, row in enumerate(x.unbind())),
    "chunk": lambda x: x.chunk(2, 1)[1],
    "flip": lambda x: x.flip(0, 1),
    "roll": lambda x: x.roll(1, 0),
    "repeat": lambda x: x.repeat(2, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 0),
    "pad": lambda x: F.pad(x, (1, 0, 0, 2), value=0.5),
    "tril": lambda x: x.tril(),
    "index_select": lambda x: x.index_select(1, INDEX),
    "index": lambda x: x[:, INDEX],
    "index twice": lambda x: x[INDEX[:3], INDEX[1:]],
    "mask": lambda x: x[MASK],
    "gather": lambda x: x.gather(0, ROWS),
    "scatter": lambda x: torch.zeros(3, 4, dtype=x.dtype).scatter(0, ROWS, x[:2]),
    "scatter_add": lambda x: torch.ones(3, 4, dtype=x.dtype).scatter_add(0, ROWS, x[:2]),
    "index_add": lambda x: torch.ones(3, 4, dtype=x.dtype).index_add(0, INDEX[:3], x),
    "in place": in_place,
    "item assignment by index": lambda x: x.clone().index_put_((INDEX[:3], INDEX[:3]), x[0, :3]),
    "embedding": lambda x: F.embedding(INDEX, x),
    "one_hot": lambda x: F.one_hot(INDEX, 3).to(x.dtype) @ x,
    "arange": lambda x: x * torch.arange(4) + torch.eye(3, 4, dtype=x.dtype) + torch.linspace(0, 1, 4, dtype=x.dtype),
}

STEPPED = {
    "copysign": lambda x: torch.copysign(torch.ones_like(x), x),
    "cumprod": lambda x: x.cumprod(0),
    "hardsigmoid": F.hardsigmoid,  # whose derivative torch takes with 1/6 in single precision
    "sign": torch.sign,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "trunc": torch.trunc,
    "round": torch.round,
    "compare": lambda x: (x > 0) & (x <= 0.5) | (x == x[0, 0]) ^ torch.logical_not(x < -0.4),
    "any": lambda x: (x > 0).any(1),
    "all": lambda x: (x > 0).all(),
    "count": lambda x: (x > 0).sum(1),
    "cast": lambda x: (x * 3).long() + (x > 0).to(x.dtype),
    "isinf": lambda x: (1 / x.clamp(min=0)).isinf(),
    "isfinite": lambda x: torch.isfinite(x.log()),
    "truth values multiplied": lambda x: torch.where((x > 0) * (x < 2), x, -x),
    "truth values added": lambda x: torch.where((x > 0) + (x < 2), x, -x),
    "logaddexp of two entries": lambda x: torch.logaddexp(x[0], x[1]).sum(),
}

LOSSES = {
    "mse": lambda x: F.mse_loss(x, MASK.to(x.dtype)),
    "mse sum": lambda x: F.mse_loss(x, MASK.to(x.dtype), reduction="sum"),
    "mse none": lambda x: F.mse_loss(x, MASK.to(x.dtype), reduction="none"),
    "mae": lambda x: F.l1_loss(x, MASK.to(x.dtype)),
    "huber": lambda x: F.huber_loss(x, MASK.to(x.dtype), delta=0.4),
    "smooth_l1": lambda x: F.smooth_l1_loss(x, MASK.to(x.dtype), beta=0.4),
    "bce": lambda x: F.binary_cross_entropy(x.sigmoid(), MASK.to(x.dtype)),
    "bce sum": lambda x: F.binary_cross_entropy((40 * x).sigmoid(), MASK.to(x.dtype), reduction="sum"),
    "bce with logits": lambda x: F.binary_cross_entropy_with_logits(x, MASK.to(x.dtype)),
    "cross entropy": lambda x: F.cross_entropy(x, INDEX[:3]),
    "cross entropy smoothed": lambda x: F.cross_entropy(x, INDEX[:3], label_smoothing=0.1),
    "cross entropy of shares": lambda x: F.cross_entropy(x, MASK.to(x.dtype)),
    "nll": lambda x: F.nll_loss(x, INDEX[:3], reduction="sum"),
    "kl": lambda x: F.kl_div(x.log_softmax(1), MASK.to(x.dtype), reduction="batchmean"),
    "cosine": lambda x: F.cosine_similarity(x, MASK.to(x.dtype), dim=1),
    "hinge": lambda x: F.relu(1 - (2 * MASK.to(x.dtype) - 1) * x).mean(),
}

VECTOR, ONE, EMPTY = torch.tensor([1, 1, 0]), torch.tensor([1]), torch.tensor([], dtype=torch.int64)
AT_PLACES = {
    "index_add, alpha": lambda x: x.index_add(0, VECTOR, x.exp(), alpha=-2.5),
    "index_add, negative dim": lambda x: x.index_add(-1, VECTOR, x[:, :3] * 2, alpha=0.5),
    "index_add, one entry": lambda x: x.index_add(1, ONE, x[:, 2:3] * 2),
    "index_add, 0-d index": lambda x: x.index_add(0, ONE[0], x[:1] * 2, alpha=3),
    "index_add, empty": lambda x: x.index_add(1, EMPTY, x[:, :0], alpha=3),
    "index_add, one number": lambda x: x[0, 0].index_add(0, ONE - 1, x[1, 1], alpha=3),
    "index_add, two numbers": lambda x: x[0, 0].index_add(0, ONE[0] - 1, x[2, 1], alpha=3),
    "index_add, in place": lambda x: x.clone().index_add_(1, ONE, x[:, :1], alpha=3),
    "index_add, transposed": lambda x: x.T.exp().index_add(0, VECTOR, x.T[1:] * 2, alpha=3),
    "index_copy, 0-d index": lambda x: x.index_copy(0, ONE[0], x[2:]),
    "index_select, 0-d index": lambda x: x.index_select(-1, ONE[0]),
    "scatter_add, one number": lambda x: x[0, 0].scatter_add(0, ONE[0] - 1, x[1, 1]),
    "roll, one number": lambda x: x[0, 0].roll(3) + x[0].roll(-1, -1),
    "roll, all": lambda x: x.roll(5),
    "roll, several dims": lambda x: x.T.roll((1, -6), (-1, 0)),
    "roll, empty": lambda x: torch.cat([x[:0].roll(2, 0), x]),
    "flip, one number": lambda x: x[0, 0].flip(()) + x[:, :0].flip(-1).sum(),
    "diagonal, offset": lambda x: x.T.exp().diagonal(-1) + x.diagonal(1),
    "slices in place": lambda x: x.T.clone()[1:].mul_(2)[:, ::2],
}

DIFFERENTIABLE = SMOOTH | KINKED | MOVING | AT_PLACES | LOSSES


@pytest.fixture
def x():
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)


@pytest.mark.sampled(31)
@pytest.mark.parametrize("name", DIFFERENTIABLE | STEPPED)
def test_value(name, x) -> None:
    assert_same((DIFFERENTIABLE | STEPPED)[name], x)


@pytest.mark.sampled(19)
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivative(name, x) -> None:
    assert_same(derivative(DIFFERENTIABLE[name]), x)


@pytest.mark.parametrize("name", KINKED)
def test_derivative_at_a_kink(name) -> None:
    """Where several derivatives are right, torch's is."""
    kinks = torch.tensor([[0.0, -0.0, 0.5, -0.5], [1.0, -1.0, 0.1, 0.7], [6.0, 3.0, -3.0, 0.0]], dtype=DOUBLE)
    assert_same(derivative(KINKED[name]), kinks)


@pytest.mark.parametrize("name", [*KINKED, *STEPPED, "exp", "sqrt", "tanh", "sigmoid", "softmax", "sum", "mean", "bce"])
def test_values_that_are_no_numbers(name) -> None:
    wild = torch.tensor(
        [[math.nan, math.inf, -math.inf, 0.0], [-0.0, 1.0, -1.0, math.nan], [1e30, -1e30, 2, 3]]
    ).double()
    if name == "cast":
        pytest.skip("what a whole number of NaN is differs between CPUs")
    if name == "bce":
        wild[wild.isnan()] = 0.5  # which torch refuses
    function = (DIFFERENTIABLE | STEPPED)[name]
    found, _ = recorded(function, wild)
    np.testing.assert_allclose(found, function(wild).double(), rtol=1e-12)


@pytest.mark.parametrize(
    ("number", "tensor", "dtype"),
    [
        (2, torch.tensor([1.0]), torch.float32),
        (2.5, torch.tensor(1.0), torch.float32),
        (2.5, torch.tensor([1, 2]), torch.float32),
        (True, torch.tensor([1, 2]), torch.int64),
    ],
)
def test_a_number_takes_the_type_of_a_tensor_unless_it_is_of_a_higher_kind(number, tensor, dtype) -> None:
    recorder = ProgramRecorder(torch.float32, RULES, {})
    symbol = recorder.constant(tensor)
    found = recorder.record(lambda: symbol * number)
    assert found.dtype == dtype == (tensor * number).dtype


STRIDED = {
    "as_strided": lambda x: x.as_strided((2, 2), (4, 1), 3),
    "as_strided of another order": lambda x: x.T.exp().as_strided((2, 2), (4, 1), 1),
    "as_strided of a slice": lambda x: x[1:].as_strided((2, 2), (0, 1)),
    "as_strided of constants": lambda x: x + torch.ones_like(x).cumsum(0).T.exp().as_strided((3, 4), (4, 1)),
    "as_strided_copy": lambda x: torch.as_strided_copy(x.T.exp(), (2, 2), (4, 1), 1),
    "as_strided_copy of constants": lambda x: x + torch.as_strided_copy(torch.ones_like(x).cumsum(0).T, (3, 4), (4, 1)),
    "as_strided_scatter": lambda x: torch.as_strided_scatter(x, x[:2, :2] * 3, (2, 2), (4, 1), 1),
    "as_strided_": lambda x: x.clone().as_strided_((3, 4), (1, 3)),
    "t_": lambda x: x[:, :3].clone().t_(),
    "t_ of a slice": lambda x: x.clone()[:2, ::2].t_(),
    "squeeze_": lambda x: x[:1].clone().squeeze_(0),
    "unsqueeze_": lambda x: x.clone().unsqueeze_(0),
    "resize_": lambda x: x.detach().clone().resize_(2, 2),
    "index_add of a wrong shape": lambda x: x.index_add(0, ONE, x[0]),
}
"""What reads memory by its order, or changes a tensor's shape in place."""

REFUSED = {
    "random numbers": (lambda x: F.dropout(x, 0.5), "random"),
    "random numbers of no run": (lambda x: x + torch.rand(3, 4, dtype=DOUBLE), "random"),
    "float of an entry": (lambda x: x * float(x.sum()), "depends on a number that differs between runs"),
    "branch": (lambda x: x if x.sum() > 0 else -x, "depends on a number that differs between runs"),
    "numpy": (lambda x: x * torch.from_numpy(np.sin(x.detach().numpy())), "numpy"),
    "sort": (lambda x: x.sort(0).values, "sort"),
    "argmax": (lambda x: x[x.argmax(1)], "argmax"),
    "inverse": (lambda x: torch.linalg.inv(x[:, :3]), "linalg_inv"),
    "shape by a value": (lambda x: x[x > 0], "nonzero|depends"),
    "another precision": (lambda x: x.half().exp().double(), "float16"),
    "complex": (lambda x: torch.fft.fft(x).abs(), "complex|fft"),
    "bytes": (lambda x: x.view(torch.int64), "bytes"),
    "no probability": (lambda x: F.binary_cross_entropy(x, x.detach()), "sigmoid"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_fixed_program_is_refused_with_a_reason(name, x) -> None:
    function, why = REFUSED[name]
    with pytest.raises(CannotCompileError, match=why) as caught:
        recorded(function, x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", STRIDED)
def test_what_depends_on_the_order_in_memory_is_refused(name, x) -> None:
    with pytest.raises(CannotCompileError, match=r"as_strided|_' has no rule|index_add of a source of shape"):
        recorded(STRIDED[name], x)


def test_a_refusal_cannot_be_caught_by_the_module(x) -> None:
    def wary(x):
        try:
            return x * float(x.sum())
        except Exception:
            return x

    with pytest.raises(CannotCompileError, match="depends on a number"):
        recorded(wary, x)


def test_a_tensor_that_was_there_before_must_not_be_written_to(x) -> None:
    kept = torch.zeros(3, 4, dtype=DOUBLE)
    for write in (lambda x: kept.add_(x), lambda x: kept[0].copy_(x[0]), lambda x: kept.add_(1.0)):
        with pytest.raises(CannotCompileError, match="writes to a tensor that is not part of it"):
            recorded(write, x)
    assert not kept.any()


class Recurrent(nn.Module):
    """Reads its columns one after the other."""

    def __init__(self):
        super().__init__()
        self.cell, self.norm, self.out = nn.GRUCell(1, 2), nn.LayerNorm(2), nn.Linear(2, 1)

    def forward(self, x):
        state = x.new_zeros(len(x), 2)
        for column in x.split(1, dim=1):
            state = self.cell(column, state)
        return self.out(self.norm(state))


def test_modules_of_others_need_not_know(x) -> None:
    torch.manual_seed(0)
    module = Recurrent().double()
    assert_same(module, x)
    assert_same(derivative(module), x)


def test_large_tensors_are_refused_before_they_take_long(x) -> None:
    data = torch.zeros(1000, 300, dtype=DOUBLE)
    with pytest.raises(CannotCompileError, match="300,000 numbers of data"):
        recorded(lambda x: x.sum() + data, x)
    with pytest.raises(CannotCompileError, match="many more than 10,000 scalar operations"):
        recorded(lambda x: (torch.arange(79_000) * x.flatten()[:, None]).sum(), x)
