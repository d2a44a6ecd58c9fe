"""What the functions of a module compute: a recorded program, and which of its inputs all runs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from playground.core.compiled.body import loaded_values
from playground.core.compiled.layout import KernelProgram
from playground.core.compiled.program import DEPENDENCE_BY_INPUT, INPUT, LANE, Program
from playground.core.compiled.scalar_operations import Dependence
from playground.core.compiled.wasm.binary import WasmModule
from playground.core.compiled.wasm.counts import CountRule
from playground.core.compiled.wasm.far_angles import TABLE_ADDRESS, TWO_OVER_PI
from playground.core.compiled.wasm.functions import FunctionTable
from playground.core.compiled.wasm.tiles import INTEGER_RECORDS, RECORDS
from playground.core.compiled.wasm.vector import REGISTER_BYTES, WasmLanes
from playground.core.stopping import StopRules
from playground.live import Layout, WasmArray

FIRST_ARRAY = (TABLE_ADDRESS + len(TWO_OVER_PI) + 8 + 63) // 64 * 64
"""Where the first array may begin: after the digits that `far_angles` reads."""


@dataclass(frozen=True, eq=False)
class PredictionProgram:
    """The output of a model for one sample.

    :param values: of the outputs.
    :param places: the numbers in a sample.
    """

    program: Program
    values: tuple[int, ...]
    places: int


@dataclass(frozen=True, eq=False)
class ModuleProgram:
    """A program with all that the functions of a module need to know.

    :param kernel_program: all steps of a descent.
    :param number: the precision of the runs, `float` or `double`.
    :param rules: when a run ends early.
    :param varying: hyperparameters that may differ between runs, by their index among all.
    :param dials: those that all runs share.
    :param full_loss: the value of the loss over all data.
    :param decisions: values that Python code asked for and that hyperparameters determine, with their numbers.
    :param counts: how the numbers grow that the optimizer carries and that are equal in all runs.
    :param places: for each data tensor, the numbers in a sample.
    :param samples: how many samples there are.
    :param batch: samples in a mini-batch; 0 if there are none.
    :param prediction: what the model predicts; None if nothing does.
    :param observed: values of one step that are wanted, each once.
    """

    kernel_program: KernelProgram
    number: str
    rules: StopRules
    varying: tuple[int, ...]
    dials: tuple[int, ...]
    full_loss: int
    decisions: Mapping[int, float]
    counts: Sequence[CountRule]
    places: tuple[int, ...] = ()
    samples: int = 0
    batch: int = 0
    prediction: PredictionProgram | None = None
    observed: tuple[int, ...] = ()
    wasm: WasmModule = field(default_factory=WasmModule)

    @cached_property
    def table(self) -> FunctionTable:
        """The mathematical functions of the module."""
        return FunctionTable(self.wasm)

    @property
    def vector_lanes(self) -> WasmLanes:
        """The numbers in a vector: one register."""
        return WasmLanes(self.number, REGISTER_BYTES // (4 if self.number == "float" else 8))

    @cached_property
    def dependence(self) -> list[int]:
        """What each value depends on: a hyperparameter that all runs share counts as the step does."""
        found: list[int] = []
        for node in self.kernel_program.program.nodes:
            depends = 0
            if node.operation == INPUT:
                shared = node.value[0] == LANE and node.value[1] in self.dials
                depends = Dependence.STEP if shared else DEPENDENCE_BY_INPUT[node.value[0]]
            for operand in node.operands:
                depends |= found[operand]
            found.append(depends)
        return found

    @cached_property
    def _loaded(self) -> list[int]:
        """The values that are computed in advance: for each step, or for each run."""
        program = self.kernel_program
        wanted = [value for step in program.steps for value in step]
        return loaded_values(program.program, [*wanted, *program.end, self.full_loss, *self.observed], self.dependence)

    @cached_property
    def uniform(self) -> tuple[int, ...]:
        """The values that are computed for each step."""
        return tuple(value for value in self._loaded if self.dependence[value] <= Dependence.STEP)

    @cached_property
    def lanes(self) -> tuple[int, ...]:
        """The values that are computed once for each run."""
        return tuple(value for value in self._loaded if self.dependence[value] > Dependence.STEP)

    @property
    def shared_arrays(self) -> list[WasmArray]:
        """The arrays of what all runs share."""
        return [
            WasmArray("dials", "f64", len(self.dials)),
            WasmArray("factors", "f64", 1, 1, ("steps",)),
            WasmArray("counts", "f64", sum(not each.is_affine for each in self.counts), 1, ("steps",)),
            WasmArray("phases", "i32", 1, 1, ("steps",)),
            WasmArray("columns", "i32", 1, 1, ("steps",)),
            WasmArray("uniform", "f64", len(self.uniform), 1, ("steps",), "state"),
        ]

    @cached_property
    def layout(self) -> Layout:
        """The arrays in the memory of the module."""
        program, width = self.kernel_program, self.vector_lanes.width
        number, integer = ("f32", "i32") if self.number == "float" else ("f64", "i64")
        parameters = program.parameter_slots

        def vectors(name: str, count: int, element: str, role: str, *rows: str) -> WasmArray:
            return WasmArray(name, element, count, width, ("tiles", *rows), role)

        def points(name: str, count: int, role: str) -> WasmArray:
            return WasmArray(name, number, count, width, ("points",), role)

        arrays = [
            *self.shared_arrays,
            vectors("starts", parameters, number, "input"),
            vectors("varying", len(self.varying), "f64", "input"),
            vectors("lanes", len(self.lanes), "f64", "state"),
            vectors("slots", len(program.slots), number, "state"),
            vectors("numbers", len(RECORDS), number, "output"),
            vectors("integers", len(INTEGER_RECORDS), integer, "output"),
            vectors("final", program.final_slots, number, "output"),
            vectors("last", 1, number, "output"),
            vectors("losses", 1, number, "output", "kept"),
            vectors("norms", 1, number, "output", "kept"),
            vectors("path", parameters, number, "output", "kept"),
            points("points", parameters, "input"),
            points("heights", 1, "output"),
            *(WasmArray(f"data{i}", number, self.samples * each) for i, each in enumerate(self.places)),
        ]
        if self.prediction is not None:
            arrays.append(WasmArray("model", number, parameters))
            arrays.append(points("inputs", self.prediction.places, "input"))
            arrays.append(points("outputs", len(self.prediction.values), "output"))
        if self.observed:
            arrays.append(WasmArray("observed", number, len(self.observed), width, (), "output"))
        if self.batch:
            arrays.append(vectors("streams", 1, "i32", "input"))
            arrays.append(WasmArray("order", "i32", self.batch, 1, ("streams", "span")))
        return Layout(width, tuple(arrays), FIRST_ARRAY)
