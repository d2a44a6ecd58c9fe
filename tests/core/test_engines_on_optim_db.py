"""Every configuration of torch's own test database of optimizers: a batch equals a plain loop, or is refused."""

import pytest
import torch
from torch import nn

from playground.core.descent import descend
from playground.core.problem import Problem
from playground.core.replicas import ELEMENTWISE_OPTIMIZERS, CannotBatchError, TorchReplicas
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.filterwarnings("ignore")]

STEPS = 6
STARTS = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]], dtype=torch.float64)


class Start(nn.Module):
    def __init__(self, x):
        super().__init__()
        self.x = nn.Parameter(x.clone())

    def forward(self):
        return self.x


def loss(x):
    return ((x - 0.5) ** 2 * torch.tensor([1.0, 3.0], dtype=x.dtype)).sum() + (x.prod() - 1) ** 2


def configurations():
    from torch.testing._internal.common_optimizers import optim_db  # takes seconds, and only slow tests want it

    for info in optim_db:
        for config in info.optim_inputs_func(device="cpu"):
            yield info.optim_cls, config.kwargs


def by_hand(kind, options, start):
    """The plain loop that anybody would write."""
    x = start.clone().requires_grad_()
    optimizer = kind([x], **options)

    def closure():
        optimizer.zero_grad()
        found = loss(x)
        found.backward()
        return found

    for _ in range(STEPS):
        closure()
        optimizer.step(closure) if kind is torch.optim.LBFGS else optimizer.step()
    return x.detach()


def batched(kind, options):
    problem, rules = Problem(Start(STARTS[0]), lambda forward, batch: loss(forward())), StopRules(divergence=1e300)

    def factory(parameters):
        return kind(parameters, **options)

    stepper = TorchReplicas(problem, {"x": STARTS}, range(3), [factory] * 3, kind in ELEMENTWISE_OPTIMIZERS)
    descend(stepper, ReplicaTraces(stepper, STEPS, rules, 3))
    return stepper.final["x"]


def outcome(kind, options):
    """Say how a batch does beside the plain loop."""
    try:
        expected = torch.stack([by_hand(kind, options, start) for start in STARTS])
    except Exception:
        return "torch itself refuses it"
    try:
        found = batched(kind, options)
    except CannotBatchError as error:
        return "refused" if str(error) else "refused without a reason"
    same = torch.allclose(found, expected, rtol=1e-10, atol=1e-12, equal_nan=True)
    return "equal" if same else f"{found.tolist()} where the loop has {expected.tolist()}"


def test_a_batch_is_the_plain_loop_or_refused(one_thread):
    outcomes = {f"{kind.__name__} {options}": outcome(kind, options) for kind, options in configurations()}
    fine = ("equal", "refused", "torch itself refuses it")
    assert {name: word for name, word in outcomes.items() if word not in fine} == {}
    assert sum(word == "equal" for word in outcomes.values()) > len(outcomes) // 2
