"""What we know of torch's functions meets the contract that we publish, called as models and losses call them."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from playground.builtin import losses
from playground.plugins.manager import load_plugins
from playground.testing import OperationContract, build_registered

pytestmark = pytest.mark.sampled(25)

REGISTRY = load_plugins(specs=["no:mistakes"], autoload=False).registry
A = torch.tensor([[0.4, 0.7, 0.9], [0.3, 0.6, 0.8]], dtype=torch.float64)
B = torch.tensor([[0.3, 0.8, 0.5], [0.9, 0.2, 0.7]], dtype=torch.float64)
ROW = torch.tensor([0.3, 0.8, 0.5], dtype=torch.float64)
EIGHTHS = torch.arange(1, 7, dtype=torch.float64).reshape(2, 3) / 8
T = torch.tensor([[0.0, 1.0, 0.25], [1.0, 0.0, 0.5]], dtype=torch.float64)


def of(function, *inputs):
    return function, inputs or (A,)


CALLS = {
    "add": of(torch.add, A, ROW),
    "sub": of(lambda a, b: torch.sub(a, b, alpha=3), A, B),
    "rsub": of(lambda a: 2 - a),
    "add: in place": of(lambda a, b: (a * 1).add_(b), A, B),
    "mul": of(torch.mul, A, ROW),
    "multiply": of(torch.multiply, A, B),
    "div": of(torch.div, A, ROW),
    "rtruediv": of(lambda a: 2 / a),
    "pow": of(torch.pow, A, B),
    "pow: squared": of(lambda a: a**2),
    "pow: a number": of(lambda a: a**1.5),
    "rpow": of(lambda a: 2**a),
    "square": of(torch.square),
    "maximum": of(torch.maximum, A, B),
    "minimum": of(torch.minimum, A, B),
    "matmul": of(torch.matmul, A, B.T),
    "mm": of(lambda a, b: a.mm(b), A, B.T),
    "spmm": of(torch.mm, A, B.T),
    "mv": of(torch.mv, A, ROW),
    "dot": of(torch.dot, ROW, A[0]),
    "linear": of(F.linear, A, B, ROW[:2]),
    "linear: without bias": of(F.linear, A, B),
    "linear: one output": of(lambda x, w: F.linear(x, w), A, ROW),
    "neg": of(torch.neg),
    "sqrt": of(torch.sqrt),
    "exp": of(torch.exp),
    "expm1": of(torch.expm1),
    "log1p": of(torch.log1p),
    "rsqrt": of(torch.rsqrt),
    "reciprocal": of(torch.reciprocal),
    "relu6": of(F.relu6, A * 9 - 3),
    "selu": of(F.selu, A - 0.5),
    "log": of(torch.log),
    "log2": of(torch.log2),
    "log10": of(torch.log10),
    "sin": of(torch.sin),
    "cos": of(torch.cos),
    "tan": of(torch.tan),
    "atan": of(torch.atan),
    "sinh": of(torch.sinh),
    "cosh": of(torch.cosh),
    "erf": of(torch.erf),
    "abs": of(torch.abs, A - 0.5),
    "sigmoid": of(torch.sigmoid),
    "tanh": of(torch.tanh),
    "relu": of(F.relu, A - 0.5),
    "leaky_relu": of(lambda x: F.leaky_relu(x, 0.2), A - 0.5),
    "elu": of(lambda x: F.elu(x, alpha=0.7), A - 0.5),
    "gelu": of(F.gelu),
    "gelu: approximate": of(lambda x: F.gelu(x, approximate="tanh")),
    "silu": of(F.silu),
    "softplus": of(lambda x: F.softplus(x, 2.0)),
    "logsigmoid": of(F.logsigmoid),
    "hardtanh": of(lambda x: F.hardtanh(x, -0.5, 0.5)),
    "clamp": of(lambda x: x.clamp(0.35, max=0.75)),
    "nan_to_num": of(torch.nan_to_num),
    "dropout": of(F.dropout),
    "reshape": of(lambda x: x.reshape(3, 2)),
    "view": of(lambda x: x.view(6)),
    "flatten": of(torch.flatten),
    "squeeze": of(torch.squeeze, A[None]),
    "unsqueeze": of(lambda x: x.unsqueeze(1)),
    "expand": of(lambda x: x.expand(2, 3), ROW),
    "broadcast_to": of(lambda x: x.broadcast_to(4, 3), ROW),
    "transpose": of(lambda x: x.transpose(0, 1)),
    "swapaxes": of(lambda x: x.swapaxes(0, 1)),
    "permute": of(lambda x: x[None].permute(2, 0, 1)),
    "t": of(torch.t),
    "mt": of(lambda x: x.mT),
    "clone": of(torch.clone),
    "contiguous": of(lambda x: x.T.contiguous()),
    "to": of(lambda x: x.half().to(x.dtype), EIGHTHS),
    "double": of(lambda x: x.half().double(), EIGHTHS),
    "float": of(lambda x: x.half().float(), EIGHTHS),
    "getitem": of(lambda x: x[:, [0, 2, 2]]),
    "stack": of(lambda a, b: torch.stack([a, b], dim=1), A, B),
    "cat: axis": of(lambda a, b: torch.cat([a, b], axis=-1), A, B),
    "cat": of(lambda a, b: torch.cat([a, b, a], 1), A, B),
    "where": of(lambda a, b: torch.where(a > 0.5, a, b), A, B),
    "ones_like": of(torch.ones_like),
    "zeros_like": of(torch.zeros_like),
    "full_like": of(lambda x: torch.full_like(x, 3)),
    "detach": of(lambda x: x.detach()),
    "sign": of(torch.sign),
    "sum": of(torch.sum),
    "sum: axes": of(lambda x: x[None].sum(axis=(0, -1), keepdims=True)),
    "mean": of(lambda x: x.mean(dim=1, keepdim=True)),
    "prod": of(lambda x: x.prod(1)),
    "max": of(torch.max),
    "amax": of(lambda x: x.amax(dim=(0, 1))),
    "amax: a tie": of(lambda x: (x * 0 + 1).amax(dim=-1)),
    "min": of(lambda x: x.min(0).values),
    "amin": of(lambda x: x.amin(dim=0, keepdim=True)),
    "vector_norm": of(torch.linalg.vector_norm),
    "vector_norm: of rows": of(lambda x: torch.linalg.vector_norm(x, dim=1)),
    "softmax": of(lambda x: F.softmax(x, -1)),
    "log_softmax": of(lambda x: torch.log_softmax(x, 0)),
    "logsumexp": of(lambda x: x.logsumexp(1)),
    "layer_norm": of(lambda x, w, b: F.layer_norm(x, (3,), w, b), A, ROW, ROW + 1),
    "layer_norm: alone": of(lambda x: F.layer_norm(x, [2, 3])),
    "batch_norm": of(lambda x, w, b: F.batch_norm(x, None, None, w, b, True), A, ROW, ROW + 1),
    "batch_norm: kept": of(lambda x, w: F.batch_norm(x, ROW.to(x), ROW.to(x) + 1, w), A, ROW),
    "instance_norm": of(lambda x: F.instance_norm(x[None])),
    "conv1d": of(lambda x, w, b: F.conv1d(x[None], w[:, :, None], b, padding=1), A, A[:, :2], ROW[:2]),
    "conv2d": of(lambda x, w: F.conv2d(x[None, None], w[None, None], stride=1, dilation=1), A, A[:, :2]),
    "conv3d": of(lambda x, w: F.conv3d(x[None, None, None], w[None, None, None]), A, A[:, :2]),
    "embedding": of(lambda w: F.embedding(torch.tensor([[0, 1], [1, 1]]), w)),
    "mse_loss": of(F.mse_loss, A, T),
    "l1_loss": of(lambda p: F.l1_loss(p, T.to(p), reduction="sum")),
    "huber_loss": of(lambda p: F.huber_loss(p, T.to(p), delta=0.3)),
    "smooth_l1_loss": of(lambda p: F.smooth_l1_loss(p, T.to(p), beta=0.3)),
    "binary_cross_entropy": of(lambda p: F.binary_cross_entropy(p, T.to(p))),
    "binary_cross_entropy_with_logits": of(lambda p: F.binary_cross_entropy_with_logits(p, T.to(p))),
    "bce_with_logits": of(lambda p: losses.bce_with_logits(p, T.to(p))),
    "cross_entropy: shares": of(lambda p: F.cross_entropy(p, torch.softmax(p.detach(), 1), label_smoothing=0.1)),
    "cross_entropy": of(lambda p: F.cross_entropy(p, torch.tensor([2, 0]))),
    "bmm": of(torch.bmm, A[None], B.T[None]),
    "matmul: of a batch": of(torch.matmul, torch.stack([A, -A]), B.T),
    "vdot": of(torch.vdot, ROW, A[0]),
    "exp2": of(torch.exp2),
    "asin": of(torch.asin),
    "acos": of(torch.acos),
    "asinh": of(torch.asinh),
    "acosh": of(torch.acosh, A + 1),
    "atanh": of(torch.atanh),
    "erfc": of(torch.erfc),
    "expit": of(torch.special.expit),
    "celu": of(lambda x: F.celu(x, 0.5), A - 0.5),
    "softplus: beyond the threshold": of(lambda x: F.softplus(x, 2.0, 1.0)),
    "mish": of(F.mish, A - 0.5),
    "hardswish": of(F.hardswish, A * 9 - 5),
    "prelu": of(F.prelu, A - 0.5, ROW),
    "prelu: one weight": of(F.prelu, A - 0.5, ROW[:1]),
    "glu": of(lambda x: F.glu(x, 0)),
    "softsign": of(F.softsign, A - 0.5),
    "tanhshrink": of(F.tanhshrink),
    "softshrink": of(lambda x: F.softshrink(x, 0.1), A - 0.5),
    "hardshrink": of(lambda x: F.hardshrink(x, 0.15), A - 0.5),
    "threshold": of(lambda x: F.threshold(x, 0.5, -1)),
    "clip": of(lambda x: torch.clip(x, 0.35)),
    "clamp_min": of(lambda x: x.clamp_min(0.35)),
    "clamp_max": of(lambda x: x.clamp_max(0.75)),
    "dropout1d": of(F.dropout1d),
    "dropout2d": of(lambda x: F.dropout2d(x[None, None])),
    "dropout3d": of(lambda x: F.dropout3d(x[None, None, None])),
    "unflatten": of(lambda x: x.unflatten(1, (3, 1))),
    "expand_as": of(lambda x: x.expand_as(A), ROW),
    "concat": of(lambda a, b: torch.concat([a, b]), A, B),
    "flip": of(lambda x: x.flip(0, 1)),
    "roll": of(lambda x: x.roll(2, 1)),
    "roll: all axes as one": of(lambda x: torch.roll(x, 1)),
    "repeat": of(lambda x: x.repeat(2, 1, 2)),
    "tile": of(lambda x: x.tile(2)),
    "repeat_interleave": of(lambda x: x.repeat_interleave(2, dim=1)),
    "select": of(lambda x: x.select(1, 2)),
    "narrow": of(lambda x: x.narrow(1, 1, 2)),
    "gather": of(lambda x: x.gather(1, torch.tensor([[0, 0], [2, 0]]))),
    "index_select": of(lambda x: x.index_select(1, torch.tensor([2, 2, 0]))),
    "take": of(lambda x: x.take(torch.tensor([5, 5, 1]))),
    "take_along_dim": of(lambda x: x.take_along_dim(x.argsort(1), dim=1)),
    "diagonal": of(lambda x: x.diagonal(1)),
    "diag": of(torch.diag, ROW),
    "triu": of(torch.triu),
    "tril": of(lambda x: x.tril(diagonal=-1)),
    "movedim": of(lambda x: x[None].movedim(0, -1)),
    "masked_select": of(lambda x: x.masked_select(x > 0.5)),
    "masked_fill": of(lambda x: x.masked_fill(x > 0.5, 3.0)),
    "pad": of(lambda x: F.pad(x, (1, 2), value=7.0)),
    "pad: circular": of(lambda x: F.pad(x, (1, 2), mode="circular")),
    "interpolate": of(lambda x: F.interpolate(x[None], scale_factor=2)),
    "pixel_shuffle": of(lambda x: F.pixel_shuffle(x.reshape(1, 4, 1, 1), 2), A[:, :2]),
    "sort": of(lambda x: x.sort(descending=True).values),
    "topk": of(lambda x: x.topk(2, largest=False).values),
    "kthvalue": of(lambda x: x.kthvalue(2, keepdim=True).values),
    "median": of(lambda x: x.median(1).values),
    "norm": of(torch.linalg.norm),
    "norm: sum of sizes": of(lambda x: x.norm(p=1, dim=1), A - 0.5),
    "norm: largest size": of(lambda x: torch.linalg.norm(x, torch.inf, dim=1), A - 0.5),
    "matrix_norm": of(torch.linalg.matrix_norm),
    "var": of(torch.var),
    "var: of rows": of(lambda x: x.var(1, unbiased=False)),
    "std": of(lambda x: x.std(dim=1, correction=0, keepdim=True)),
    "cumsum": of(lambda x: x.cumsum(1)),
    "softmin": of(lambda x: F.softmin(x, 1)),
    "outer": of(torch.outer, ROW, A[0, :2]),
    "addmm": of(lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=3), A[:, :2], A, B.T),
    "einsum": of(lambda a, b, c: torch.einsum("ij,kj,l->ki", a, b, c), A, B, ROW),
    "einsum: no arrow": of(lambda a, b: torch.einsum("ij,kj", a, b), A, B),
    "bilinear": of(F.bilinear, A, B[:, :2], torch.stack([A.T, B.T]), ROW[:2]),
    "cosine_similarity": of(F.cosine_similarity, A, B),
    "normalize": of(F.normalize),
    "scaled_dot_product_attention": of(F.scaled_dot_product_attention, A[None], B[None], A[None] + 1),
    "scaled_dot_product_attention: causal": of(
        lambda q, k: F.scaled_dot_product_attention(q, k, k, is_causal=True, scale=2.0), A[None], B[None]
    ),
    "scaled_dot_product_attention: a mask": of(
        lambda q, k: F.scaled_dot_product_attention(q, k, k, A[:, :2].to(q)), A[None], B[None]
    ),
    "group_norm": of(lambda x, w, b: F.group_norm(x.reshape(2, 3, 1), 1, w, b), A, ROW, ROW + 1),
    "group_norm: two groups": of(lambda x: F.group_norm(x.reshape(1, 6), 2)),
    "rms_norm": of(lambda x, w: F.rms_norm(x, (3,), w), A, ROW),
    "conv_transpose1d": of(
        lambda x, w, b: F.conv_transpose1d(x[None], w[:, :, None], b, stride=2, output_padding=1), A, A, ROW
    ),
    "conv_transpose2d": of(lambda x, w: F.conv_transpose2d(x[None], w[None, None], dilation=2), A, A[:, :2]),
    "conv_transpose3d": of(lambda x, w: F.conv_transpose3d(x[None, None, None], w[None, None, None]), A, A[:, :2]),
    "conv2d: one sample, as large as before": of(
        lambda x, w: F.conv2d(x[None], w[None, None], padding="same"), A, torch.stack([ROW, ROW + 1, ROW])
    ),
    "max_pool1d": of(lambda x: F.max_pool1d(x, 2, 1)),
    "max_pool2d": of(lambda x: F.max_pool2d(x[None], 2, padding=1)),
    "max_pool3d": of(lambda x: F.max_pool3d(x[None, None], (1, 2, 2))),
    "adaptive_max_pool1d": of(lambda x: F.adaptive_max_pool1d(x, 2)),
    "adaptive_max_pool2d": of(lambda x: F.adaptive_max_pool2d(x[None], (1, 2))),
    "avg_pool1d": of(lambda x: F.avg_pool1d(x, 2, 1)),
    "avg_pool2d": of(lambda x: F.avg_pool2d(x[None], 2, 2, 1, True, False)),
    "avg_pool2d: another divisor": of(lambda x: F.avg_pool2d(x[None], (2, 1), padding=(1, 0), divisor_override=3)),
    "avg_pool3d": of(lambda x: F.avg_pool3d(x[None, None], (1, 2, 2), padding=(0, 1, 1))),
    "adaptive_avg_pool1d": of(lambda x: F.adaptive_avg_pool1d(x, 2)),
    "adaptive_avg_pool2d": of(lambda x: F.adaptive_avg_pool2d(x[None], (None, 2))),
    "nll_loss": of(lambda p: F.nll_loss(p, torch.tensor([2, 0]))),
    "nll_loss: weights": of(lambda p: F.nll_loss(p, torch.tensor([2, 0]), ROW.to(p), reduction="none")),
}
"""Calls by the name that torch's function has on a tape, and what is particular about one."""

ELSEWHERE = {"rdiv", "linalg_vector_norm"}
"""What other versions of torch call `rtruediv` and `vector_norm`."""


class TestOperations(OperationContract):
    @pytest.fixture(params=CALLS, autouse=True)
    def called(self, request):
        self.name = request.param.partition(":")[0]
        self.function, self.given = CALLS[request.param]

    def operation(self):
        return build_registered("operation", self.name)

    def call(self, *inputs):
        return self.function(*inputs)

    def inputs(self):
        return self.given


def test_every_operation_is_called():
    assert {name.partition(":")[0] for name in CALLS} == set(REGISTRY.names("operation")) - ELSEWHERE
