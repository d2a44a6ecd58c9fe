"""Sets of seeds as ranges, so that a million consecutive seeds take one pair of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

SeedRange = tuple[int, int]
"""The first and the last seed of a range; both belong to it."""


@dataclass(frozen=True)
class SeedSet:
    """A set of seeds.

    :param ranges: disjoint and in ascending order, with a gap between any two of them.
    """

    ranges: tuple[SeedRange, ...] = ()

    @classmethod
    def of(cls, seeds: Iterable[int]) -> SeedSet:
        """Return the set of these seeds; a `range` with step 1 takes no time."""
        if isinstance(seeds, range) and seeds.step == 1:
            return cls(((seeds[0], seeds[-1]),) if seeds else ())
        return cls.union((seed, seed) for seed in seeds)

    @classmethod
    def union(cls, ranges: Iterable[Sequence[int]]) -> SeedSet:
        """Return the union of any ranges."""
        merged: list[SeedRange] = []
        for first, last in sorted((int(first), int(last)) for first, last in ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(last, merged[-1][1])
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __sub__(self, other: SeedSet) -> SeedSet:
        """Return the seeds of this set that are not in the other."""
        rest: list[SeedRange] = []
        others, place = other.ranges, 0
        for first, last in self.ranges:
            while place < len(others) and others[place][1] < first:
                place += 1
            at = place
            while at < len(others) and others[at][0] <= last:
                if first < others[at][0]:
                    rest.append((first, others[at][0] - 1))
                first = others[at][1] + 1
                at += 1
            if first <= last:
                rest.append((first, last))
        return SeedSet(tuple(rest))

    def contains(self, seeds: NDArray[Any]) -> NDArray[Any]:
        """Return for each of many seeds whether it is in this set."""
        import numpy as np

        if not self.ranges:
            return np.zeros(len(seeds), dtype=np.bool_)
        firsts, lasts = (np.array(column, dtype=np.int64) for column in zip(*self.ranges, strict=True))
        place = np.searchsorted(firsts, seeds, side="right") - 1
        inside: NDArray[Any] = (place >= 0) & (seeds <= lasts[place])
        return inside
