"""Determines which samples form each run's mini-batches, as indices for the kernel."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from playground.core.problem import Batches
from playground.core.seeding import derive_seed

MAX_ORDER_BYTES = 64_000_000
"""The most bytes that the sample orders take at once. A longer descent is split into several spans of steps."""

MAX_KEPT_BYTES = 32_000_000
"""The most bytes of orders that are kept for other runs with the same seeds."""


class SampleOrders:
    """The order in which each run takes its samples; it depends on the run's seed only, as in a single run.

    :param batches: of any one run, for the data and the batch size.
    :param seeds: of every run. Runs with the same seed share a stream.
    """

    def __init__(self, batches: Batches, seeds: Sequence[int]) -> None:
        self._batches = batches
        self._seeds = seeds
        self._distinct = sorted(set(seeds))
        place = {seed: index for index, seed in enumerate(self._distinct)}
        self.streams = torch.tensor([place[seed] for seed in seeds], dtype=torch.int32)
        """The index of each run's stream."""

    def select(self, which: Sequence[int]) -> SampleOrders:
        """Return the orders of some of the runs.

        :param which: their indices.
        """
        return SampleOrders(self._batches, [self._seeds[run] for run in which])

    @property
    def data(self) -> tuple[Tensor, ...]:
        """The samples; empty if every batch is all data."""
        return self._batches.data if self._batches.size else ()

    def spans(self, steps: int, start: int = 0) -> Iterator[tuple[int, int, Tensor]]:
        """Yield spans of steps with the samples of each stream and step, shape `(streams, steps, size)`, int32.

        :param steps: the step before which the last span ends.
        :param start: a step that the first span contains.
        """
        size = self._batches.size
        if size is None:
            yield 0, steps, torch.zeros(0, 0, 0, dtype=torch.int32)
            return
        per_epoch = self._batches.per_epoch
        at_once = max(1, MAX_ORDER_BYTES // (4 * len(self._distinct) * size * per_epoch))
        end = -(-steps // per_epoch)
        for epoch in range(start // per_epoch, end, at_once):
            order = self._draw(range(epoch, min(epoch + at_once, end)))
            first = epoch * per_epoch
            yield first, min(steps, first + order.shape[1]), order

    def _draw(self, epochs: range) -> Tensor:
        """Return the samples of each stream and step of some epochs; zeros fill up the last batch of an epoch."""
        batches, samples = self._batches, len(self._batches.data[0])
        padded = batches.per_epoch * (batches.size or 0)
        if batches.ordered:
            order = torch.zeros(len(self._distinct), len(epochs), padded, dtype=torch.int32)
            order[:, :, :samples] = torch.arange(samples, dtype=torch.int32)
        else:
            order = _KEPT_ORDERS.draw(tuple(self._distinct), epochs, samples, padded)
        return order.reshape(len(self._distinct), -1, batches.size or 0)


OrderKey = tuple[tuple[int, ...], range, int, int]
"""Seeds, epochs, the number of samples, and the length to which each permutation is filled up."""


class _KeptOrders:
    """Draws permutations, and keeps the last ones: several optimizers run with the same seeds on one problem."""

    def __init__(self) -> None:
        self._kept: dict[OrderKey, Tensor] = {}
        self._lock = threading.Lock()

    def draw(self, *key: *OrderKey) -> Tensor:
        """Return permutations, shape `(seeds, epochs, length)`, int32; nobody writes to it."""
        with self._lock:
            found = self._kept.pop(key, None)
            self._kept[key] = found = _draw_orders(*key) if found is None else found
            while sum(order.nbytes for order in self._kept.values()) > MAX_KEPT_BYTES:
                del self._kept[next(iter(self._kept))]
            return found


_KEPT_ORDERS = _KeptOrders()


def _draw_orders(seeds: tuple[int, ...], epochs: range, samples: int, padded: int) -> Tensor:
    """Draw the permutations that `Batches.order` draws, with one generator and without a tensor for each."""
    orders = torch.zeros(len(seeds), len(epochs), padded, dtype=torch.int32)
    generator = torch.Generator()
    for row, seed in zip(orders, seeds, strict=True):
        for order, epoch in zip(row[:, :samples].unbind(), epochs, strict=True):
            generator.manual_seed(derive_seed(seed, "batches", epoch))
            torch.randperm(samples, generator=generator, out=order, dtype=torch.int32)
    return orders
