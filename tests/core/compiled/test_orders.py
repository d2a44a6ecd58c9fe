"""The samples of each run's batches are those of its own seed, as when alone."""

import pytest
import torch

from playground.core.compiled import orders
from playground.core.compiled.orders import SampleOrders
from playground.core.problem import Batches


@pytest.mark.parametrize("memory", [1, 300, 10**9])
@pytest.mark.parametrize("size", [1, 2, 5, 7])
@pytest.mark.parametrize("steps", [1, 8, 23])
def test_every_step_of_every_run_has_its_batch(steps, size, memory, monkeypatch) -> None:
    monkeypatch.setattr(orders, "MAX_ORDER_BYTES", memory)
    data, seeds = (torch.arange(7.0)[:, None],), [3, 0, 3, 11]
    found = SampleOrders(Batches(data, size), seeds)
    assert found.streams.tolist() == [1, 0, 1, 2]
    reached = 0
    for first, last, order in found.spans(steps):
        assert first == reached < last
        for step in range(first, last):
            for seed, stream in zip(seeds, found.streams, strict=True):
                batch = Batches(data, size, seed).select_samples(step)
                assert order[stream, step - first, : len(batch)].tolist() == batch.tolist()
        reached = last
    assert reached == steps


def test_without_batches_there_is_one_span() -> None:
    found = SampleOrders(Batches((torch.zeros(3, 1),)), [0, 1])
    assert [(first, last) for first, last, _ in found.spans(9)] == [(0, 9)]
    assert found.data == ()
