"""What we know of torch's functions meets the contract that we publish, called as models and losses call them."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from playground.builtin import losses
from playground.plugins.manager import load_plugins
from playground.testing import OperationContract, registered

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
    "mse_loss": of(F.mse_loss, A, T),
    "l1_loss": of(lambda p: F.l1_loss(p, T.to(p), reduction="sum")),
    "huber_loss": of(lambda p: F.huber_loss(p, T.to(p), delta=0.3)),
    "smooth_l1_loss": of(lambda p: F.smooth_l1_loss(p, T.to(p), beta=0.3)),
    "binary_cross_entropy": of(lambda p: F.binary_cross_entropy(p, T.to(p))),
    "binary_cross_entropy_with_logits": of(lambda p: F.binary_cross_entropy_with_logits(p, T.to(p))),
    "bce_with_logits": of(lambda p: losses.bce_with_logits(p, T.to(p))),
    "cross_entropy: shares": of(lambda p: F.cross_entropy(p, torch.softmax(p.detach(), 1), label_smoothing=0.1)),
    "cross_entropy": of(lambda p: F.cross_entropy(p, torch.tensor([2, 0]))),
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
        return registered("operation", self.name)

    def call(self, *inputs):
        return self.function(*inputs)

    def inputs(self):
        return self.given


def test_every_operation_is_called():
    assert {name.partition(":")[0] for name in CALLS} == set(REGISTRY.names("operation")) - ELSEWHERE
