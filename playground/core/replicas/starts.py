"""Creates the initial parameters of replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from playground.core.problem import Problem
from playground.core.replicas.base import CannotBatchError, Parameters
from playground.core.replicas.draws import MIN_DRAWN_SEEDS, draw_together
from playground.core.seeding import seed_torch
from playground.core.setting import CPU


def stack_parameters(starts: Sequence[Mapping[str, Tensor]]) -> Parameters:
    """Stack the parameters of many runs into one tensor per name.

    :param starts: the initial parameters of each run by name.
    """
    return {name: torch.stack([each[name].detach() for each in starts]) for name in starts[0]}


def draw_parameters(
    problem_of: Callable[[int], Problem], seeds: Sequence[int], device: torch.device = CPU
) -> Parameters:
    """Return the initial parameters for each seed as one tensor per name; see `initial_parameters`."""
    if device == CPU and len(seeds) >= MIN_DRAWN_SEEDS:
        with seed_torch(0, device):
            found = draw_together(problem_of, seeds)
        if found is not None:
            _require_one_problem(*found[1])
            return found[0]
    return stack_parameters(initial_parameters(problem_of, seeds, device))


def initial_parameters(
    problem_of: Callable[[int], Problem], seeds: Sequence[int], device: torch.device = CPU
) -> list[dict[str, Tensor]]:
    """Return the initial parameters for each seed, the same numbers as in a single run.

    The global random state is saved once for all seeds, because saving it costs as much as building a small module.

    :param problem_of: builds the problem of a seed.
    :param device: its random stream is seeded as well, if it has its own.
    :raises CannotBatchError: the runs differ in more than these parameters, for example by noise stored in a buffer.
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
    """Check that the first run's module with the second's parameters has the second's loss.

    :raises CannotBatchError: the losses differ.
    """
    first.module.eval()
    second.module.eval()
    with torch.no_grad():
        mine = second.loss(second.module, second.batches.data)
        borrowed = first.loss(first.forward(second.parameters), first.batches.data)
    if not torch.equal(mine.nan_to_num(), borrowed.nan_to_num()):
        raise CannotBatchError("runs with different seeds differ in more than their parameters")
