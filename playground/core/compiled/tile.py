"""The arrays of a kernel, and how the code for a tile accesses them.

A tile is as many runs as a vector has lanes. Every array holds one row of vectors per tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from playground.core.compiled.code import Code, VectorValue

NUMBER_NAMES = ("limit", "first", "best", "before", "improved", "end_loss", "loss_before_end")
"""The floating-point records of each run, in its precision."""

COUNT_NAMES = ("end", "steps", "improved_step")
"""The integer records of each run; `end` is an index into `END_NAMES`."""

END_NAMES = ("going", "nonfinite", "diverged", "loss", "gradient", "stalled")
"""The ways a run may end before its budget. The first condition that holds decides."""


@dataclass(frozen=True)
class KernelShape:
    """The sizes that determine addresses in the kernel's arrays.

    :param slots: numbers that a run carries from step to step.
    :param final_slots: how many of them, from the first, are kept where a run ends.
    :param lanes: values that are computed once for each run.
    :param uniform: values per step that are equal in all runs.
    :param kept: the number of losses to keep.
    :param batch: samples in a full batch, 0 without batches.
    :param places: for each data tensor, the numbers in a sample.
    :param sums: numbers of a run's gradient in memory, 0 if it is in registers.
    """

    slots: int
    final_slots: int
    lanes: int
    uniform: int
    kept: int
    batch: int = 0
    places: tuple[int, ...] = ()
    sums: int = 0


class Tile:
    """Reads and writes the vectors of tile `%t`."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.lanes = code.lanes

    def get(self, array: str, count: int, position: int | VectorValue, element: str | None = None) -> VectorValue:
        """Load a vector from an array with `count` vectors per tile."""
        element = element or self.lanes.number
        return self.code.load(f"%{array}", element, self._index(count, position), self.lanes.of(element))

    def put(
        self, value: VectorValue, array: str, count: int, position: int | VectorValue, element: str | None = None
    ) -> None:
        """Store a vector."""
        self.code.store(value, f"%{array}", element or self.lanes.number, self._index(count, position))

    def address(self, array: str, count: int) -> VectorValue:
        """Return the address of the tile's first vector."""
        return VectorValue(self.code, self.code.address(f"%{array}", self.lanes.number, self._index(count, 0)), "ptr")

    def load(self, name: str) -> VectorValue:
        """Load a record of each run."""
        if name in NUMBER_NAMES:
            return self.get("numbers", len(NUMBER_NAMES), NUMBER_NAMES.index(name))
        return self.get("counts", len(COUNT_NAMES), COUNT_NAMES.index(name), "i32")

    def take(self, value: VectorValue, name: str, where: VectorValue | None = None) -> None:
        """Write a record of each run, in all lanes or where a mask is set."""
        value = value if where is None else where.select(value, self.load(name))
        if name in NUMBER_NAMES:
            self.put(value, "numbers", len(NUMBER_NAMES), NUMBER_NAMES.index(name))
        else:
            self.put(value, "counts", len(COUNT_NAMES), COUNT_NAMES.index(name), "i32")

    def any(self, mask: VectorValue) -> VectorValue:
        """Tell whether a mask is set in any lane."""
        return self.code.call(f"llvm.vector.reduce.or.v{self.lanes.width}i1", "i1", mask)

    def each_lane(self, element: str, of: Callable[[int], VectorValue]) -> VectorValue:
        """Build a vector from one scalar per lane."""
        type_ = self.lanes.of(element)
        result = VectorValue(self.code, "poison", type_)
        for lane in range(self.lanes.width):
            result = self.code.instruction(f"insertelement {result}, {of(lane)}, i32 {lane}", type_)
        return result

    def lane(self, values: VectorValue, lane: int) -> VectorValue:
        """Extract an integer from a lane."""
        return self.code.instruction(f"extractelement {values}, i32 {lane}", "i32").convert("sext", "i64")

    def seldom(
        self,
        condition: VectorValue,
        name: str,
        results: Sequence[VectorValue],
        rare: Callable[[], Sequence[VectorValue]],
    ) -> list[VectorValue]:
        """Replace values by others where a condition holds, in a separate basic block.

        The branch is marked as unlikely, so the usual path stays free of the rare instructions.
        """
        code = self.code
        here, then, end, after = (code.fresh(f"{name}.{part}") for part in ("here", "then", "end", "after"))
        code.line(f"br label %{here}")
        code.label(here)
        code.line(f"br i1 {condition.text}, label %{then}, label %{after}, !prof !0")
        code.label(then)
        found = rare()
        code.line(f"br label %{end}")
        code.label(end)
        code.line(f"br label %{after}")
        code.label(after)
        return [
            code.instruction(f"phi {old.type} [{old.text}, %{here}], [{new.text}, %{end}]", old.type)
            for old, new in zip(results, found, strict=True)
        ]

    def _index(self, count: int, position: int | VectorValue) -> VectorValue:
        return VectorValue(self.code, "%t", "i64") * (count * self.lanes.width) + position * self.lanes.width
