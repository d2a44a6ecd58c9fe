"""What the memory of a module holds, and where a page puts it.

The first bytes are integers of 32 bits: `SIZES` that the functions read, then the address of each array. Whoever calls
the functions chooses the addresses from `Layout.reserved` on, as many bytes as `WasmArray.count_bytes` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from playground.core.compiled.wasm.far_angles import TABLE_ADDRESS, TWO_OVER_PI

SIZES = ("kept", "ordered", "span", "samples", "batch")
"""Integers at the start of the memory: how many losses are kept, the first step and the number of steps that the array
`order` holds, how many samples there are, and how many of them are in a mini-batch. The last two are read by modules
that are made apart; a batch of 0 or of all samples is all of them, in their own order."""

ELEMENT_BYTES = {"f32": 4, "f64": 8, "i32": 4, "i64": 8}

FIRST_ARRAY = (TABLE_ADDRESS + len(TWO_OVER_PI) + 8 + 63) // 64 * 64
"""Where the first array may begin."""


@dataclass(frozen=True)
class WasmArray:
    """An array in the memory of a module.

    :param name: what it holds.
    :param element: `f32`, `f64`, `i32` or `i64`.
    :param count: values in a row.
    :param lanes: numbers in each value: the lanes of a vector, or 1.
    :param rows: what there is a row for: any of `tiles` of runs, `steps`, `kept` losses, `streams` of samples, the
        `span` of steps that they hold, `samples`, those of a `batch`, and tiles of `points`; the slowest first, nothing for a single row.
    :param role: `input` if the caller fills it, `output` if the caller reads it, else `state`.
    """

    name: str
    element: str
    count: int
    lanes: int = 1
    rows: tuple[str, ...] = ()
    role: str = "input"

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return ELEMENT_BYTES[self.element] * self.count * self.lanes

    def count_bytes(self, sizes: Mapping[str, int]) -> int:
        """Return the bytes of the array.

        :param sizes: how many rows there are of each kind.
        """
        found = self.row_bytes
        for each in self.rows:
            found *= sizes[each]
        return found


@dataclass(frozen=True)
class Layout:
    """The arrays of a module.

    :param width: the runs in a tile, one for each lane of a vector.
    :param arrays: in the order of their addresses at the start of the memory.
    """

    width: int
    arrays: tuple[WasmArray, ...]
    reserved: int = FIRST_ARRAY

    def address_of(self, name: str) -> int:
        """Return where the memory holds a size, or the address of an array."""
        names = [*SIZES, *(each.name for each in self.arrays)]
        return 4 * names.index(name)

    def __getitem__(self, name: str) -> WasmArray:
        return next(each for each in self.arrays if each.name == name)

    def __contains__(self, name: str) -> bool:
        return any(each.name == name for each in self.arrays)

    def place(self, sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
        """Return an address for each array, and the end of the last one.

        :param sizes: how many rows there are of each kind.
        """
        end, found = self.reserved, dict[str, int]()
        for each in self.arrays:
            found[each.name] = end
            end += (each.count_bytes(sizes) + 15) // 16 * 16
        return found, end
