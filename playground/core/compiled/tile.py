"""The arrays of a kernel, and how the code of a tile reaches them.

A tile is as many runs as a vector has lanes. Every array has one row of vectors for each tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from playground.core.compiled.code import Code, VectorValue

NUMBER_NAMES = ("limit", "first", "best", "before", "improved", "end_loss", "loss_before_end")
"""What is taken down of each run, in its precision."""

COUNT_NAMES = ("end", "steps", "improved_step")
"""What is taken down of each run in whole numbers; `end` is a place in `ENDS`."""

END_NAMES = ("going", "nonfinite", "diverged", "loss", "gradient", "stalled")
"""How a run may end before its budget: by the first of these conditions that holds."""


@dataclass(frozen=True)
class KernelShape:
    """The sizes that the kernel's arrays are addressed with.

    :param slots: numbers that a run carries from step to step; the first `moving` are its parameters.
    :param lanes: hyperparameters of its own.
    :param uniform: numbers that are the same for all runs, at each step.
    :param kept: losses to keep.
    :param batch: samples of a full batch, 0 without batches.
    :param places: numbers in a sample, for each tensor of data.
    """

    slots: int
    parameter_slots: int
    lanes: int
    uniform: int
    kept: int
    batch: int = 0
    places: tuple[int, ...] = ()


class Tile:
    """Reads and writes the vectors of the tile `%t`."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.lanes = code.lanes

    def get(self, array: str, count: int, position: int, element: str | None = None) -> VectorValue:
        """Load a vector of an array of `count` vectors for each tile."""
        element = element or self.lanes.number
        return self.code.load(f"%{array}", element, self._index(count, position), self.lanes.of(element))

    def put(self, value: VectorValue, array: str, count: int, position: int, element: str | None = None) -> None:
        """Store a vector."""
        self.code.store(value, f"%{array}", element or self.lanes.number, self._index(count, position))

    def taken(self, name: str) -> VectorValue:
        """Load a number or a count that is taken down of each run."""
        if name in NUMBER_NAMES:
            return self.get("numbers", len(NUMBER_NAMES), NUMBER_NAMES.index(name))
        return self.get("counts", len(COUNT_NAMES), COUNT_NAMES.index(name), "i32")

    def take(self, value: VectorValue, name: str, where: VectorValue | None = None) -> None:
        """Take a number or a count down, in some lanes or in all."""
        value = value if where is None else where.chosen(value, self.taken(name))
        if name in NUMBER_NAMES:
            self.put(value, "numbers", len(NUMBER_NAMES), NUMBER_NAMES.index(name))
        else:
            self.put(value, "counts", len(COUNT_NAMES), COUNT_NAMES.index(name), "i32")

    def any(self, mask: VectorValue) -> VectorValue:
        """Tell whether something holds in any lane."""
        return self.code.call(f"llvm.vector.reduce.or.v{self.lanes.width}i1", "i1", mask)

    def each_lane(self, element: str, of: Callable[[int], VectorValue]) -> VectorValue:
        """Put a scalar of its own into each lane."""
        type_ = self.lanes.of(element)
        result = VectorValue(self.code, "poison", type_)
        for lane in range(self.lanes.width):
            result = self.code.instruction(f"insertelement {result}, {of(lane)}, i32 {lane}", type_)
        return result

    def lane(self, values: VectorValue, lane: int) -> VectorValue:
        """Take a whole number out of a lane."""
        return self.code.instruction(f"extractelement {values}, i32 {lane}", "i32").convert("sext", "i64")

    def seldom(
        self,
        condition: VectorValue,
        name: str,
        results: Sequence[VectorValue],
        rare: Callable[[], Sequence[VectorValue]],
    ) -> list[VectorValue]:
        """Replace values by others in a block of its own, where a condition holds."""
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

    def _index(self, count: int, position: int) -> VectorValue:
        return VectorValue(self.code, "%t", "i64") * (count * self.lanes.width) + position * self.lanes.width
