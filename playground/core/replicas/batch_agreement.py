"""Compares the first steps of a few replicas with the same runs one by one, before a batch is used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import torch

from playground.core.agreement import COMPARED_STEPS, ComparedSteps, SingleRun, agree_to_rounding, make_twins
from playground.core.problem import Problem
from playground.core.replicas.base import DisagreementError, Replicas
from playground.core.setting import flush_denormals
from playground.core.steppers import OneRun
from playground.core.stopping import StopRules


class MakeStepper(Protocol):
    """Creates the stepper of a single run."""

    def __call__(self, problem: Problem, run: int) -> OneRun:
        """Return the stepper.

        :param problem: of this run.
        :param run: its index among the replicas.
        """


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
    single = [SingleRun(replicas.problem, seed, partial(alone, run=run)) for run, seed in enumerate(seeds)]
    outcomes = [
        [run.compute(start, steps, rules) for start in (own, own, *make_twins(own))]
        for run, own in zip(single, starts, strict=True)
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
