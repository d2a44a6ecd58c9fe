"""What replicas begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from playground.core.problem import Problem
from playground.core.replicas.base import CannotBatchError, Parameters
from playground.core.seeding import seed_torch
from playground.core.setting import CPU


def stack_parameters(starts: Sequence[Mapping[str, Tensor]]) -> Parameters:
    """Put the parameters of many runs into one tensor for each name.

    :param starts: the initial parameters of each run by name.
    """
    return {name: torch.stack([each[name].detach() for each in starts]) for name in starts[0]}


def initial_parameters(
    problem_of: Callable[[int], Problem], seeds: Sequence[int], device: torch.device = CPU
) -> list[dict[str, Tensor]]:
    """Return the initial parameters under each seed: the very numbers that `seeded(seed)` gives a run alone.

    The global stream is put aside once for all seeds, which costs as much as building a small module.

    :param problem_of: builds the problem of a seed.
    :param device: its stream is seeded as well when it has one of its own.
    :raises CannotBatchError: the runs differ in more than these parameters, say by noise that each keeps to itself.
    """
    reseed = torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed
    found: list[dict[str, Tensor]] = []
    first: Problem | None = None
    with seed_torch(0, device):
        for seed in seeds:
            reseed(seed)
            problem = problem_of(seed)
            found.append({name: tensor.detach() for name, tensor in problem.parameters.items()})
            if len(found) == 2 and first is not None:
                _require_one_problem(first, problem)
            first = first or problem
    return found


def _require_one_problem(first: Problem, second: Problem) -> None:
    """Make sure that the first run's module with the second's parameters is the second's module.

    :raises CannotBatchError: its loss is another.
    """
    first.module.eval()
    second.module.eval()
    with torch.no_grad():
        mine = second.loss(second.module, second.batches.data)
        borrowed = first.loss(first.forward(second.parameters), first.batches.data)
    if not torch.equal(mine.nan_to_num(), borrowed.nan_to_num()):
        raise CannotBatchError("runs with different seeds differ in more than their parameters")
