"""Before a batch is trusted: the first steps of a few runs against the same runs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from playground.engine.agreement import STEPS, Outcome, agree, twins_of
from playground.engine.problem import Batches, Problem
from playground.engine.replicas.base import CannotBatchError, Replicas
from playground.engine.setting import flushed_denormals
from playground.engine.steppers import OneRun
from playground.engine.stopping import StopRules, Watch

Alone = Callable[[Problem, int], OneRun]
"""Makes the stepper of one run by itself: called with its problem and its place among the replicas."""


class DisagreementError(CannotBatchError):
    """The runs of a batch come to other numbers than they would alone; an operation is mapped wrongly."""


@flushed_denormals()
def require_agreement(replicas: Replicas, seeds: Sequence[int], alone: Alone, budget: int, rules: StopRules) -> None:
    """Compare the first steps of replicas with the same runs alone, in plain PyTorch.

    What a unit in the last place of its start changes in a run, rounding may change a hundredfold.

    :param replicas: a few, at their start; they are moved.
    :param seeds: of each, for the order of mini-batches.
    :raises DisagreementError: more than one in three differ by more than rounding.
    """
    steps = min(STEPS, budget)
    starts = [{name: tensor[run] for name, tensor in replicas.parameters.items()} for run in range(len(seeds))]
    outcomes = [
        [_alone(replicas.problem, start, seed, alone, run, steps, rules) for start in (own, own, *twins_of(own))]
        for run, (own, seed) in enumerate(zip(starts, seeds, strict=True))
    ]
    reached = [outcome.steps for outcome, *_ in outcomes]
    apart = 0
    for mine, (plain, again, *twins) in zip(_batched(replicas, steps, reached), outcomes, strict=True):
        if not agree(again, plain, [plain]):
            raise DisagreementError("the same step comes out otherwise each time")
        apart += not agree(mine, plain, twins)
    if apart > len(seeds) // 3:  # in one of three, rounding may grow faster than a twin shows: Adam at a rate of 1
        raise DisagreementError(f"the first {steps} steps come out otherwise in a batch than alone")


def _batched(replicas: Replicas, steps: int, reached: Sequence[int]) -> list[Outcome]:
    """Let replicas descend for as many steps as each makes alone."""
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
        Outcome(loss, {name: tensor[run] for name, tensor in final.items()}, end, reached[run])
        for run, (loss, end) in enumerate(zip(seen.to(dtype), last.to(dtype), strict=True))
    ]


def _alone(
    problem: Problem, start: Mapping[str, Tensor], seed: int, alone: Alone, run: int, steps: int, rules: StopRules
) -> Outcome:
    """Let one run descend by itself."""
    batches = Batches(problem.batches.data, problem.batches.size, seed)
    with _own_parameters(problem, start):
        stepper = alone(replace(problem, batches=batches), run)
        loss, watch, made = torch.nan, Watch(rules), steps
        for step in range(steps):
            loss = stepper.evaluate(step)
            if watch.ends(step, loss, stepper.gradient_norm):
                made = step
                break
            stepper.update(step)
        last = stepper.finish()
        parameters = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    dtype = next(iter(parameters.values())).dtype  # which says how much rounding there is
    return Outcome(torch.tensor(loss, dtype=dtype), parameters, torch.tensor(last, dtype=dtype), made)


@contextmanager
def _own_parameters(problem: Problem, start: Mapping[str, Tensor]) -> Iterator[None]:
    """Let the module have these parameters for a while."""
    before = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    try:
        _set(problem, start)
        yield
    finally:
        _set(problem, before)


def _set(problem: Problem, values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in problem.parameters.items():
            tensor.copy_(values[name])
