"""Finds sensitive compiled runs from the records of the runs and their twins; see `sensitivity`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from playground.core.sensitivity import TOLERANCE_BY_DTYPE
from playground.core.traces import ReplicaTraces


def find_parted(traces: ReplicaTraces, final: Mapping[str, Tensor]) -> Tensor:
    """Return for each run whether it differs from a twin in a kept loss or in its results.

    :param traces: of n runs followed by their twins, in the order of `append_twins`.
    :param final: their final parameters by name.
    :returns: shape `(n,)`.
    """
    dtype = next(iter(final.values())).dtype
    apart = torch.zeros(len(traces.steps) // 3, dtype=torch.bool)
    for numbers, tolerance in _compared_numbers(traces, final, TOLERANCE_BY_DTYPE[dtype]):
        mine, *twins = numbers.reshape(len(numbers), -1).chunk(3)
        for twin in twins:
            same = torch.isclose(twin, mine, rtol=tolerance, atol=tolerance, equal_nan=True)
            apart |= ~same.all(dim=1)
    return apart


def _compared_numbers(
    traces: ReplicaTraces, final: Mapping[str, Tensor], tolerance: float
) -> Iterator[tuple[Tensor, float]]:
    """Yield the numbers to compare, with their tolerance; losses are kept in single precision."""
    yield traces.kept, max(tolerance, TOLERANCE_BY_DTYPE[torch.float32])
    yield traces.steps.double(), 0.0
    for numbers in (traces.first, traces.last, *final.values()):
        yield numbers, tolerance
