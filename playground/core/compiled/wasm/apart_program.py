"""What the functions of a module compute whose step is made apart, and what its memory holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from playground.core.compiled.apart import StepApart
from playground.core.compiled.wasm.module_program import FIRST_ARRAY, ModuleProgram
from playground.core.compiled.wasm.tiles import INTEGER_RECORDS, RECORDS
from playground.core.compiled.wasm.vector import REGISTER_BYTES
from playground.live import Layout, WasmArray


@dataclass(frozen=True, eq=False, kw_only=True)
class ApartProgram(ModuleProgram):
    """The rule of one entry of the parameters, and what one sample contributes to its gradient.

    A tile is one run. The lanes of a vector are samples while gradients are computed, and entries of the parameters
    while these are moved.

    :param step: the two programs; `kernel_program` is its rule.
    :param over_all_data: whether the losses to keep are those of all data, not those of the steps.
    """

    step: StepApart
    over_all_data: bool

    @property
    def number_bytes(self) -> int:
        """The bytes of a number."""
        return self.vector_lanes.bytes_each

    @property
    def entries(self) -> int:
        """The entries of all parameters."""
        return self.step.entries

    @property
    def padded_entries(self) -> int:
        """The same, filled up to whole vectors."""
        width = self.vector_lanes.width
        return -(-self.entries // width) * width

    @property
    def row_bytes(self) -> int:
        """The bytes of a row with a number for each entry, filled up."""
        return self.padded_entries * self.number_bytes

    @cached_property
    def layout(self) -> Layout:
        """The arrays in the memory of the module."""
        program, width = self.kernel_program, self.vector_lanes.width
        number, integer = ("f32", "i32") if self.number == "float" else ("f64", "i64")

        def of_runs(name: str, count: int, element: str, role: str, *rows: str) -> WasmArray:
            return WasmArray(name, element, count, 1, ("tiles", *rows), role)

        arrays = [
            *self.shared_arrays,
            of_runs("starts", self.entries, number, "input"),
            of_runs("varying", len(self.varying), "f64", "input"),
            of_runs("lanes", len(self.lanes), "f64", "state"),
            of_runs("slots", len(program.slots) * self.padded_entries, number, "state"),
            of_runs("numbers", len(RECORDS), number, "output"),
            of_runs("integers", len(INTEGER_RECORDS), integer, "output"),
            of_runs("final", program.final_slots * self.padded_entries, number, "output"),
            of_runs("last", 1, number, "output"),
            of_runs("losses", 1, number, "output", "kept"),
            of_runs("norms", 1, number, "output", "kept"),
            of_runs("path", self.entries, number, "output", "kept"),
            WasmArray("points", number, self.entries, 1, ("points",)),
            WasmArray("heights", number, 1, 1, ("points",), "output"),
            WasmArray("sums", number, self.padded_entries * REGISTER_BYTES // self.number_bytes, 1, (), "state"),
            *(WasmArray(f"data{i}", number, each, 1, ("samples",)) for i, each in enumerate(self.places)),
            of_runs("streams", 1, "i32", "input"),
            WasmArray("order", "i32", 1, 1, ("streams", "span", "batch")),
        ]
        if self.prediction is not None:
            arrays.append(WasmArray("model", number, self.entries))
            arrays.append(WasmArray("inputs", number, self.prediction.places, width, ("points",)))
            arrays.append(WasmArray("outputs", number, len(self.prediction.values), width, ("points",), "output"))
        return Layout(1, tuple(arrays), FIRST_ARRAY)
