"""How many replicas go well together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import vmap

from playground.core.problem import Problem

FASTEST_STEP_BYTES = 8_000_000
"""Bytes of all numbers of a step at which a step per replica is fastest: fewer replicas pay for Python, more for the
memory. Measured on 32 MB of shared cache: best from 3 to 12 million, for 3 parameters as for 33."""

MAX_CHUNK_BYTES = 2_000_000_000
"""Bytes of a step times steps that a chunk should not exceed: some seconds, after which its runs are stored."""

MIN_STEP_BYTES = 1_000_000
"""Bytes of a step below which Python costs more than the numbers: so many are taken, however many steps there are."""

MIN_CHUNK_REPLICAS = 64
"""With as many replicas Python costs little, however large each of them is."""

PARAMETER_COPIES = 10
"""Of the parameters at the height of a step: themselves, final ones, gradients, state, and what a rule is adding up."""

REPLICA_RECORD_BYTES = 512
"""Bytes of what is recorded of each replica."""


def chunk_size(problem: Problem, parameters: Mapping[str, Tensor], memory: int) -> int:
    """Return how many replicas to compute together: as many as are fastest, if the memory holds them; at least 1.

    :param problem: of any one run.
    :param parameters: of that run.
    :param memory: the budget in bytes.
    """
    each = bytes_per_replica(problem, parameters)
    return max(1, min(memory // each, max(FASTEST_STEP_BYTES // each, MIN_CHUNK_REPLICAS)))


def storage_chunk_size(problem: Problem, parameters: Mapping[str, Tensor], steps: int) -> int:
    """Return how many replicas to compute between two moments at which results are stored.

    It depends on nothing that is measured in seconds, so that the same sweep has the same chunks.

    :param problem: of any one run.
    :param parameters: of that run.
    :param steps: that each run makes.
    """
    each = bytes_per_replica(problem, parameters)
    return max(MAX_CHUNK_BYTES // (each * max(steps, 1)), MIN_STEP_BYTES // each, MIN_CHUNK_REPLICAS)


def bytes_per_replica(problem: Problem, parameters: Mapping[str, Tensor]) -> int:
    """Return how much memory one more replica takes, about."""
    own = sum(tensor.nbytes for tensor in parameters.values())
    forward = _backward_bytes(problem, parameters, 2) - _backward_bytes(problem, parameters, 1)
    return REPLICA_RECORD_BYTES + PARAMETER_COPIES * own + 2 * forward  # the backward pass makes about as much again


def _backward_bytes(problem: Problem, parameters: Mapping[str, Tensor], count: int) -> int:
    """Return the bytes of everything that the backward pass of so many replicas needs."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    leaves = {name: torch.stack([tensor.detach()] * count).requires_grad_() for name, tensor in parameters.items()}
    batch = tuple(tensor[: problem.batches.size] for tensor in problem.batches.data)
    problem.module.eval()
    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            vmap(lambda replica: problem.loss(problem.forward(replica), batch))(leaves)
    except Exception:  # what cannot be mapped runs alone, however large the chunk
        return 0
    return sum(kept.values())
