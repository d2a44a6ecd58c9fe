"""Determines how many replicas to compute in one batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import vmap

from playground.core.problem import Problem

FASTEST_STEP_BYTES = 8_000_000
"""The fastest size of a step, in bytes of all its numbers.

With fewer replicas Python's overhead dominates, with more the memory is slower. Measured with 32 MB of shared cache:
best from 3 to 12 million, for 3 parameters as for 33.
"""

MAX_CHUNK_BYTES = 2_000_000_000
"""The most bytes of a step times steps in a chunk: some seconds, after which its runs are stored."""

MIN_STEP_BYTES = 1_000_000
"""The smallest chunk in bytes of a step, however many steps it makes: below, Python's overhead dominates."""

MIN_CHUNK_REPLICAS = 64
"""With so many replicas Python's overhead is negligible, whatever their size."""

PARAMETER_COPIES = 10
"""Copies of the parameters in a step: parameters, final ones, gradients, states and temporary results."""

REPLICA_RECORD_BYTES = 512
"""Bytes of the records of each replica."""


def chunk_size(problem: Problem, parameters: Mapping[str, Tensor], memory: int) -> int:
    """Return how many replicas to compute in one batch: the fastest number, if it fits the memory; at least 1.

    :param problem: of any one run.
    :param parameters: of that run.
    :param memory: the budget in bytes.
    """
    each = bytes_per_replica(problem, parameters)
    return max(1, min(memory // each, max(FASTEST_STEP_BYTES // each, MIN_CHUNK_REPLICAS)))


def storage_chunk_size(problem: Problem, parameters: Mapping[str, Tensor], steps: int) -> int:
    """Return how many replicas to compute before results are stored.

    The result does not depend on measured times, so that the same sweep always has the same chunks.

    :param problem: of any one run.
    :param parameters: of that run.
    :param steps: that each run makes.
    """
    each = bytes_per_replica(problem, parameters)
    return max(MAX_CHUNK_BYTES // (each * max(steps, 1)), MIN_STEP_BYTES // each, MIN_CHUNK_REPLICAS)


def bytes_per_replica(problem: Problem, parameters: Mapping[str, Tensor]) -> int:
    """Return the approximate memory of one more replica in bytes."""
    own = sum(tensor.nbytes for tensor in parameters.values())
    forward = _backward_bytes(problem, parameters, 2) - _backward_bytes(problem, parameters, 1)
    return REPLICA_RECORD_BYTES + PARAMETER_COPIES * own + 2 * forward  # the backward pass needs about as much again


def _backward_bytes(problem: Problem, parameters: Mapping[str, Tensor], count: int) -> int:
    """Return the bytes that the backward pass of this many replicas keeps."""
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
    except Exception:  # a model that cannot be batched runs one by one, whatever the chunk size
        return 0
    return sum(kept.values())
