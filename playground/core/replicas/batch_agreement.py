"""Compares the first steps of a few replicas with the same runs one by one, before a batch is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from playground.core.agreement import COMPARED_STEPS, ComparedSteps, agree_to_rounding, make_twins
from playground.core.problem import Batches, Problem
from playground.core.replicas.base import DisagreementError, Replicas
from playground.core.setting import flush_denormals
from playground.core.steppers import OneRun
from playground.core.stopping import StopMonitor, StopRules

MakeStepper = Callable[[Problem, int], OneRun]
"""Creates the stepper of a single run; called with its problem and its index among the replicas."""


@flush_denormals()
def require_agreement(
    replicas: Replicas, seeds: Sequence[int], alone: MakeStepper, budget: int, rules: StopRules
) -> None:
    """Compare the first steps of replicas with the same runs one by one, in plain PyTorch.

    Rounding alone may grow a hundredfold in a few steps. Each run is therefore also computed from initial values
    changed by one ulp, and the tolerance follows from how far those come apart.

    :param replicas: a few, at their start; they are updated.
    :param seeds: of each, for the order of mini-batches.
    :raises DisagreementError: more than one in three differ by more than rounding.
    """
    steps = min(COMPARED_STEPS, budget)
    starts = [{name: tensor[run] for name, tensor in replicas.parameters.items()} for run in range(len(seeds))]
    outcomes = [
        [_run_alone(replicas.problem, start, seed, alone, run, steps, rules) for start in (own, own, *make_twins(own))]
        for run, (own, seed) in enumerate(zip(starts, seeds, strict=True))
    ]
    reached = [outcome.steps for outcome, *_ in outcomes]
    apart = 0
    for mine, (plain, again, *twins) in zip(_run_batched(replicas, steps, reached), outcomes, strict=True):
        if not agree_to_rounding(again, plain, [plain]):
            raise DisagreementError("repeating the same step gives different results")
        apart += not agree_to_rounding(mine, plain, twins)
    # Tolerate one in three: its rounding may grow faster than the changed starts show (Adam at a rate of 1).
    if apart > len(seeds) // 3:
        raise DisagreementError(f"the first {steps} steps in a batch differ from those of single runs")


def _run_batched(replicas: Replicas, steps: int, reached: Sequence[int]) -> list[ComparedSteps]:
    """Let replicas descend for as many steps as each makes in a single run."""
    count = len(reached)
    seen = torch.full((count,), torch.nan, dtype=torch.float64)
    for step in range(steps):
        losses = replicas.evaluate(step).cpu()
        seen = torch.where(torch.tensor([step <= each for each in reached]), losses, seen)
        replicas.settle(torch.tensor([run for run in range(count) if reached[run] == step], dtype=torch.int64))
        replicas.update(step)
    last = replicas.finish().cpu()
    final, dtype = replicas.final, next(iter(replicas.final.values())).dtype
    return [
        ComparedSteps(loss, {name: tensor[run] for name, tensor in final.items()}, end, reached[run])
        for run, (loss, end) in enumerate(zip(seen.to(dtype), last.to(dtype), strict=True))
    ]


def _run_alone(
    problem: Problem, start: Mapping[str, Tensor], seed: int, alone: MakeStepper, run: int, steps: int, rules: StopRules
) -> ComparedSteps:
    """Let one run descend on its own."""
    batches = Batches(problem.batches.data, problem.batches.size, seed)
    with _swap_parameters(problem, start):
        stepper = alone(replace(problem, batches=batches), run)
        loss, watch, made = torch.nan, StopMonitor(rules), steps
        for step in range(steps):
            loss = stepper.evaluate(step)
            if watch.ends(step, loss, stepper.gradient_norm):
                made = step
                break
            stepper.update(step)
        last = stepper.finish()
        parameters = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    dtype = next(iter(parameters.values())).dtype  # which determines the rounding error
    return ComparedSteps(torch.tensor(loss, dtype=dtype), parameters, torch.tensor(last, dtype=dtype), made)


@contextmanager
def _swap_parameters(problem: Problem, start: Mapping[str, Tensor]) -> Iterator[None]:
    """Give the module these parameters within a `with` block."""
    before = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    try:
        _assign_parameters(problem, start)
        yield
    finally:
        _assign_parameters(problem, before)


def _assign_parameters(problem: Problem, values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in problem.parameters.items():
            tensor.copy_(values[name])
