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


def test_runs_with_the_same_seeds_share_what_was_drawn(monkeypatch) -> None:
    drawn, right = [], orders._draw_orders
    monkeypatch.setattr(orders, "_KEPT_ORDERS", orders._KeptOrders())
    monkeypatch.setattr(orders, "_draw_orders", lambda *key: drawn.append(key) or right(*key))

    def draw(seeds, size=2, samples=9):
        return [order for _, _, order in SampleOrders(Batches((torch.zeros(samples, 1),), size), seeds).spans(20)]

    first = draw([5, 3, 5])
    assert draw([3, 5])[0].data_ptr() == first[0].data_ptr()
    assert len(drawn) == 1
    draw([3, 5], size=4)
    draw([3, 5], samples=8)
    draw([3, 6])
    assert len(drawn) == 4
    monkeypatch.setattr(orders, "MAX_KEPT_BYTES", 0)
    draw([7])
    assert len(orders._KEPT_ORDERS._kept) == 1
    assert draw([3, 5])[0].equal(first[0])
    assert len(drawn) == 6


@pytest.mark.parametrize("start", [0, 3, 4, 19])
def test_some_runs_from_a_later_step(start) -> None:
    """Only the epochs from there on are drawn."""
    every = SampleOrders(Batches((torch.zeros(7, 1),), 2), [4, 9, 2])
    (_, _, whole), *_ = every.spans(20)
    some = every.select([2, 0])
    ((first, last, order),) = some.spans(20, start)
    assert (first, last) == (start - start % 4, 20)
    for run, stream in zip([2, 0], some.streams.tolist(), strict=True):
        assert order[stream].equal(whole[every.streams[run], first:])


@pytest.mark.parametrize("samples", [1, 1000, 70_000])
def test_permutations_are_those_of_a_single_run(samples) -> None:
    batches = Batches((torch.zeros(samples, 1),), samples)
    ((_, _, order),) = SampleOrders(batches, [2**62, 1]).spans(2)
    for stream, seed in enumerate([1, 2**62]):
        for epoch in range(2):
            assert order[stream, epoch].tolist() == batches.with_seed(seed).order(epoch).tolist()


def test_ordered_samples_stay_in_their_order() -> None:
    ((_, _, order),) = SampleOrders(Batches((torch.zeros(5, 1),), 2, ordered=True), [0, 8]).spans(4)
    assert order.tolist() == [[[0, 1], [2, 3], [4, 0]] * 2] * 2
