"""Compares the first steps of a compiled program with plain PyTorch, for a few of the runs.

A recording can be wrong without an error: a component may keep state between calls or read a global. The comparison
detects that before any compiled result is used; the runs then fall back to the next engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from playground.core.agreement import COMPARED_STEPS, ComparedSteps, agree_to_rounding, make_twins
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.record import DescentSpec, compute_step
from playground.core.problem import Batches
from playground.core.replicas import Parameters
from playground.core.setting import flush_denormals
from playground.core.steppers import Schedule
from playground.core.stopping import StopMonitor, StopRules
from playground.core.update import UpdateRule

RunKernel = Callable[[Parameters, Sequence[int], int], ComparedSteps]
"""Makes the first steps of some runs with the kernel: called with their starts, which runs they are, and how many
steps; returns the numbers of all of them, with an axis of runs in front."""


def require_agreement(
    run_kernel: RunKernel,
    descent: DescentSpec,
    parameters: Parameters,
    seeds: Sequence[int],
    budget: int,
    rules: StopRules,
    schedule: Schedule | None,
) -> None:
    """Compare the first steps of the first, a middle and the last run with plain PyTorch.

    Rounding alone may grow a hundredfold in a few steps. Each run is therefore also computed from initial values
    changed by one ulp, and the tolerance follows from how far those come apart.

    :param parameters: initial ones of all runs.
    :raises CannotCompileError: they differ by more than rounding, or a run alone raises an error.
    """
    count = len(seeds)
    which = sorted({0, count // 2, count - 1})
    steps = min(COMPARED_STEPS, budget)
    few = {name: tensor[which] for name, tensor in parameters.items()}
    mine, apart = run_kernel(few, which, steps), 0
    for place, run in enumerate(which):
        start = {name: tensor[place] for name, tensor in few.items()}
        rule = _scalar_rule(descent, run)
        try:
            plain, again, *twins = (
                _run_plain(descent, each, seeds[run], rule, schedule, steps, rules)
                for each in (start, start, *make_twins(start))
            )
        except Exception as error:  # a component may raise for some numbers only, where the compiled program continues
            raise CannotCompileError(
                f"in plain PyTorch a run raises {type(error).__name__}: {error}".partition("\n")[0]
            ) from error
        # Two identical calls that differ reveal a component that depends on more than its inputs.
        if not agree_to_rounding(again, plain, [plain]):
            raise CannotCompileError("repeating the same step gives different results")
        own = ComparedSteps(
            mine.loss[place], {n: tensor[place] for n, tensor in mine.parameters.items()}, mine.last[place]
        )
        apart += not agree_to_rounding(own, plain, twins)
    # Tolerate one run in three: its rounding may grow faster than the changed starts show (Adam at a rate of 1).
    if apart > len(which) // 3:
        raise CannotCompileError(f"the first {steps} steps differ from plain PyTorch")


def _scalar_rule(descent: DescentSpec, run: int) -> UpdateRule:
    """Return the update rule of one run, with numbers in place of tensors."""
    changes = {name: value[run].item() for name, value in descent.lanes.items()}
    return replace(descent.rule, **changes) if changes else descent.rule  # type: ignore[type-var]


@flush_denormals()
def _run_plain(
    descent: DescentSpec,
    start: Mapping[str, Tensor],
    seed: int,
    rule: UpdateRule,
    schedule: Schedule | None,
    steps: int,
    rules: StopRules,
) -> ComparedSteps:
    """Make the first steps of one run in plain PyTorch."""
    problem = descent.problem
    batches = Batches(problem.batches.data, problem.batches.size, seed)
    parameters = dict(start)
    states = {name: rule.init(tensor) for name, tensor in parameters.items()}
    loss, watch = torch.tensor(math.nan), StopMonitor(rules)
    for step in range(steps):
        lr = rule.lr if schedule is None else rule.lr * schedule(step)
        moved = compute_step(descent, rule, parameters, states, batches.at(step), step, lr)
        loss = moved.loss
        if watch.ends(step, loss.item(), moved.norm.item):
            break
        parameters, states = moved.parameters, moved.states
    problem.module.eval()
    with torch.no_grad():
        return ComparedSteps(loss, parameters, problem.loss(problem.forward(parameters), batches.data))
