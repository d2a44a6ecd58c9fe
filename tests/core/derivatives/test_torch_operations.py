"""torch's own database of operations, as functions of one vector: right derivatives raise no alarm."""

import random

import pytest
import torch
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from playground.core.derivatives import Coordinate, check_derivatives, judge_entry, restrict_to_entries
from playground.core.setting import one_thread

DOUBLE = torch.float64
PARTS = 8
COORDINATES = 2

KNOWN = {
    "as_strided_scatter": "torch.autograd.gradcheck finds its gradient wrong, too",
    "nn.functional.max_unpool1d": "indices overlap: which entry wins is nobody's promise",
    "nn.functional.max_unpool2d": "as max_unpool1d",
    "nn.functional.max_unpool3d": "as max_unpool1d",
    "nn.functional.hardsigmoid": "its backward multiplies by 1/6 in float32",
    "nn.functional.ctc_loss": "its backward takes the input for the result of a log_softmax",
    "scatter_reduce.prod": "its forward derivative is wrong, while its backward is right",
    "linalg.norm.subgradients_at_zero": "a kink",
    "normal": "random",
    "bfloat16": "a function of stairs: no step suits",
    "half": "as bfloat16",
    "chalf": "as bfloat16",
    "digamma": "its derivative, trigamma, is right to ten digits only",
    "nn.functional.hinge_embedding_loss": "compares its target with 1 and -1, a jump",
    "nn.functional.cosine_embedding_loss": "as hinge_embedding_loss",
}
"""What torch itself gets wrong, what is random, and what has no derivative."""


def operations():
    pytest.importorskip("expecttest")  # which torch's own tests import
    from torch.testing._internal.common_methods_invocations import op_db

    for op in op_db:
        name = f"{op.name}.{op.variant_test_name}".rstrip(".")
        if op.supports_autograd and DOUBLE in op.supported_dtypes("cpu") and name not in KNOWN:
            yield name, op


def as_function(op, sample):
    """A weighted sum of an operation's differentiable results as g(z) of all inputs that require a gradient, and z."""
    leaves, spec = tree_flatten((sample.input, sample.args, sample.kwargs))
    moved = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    moved = [i for i in moved if leaves[i].dtype == DOUBLE and leaves[i].numel()]
    if not moved:
        return None
    leaves = [leaf.detach() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]

    def results(z):
        pieces = torch.split(z, [leaves[i].numel() for i in moved])
        now = dict(zip(moved, pieces, strict=True))
        values = [now[i].reshape(leaf.shape) if i in now else leaf for i, leaf in enumerate(leaves)]
        values = [v.to(z.dtype) if isinstance(v, torch.Tensor) and v.dtype == DOUBLE else v for v in values]
        first, args, kwargs = tree_unflatten(values, spec)
        first = first.clone() if isinstance(first, torch.Tensor) else first
        found = sample.output_process_fn_grad(op.gradcheck_wrapper(op.get_op(), first, *args, **kwargs))
        return [each for each in tree_leaves(found) if isinstance(each, torch.Tensor)]

    z = torch.cat([leaves[i].flatten() for i in moved])
    differentiable = [i for i, each in enumerate(results(z.clone().requires_grad_())) if each.requires_grad]

    def g(z):
        total = z.new_zeros(())
        for i, each in enumerate(results(z)):
            if i in differentiable:
                each = torch.view_as_real(each).sum(-1) if each.is_complex() and not z.is_complex() else each
                weights = torch.rand(each.shape, generator=torch.Generator().manual_seed(i), dtype=DOUBLE) + 0.5
                total = total + (each * weights.to(each)).sum()
        return total

    return (g, z) if differentiable and g(z).isfinite() and z.isfinite().all() else None


@pytest.mark.product(1)
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_no_false_alarm_of_torch_operations(part):
    alarms, checked = [], 0
    for name, op in list(operations())[part::PARTS]:
        torch.manual_seed(0)
        try:
            sample = next(iter(op.sample_inputs("cpu", DOUBLE, requires_grad=True)))
            function = as_function(op, sample)
        except Exception:  # what this machine lacks, LAPACK's rarer parts or an accelerator, is not what is tested
            continue
        if function is None:
            continue
        g, z = function
        some = sorted(random.Random(0).sample(range(len(z)), min(COORDINATES, len(z))))
        with one_thread():
            entries = check_derivatives(*restrict_to_entries(g, z, some), [Coordinate("z", i) for i in some]).entries
        checked += 1
        found = [(name, each.words) for entry in entries if (each := judge_entry(entry, torch.finfo(DOUBLE).eps))]
        alarms += found[:1]
    assert alarms == []
    assert checked > 30
