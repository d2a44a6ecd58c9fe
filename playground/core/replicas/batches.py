"""The data of each step for many replicas."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from playground.core.problem import Batches, BatchTensors


class ReplicaBatches:
    """The data of each step for every replica, in the order given by the replica's own seed.

    :param one: the batches of a single run, for the data and the batch size.
    :param seeds: of every replica.
    """

    def __init__(self, one: Batches, seeds: Sequence[int]) -> None:
        self.data = one.data
        self._size = one.size
        distinct = {seed: index for index, seed in enumerate(dict.fromkeys(seeds))}
        self._which = torch.tensor([distinct[seed] for seed in seeds])  # indices into the orders below
        self._alone = [one.with_seed(seed) for seed in distinct] if one.size is not None else []

    @property
    def axis(self) -> int | None:
        """The replica axis of the tensors that `at` returns; None if all replicas share them."""
        return None if self._size is None else 0

    def at(self, step: int) -> BatchTensors:
        """Return the batch of a step: one for all replicas, or tensors of shape `(replicas, samples, ...)`."""
        if self._size is None:
            return self.data
        chosen = torch.stack([batches.select_samples(step) for batches in self._alone])[self._which]
        return tuple(tensor[chosen] for tensor in self.data)

    def keep(self, chosen: Tensor) -> None:
        """Continue with these replicas only."""
        self._which = self._which[chosen]
