"""Determines which samples form each run's mini-batches, as indices for the kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from playground.core.problem import Batches

MAX_ORDER_BYTES = 64_000_000
"""The most bytes that the sample orders take at once. A longer descent is split into several spans of steps."""


class SampleOrders:
    """The order in which each run takes its samples; it depends on the run's seed only, as in a single run.

    :param batches: of any one run, for the data and the batch size.
    :param seeds: of every run. Runs with the same seed share a stream.
    """

    def __init__(self, batches: Batches, seeds: Sequence[int]) -> None:
        self._size = batches.size
        distinct = {seed: index for index, seed in enumerate(dict.fromkeys(seeds))}
        self.streams = torch.tensor([distinct[seed] for seed in seeds], dtype=torch.int32)
        """The index of each run's stream."""
        self._streams = [batches.with_seed(seed) for seed in distinct] if batches.size else []

    @property
    def data(self) -> tuple[Tensor, ...]:
        """The samples; empty if every batch is all data."""
        return self._streams[0].data if self._streams else ()

    def spans(self, steps: int) -> Iterator[tuple[int, int, Tensor]]:
        """Yield spans of steps with the samples of each stream and step, shape `(streams, steps, size)`, int32."""
        if self._size is None:
            yield 0, steps, torch.zeros(0, 0, 0, dtype=torch.int32)
            return
        one = self._streams[0]
        per_epoch = one.per_epoch
        epochs = max(1, MAX_ORDER_BYTES // (4 * len(self._streams) * self._size * per_epoch))
        padding = per_epoch * self._size - len(one.data[0])
        every = range(-(-steps // per_epoch))
        for epoch in every[::epochs]:
            orders = [
                torch.nn.functional.pad(stream.order(e), (0, padding))
                for stream in self._streams
                for e in every[epoch : epoch + epochs]
            ]
            stacked = torch.stack(orders).to(torch.int32).reshape(len(self._streams), -1, self._size)
            first = epoch * per_epoch
            yield first, min(steps, first + stacked.shape[1]), stacked
