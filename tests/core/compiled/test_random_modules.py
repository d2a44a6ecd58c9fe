"""Three engines on small random modules: compiled == batched == alone."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from playground.builtin import losses, optimizers, schedules
from playground.core.compiled import CompiledReplicas
from playground.core.descent import DescentTrace, descend
from playground.core.gradients import Clip
from playground.core.movers import RuleMover
from playground.core.problem import Batches, Problem
from playground.core.replicas import RuleReplicas, initial_parameters, stack_parameters
from playground.core.seeding import seed_torch
from playground.core.setting import CPU, one_thread
from playground.core.steppers import RuleStepper
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

STEPS = 20
DOUBLE = torch.float64
INPUTS = torch.tensor([[1.0, 0.5], [1, -0.3], [0.2, 1], [0, 0.7]], dtype=DOUBLE)
TARGETS = torch.tensor([[1.0], [0], [0.5], [0]], dtype=DOUBLE)

SMOOTH = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "softplus": nn.functional.softplus,
    "sin": torch.sin,
    "erf": torch.erf,
    "elu": nn.functional.elu,
    "softmax": lambda x: x.softmax(-1),
    "square": lambda x: x * x / 4,
    "bump": lambda x: torch.exp(-x * x),
    "root": lambda x: torch.sqrt(1 + x * x),
    "log": lambda x: torch.log1p(x * x),
    "centered": lambda x: x - x.mean(-1, keepdim=True),
    "doubled": lambda x: torch.cat([x, x.cos()], -1)[..., : x.shape[-1]] + x,
    "reversed": lambda x: x.flip(-1),
    "running": lambda x: x.cumsum(-1) / 2,
    "largest": lambda x: x + x.amax(-1, keepdim=True) / 2,
    "chosen": lambda x: torch.where(x > 0.1, x, 0.3 * x),
    "clamped": lambda x: x.clamp(-0.8, 0.9) + x / 10,
    "power": lambda x: (1 + x * x) ** 0.7,
}


class Layers(nn.Module):
    """Linear layers with something after each."""

    def __init__(self, widths, between, norm):
        super().__init__()
        sizes = [2, *widths, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths) if norm else [nn.Identity()] * len(widths)
        self.between = between

    def forward(self, x):
        for layer, norm, name in zip(self.layers, self.norms, self.between, strict=False):
            x = SMOOTH[name](norm(layer(x)))
        return self.layers[-1](x)


rules = st.sampled_from(
    [
        optimizers.SGD(lr=0.05, momentum=0.5),
        optimizers.Adam(lr=0.01),
        optimizers.AdamW(lr=0.01, amsgrad=True),
        optimizers.NAdam(lr=0.01),
        optimizers.RAdam(lr=0.01),
        optimizers.RMSprop(lr=0.003, centered=True, momentum=0.3, eps=1e-3),
        optimizers.Adagrad(lr=0.02, lr_decay=0.1),
        optimizers.Adadelta(lr=0.5),
        optimizers.Adamax(lr=0.01),
    ]
)


@pytest.mark.slow
@given(
    widths=st.lists(st.integers(2, 4), min_size=1, max_size=2),
    data=st.data(),
    norm=st.booleans(),
    loss=st.sampled_from([losses.mse, losses.huber, losses.bce_with_logits]),
    rule=rules,
    size=st.sampled_from([None, 2, 3]),
    schedule=st.sampled_from([None, schedules.cosine(STEPS, warmup=3)]),
    clip=st.sampled_from([None, Clip(norm=0.3), Clip(value=0.1)]),
)
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_three_engines_agree(widths, data, norm, loss, rule, size, schedule, clip) -> None:
    between = [data.draw(st.sampled_from(sorted(SMOOTH)), label="between") for _ in widths]

    def problem_of(seed):
        with seed_torch(seed, CPU):
            module = Layers(widths, between, norm).double()
        return Problem(
            module, lambda forward, batch: loss(forward(batch[0]), batch[1]), Batches((INPUTS, TARGETS), size, seed)
        )

    parameters, stop = stack_parameters(initial_parameters(problem_of, [0, 1, 2])), StopRules()
    with one_thread():
        compiled = CompiledReplicas(problem_of(0), parameters, range(3), RuleMover(rule), STEPS, stop, schedule, clip)
        mine = ReplicaTraces(compiled, STEPS, stop, 3)
        compiled.descend(mine)
        batched = RuleReplicas(problem_of(0), parameters, range(3), rule, schedule, clip)
        theirs = ReplicaTraces(batched, STEPS, stop, 3)
        descend(batched, theirs)
        alone, one = RuleStepper(problem_of(2), rule, schedule, clip), DescentTrace(STEPS)
        descend(alone, one)
    close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-10)
    close(mine.last, theirs.last)
    close(mine.best, theirs.best)
    close(mine.last[2].item(), one.last)
    for name, parameter in alone.problem.parameters.items():
        close(compiled.final[name], batched.final[name])
        close(compiled.final[name][2], parameter.detach())
