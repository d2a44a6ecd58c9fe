"""Operations of torch's own test database under every engine: equal to plain PyTorch, or refused with a reason."""

from itertools import islice

import pytest
import torch
from torch import nn

from playground.builtin.optimizers import SGD
from playground.core.compiled import CompiledReplicas
from playground.core.descent import DescentTrace, descend
from playground.core.movers import RuleMover
from playground.core.problem import Problem
from playground.core.replicas import RuleReplicas
from playground.core.replicas.batch_agreement import require_agreement
from playground.core.steppers import RuleStepper
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore"),  # torch warns of what its own samples do
]

STEPS, RULE, RULES = 5, SGD(lr=1e-3), StopRules()
PARTS = 10
"""Parts of the database, each with operations of all kinds."""
LARGEST = 24
"""Entries of a start; larger ones take long and show nothing more."""
SAMPLES = 60
"""Samples of an operation that are looked at; some have hundreds, all of them large."""


class Start(nn.Module):
    def __init__(self, x):
        super().__init__()
        self.x = nn.Parameter(x.clone())

    def forward(self):
        return self.x


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [each for part in value for each in tensors(part)] if isinstance(value, list | tuple) else []


def function_of(op, sample):
    """The sum of squares of what an operation makes of its first argument."""

    def f(x):
        found = [t for t in tensors(op.op(x, *sample.args, **sample.kwargs)) if t.is_floating_point()]
        return sum((t.square().sum() for t in found), torch.zeros((), dtype=x.dtype))

    return f


def operations(part):
    from torch.testing._internal.common_methods_invocations import op_db  # takes seconds, and only slow tests want it

    return [op for op in op_db[part::PARTS] if op.supports_autograd and torch.float64 in op.supported_dtypes("cpu")]


def start_of(op):
    """A small sample that is a tensor of numbers, with the function that the operation is of it; None without one."""
    torch.manual_seed(0)  # torch draws its samples
    for sample in islice(op.sample_inputs("cpu", torch.float64, requires_grad=False), SAMPLES):
        x = sample.input
        if isinstance(x, torch.Tensor) and x.is_floating_point() and 0 < x.numel() <= LARGEST:
            return function_of(op, sample), x.detach()
    return None


def problem_of(f, x):
    return Problem(Start(x), lambda forward, batch: f(forward()))


def alone(f, x):
    """The final x of one run in plain PyTorch, and its last loss; None where the operation is no function of x."""
    try:
        stepper = RuleStepper(problem_of(f, x), RULE)
        descent = DescentTrace(STEPS, RULES)
        descend(stepper, descent)
    except Exception:
        return None
    return stepper.problem.parameters["x"].detach().clone(), descent.last


def batched(f, x):
    problem = problem_of(f, x[0])

    def replicas(starts):
        return RuleReplicas(problem, {"x": starts}, range(len(starts)), RULE)

    require_agreement(replicas(x), range(len(x)), lambda one, run: RuleStepper(one, RULE), STEPS, RULES)
    stepper = replicas(x)
    traces = ReplicaTraces(stepper, STEPS, RULES, len(x))
    descend(stepper, traces)
    return stepper.final["x"], traces.last


def compiled(f, x):
    program = CompiledReplicas(problem_of(f, x[0]), {"x": x}, range(len(x)), RuleMover(RULE), STEPS, RULES)
    traces = ReplicaTraces(program, STEPS, RULES, len(x))
    program.descend(traces)
    return program.final["x"], traces.last


def same(one, other):
    """Whether final parameters and last losses are equal to rounding."""
    return all(
        torch.allclose(torch.as_tensor(a), torch.as_tensor(b), rtol=1e-8, atol=1e-8, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )


def outcome(op):
    """Say how each engine did: `equal`, `refused` or what is wrong; `skipped` where there is no run."""
    found = start_of(op)
    if found is None:
        return {"skipped"}
    f, start = found
    starts = torch.stack([start, start * 0.9, start * 1.1])
    plain, again = ([alone(f, each) for each in starts] for _ in range(2))
    if None in plain or None in again or not all(map(same, plain, again)):
        return {"skipped"}  # no function of its argument that can be gone down
    words = set()
    for engine in (batched, compiled):
        try:
            x, last = engine(f, starts)
        except Exception as error:
            words.add("refused" if str(error) else f"{engine.__name__}: refused without a reason")
            continue
        right = all(
            same((x[run], last[run].double()), (a, torch.tensor(b, dtype=torch.float64)))
            for run, (a, b) in enumerate(plain)
        )
        words.add("equal" if right else f"{engine.__name__}: {last.tolist()} where plain has {[b for _, b in plain]}")
    return words


@pytest.mark.product(1)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_engine_is_equal_to_plain_or_says_why_not(part, one_thread):
    outcomes = {f"{op.name} {op.variant_test_name}": outcome(op) for op in operations(part)}
    wrong = {name: words for name, words in outcomes.items() if words - {"equal", "refused", "skipped"}}
    assert wrong == {}
    assert sum("equal" in words for words in outcomes.values()) > len(outcomes) // 3


def custom_square():
    """An operation that somebody registered with torch, with a backward of its own."""

    @torch.library.custom_op("playground_tests::square", mutates_args=())
    def square(x: torch.Tensor) -> torch.Tensor:
        return x * x

    square.register_autograd(
        lambda context, gradient: 2 * context.saved_tensors[0] * gradient,
        setup_context=lambda context, inputs, output: context.save_for_backward(*inputs),
    )
    return square


SINGLE = {
    "an operation that somebody registered": lambda: (lambda square: lambda x: square(x).sum())(custom_square()),
    "logaddexp of two entries": lambda: lambda x: torch.logaddexp(x[0], x[1]),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SINGLE)
def test_an_operation_of_two_entries(name, dtype):
    f = SINGLE[name]()
    starts = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]], dtype=dtype)
    plain, words = [alone(f, each) for each in starts], {}
    for engine in (batched, compiled):
        try:
            x, last = engine(f, starts)
        except Exception as error:
            words[engine.__name__] = str(error)
            continue
        tolerance = 1e-12 if dtype is torch.float64 else 1e-5
        torch.testing.assert_close(x, torch.stack([end for end, _ in plain]), rtol=tolerance, atol=tolerance)
        expected = torch.tensor([loss for _, loss in plain], dtype=torch.float64)
        torch.testing.assert_close(last.double(), expected, rtol=tolerance, atol=tolerance)
    assert all(words.values())
    assert name != "logaddexp of two entries" or words == {}
