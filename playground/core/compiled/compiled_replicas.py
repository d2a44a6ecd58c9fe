"""Runs many copies of one small program: recorded once, compiled, and executed with one lane per run."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
from torch import Tensor

from playground.core.agreement import ComparedSteps
from playground.core.compiled import jit
from playground.core.compiled.arrays import KernelArrays, fill_arrays
from playground.core.compiled.assembly import assemble_module
from playground.core.compiled.code import Lanes
from playground.core.compiled.errors import NotWorthCompilingError
from playground.core.compiled.kernel import KERNEL_ARGUMENTS, Kernel, write_last_loss
from playground.core.compiled.kernel_agreement import require_agreement
from playground.core.compiled.orders import SampleOrders
from playground.core.compiled.phases import record_phases
from playground.core.compiled.program import LANE, SLOT, format_program
from playground.core.compiled.record import DescentSpec, record_loss, record_start
from playground.core.compiled.steepest import find_steepest
from playground.core.compiled.threads import TileWork, run_kernel
from playground.core.compiled.tile import NUMBER_NAMES, KernelShape
from playground.core.gradients import Clip
from playground.core.problem import Problem
from playground.core.replicas import Parameters
from playground.core.setting import flush_denormals
from playground.core.steppers import Schedule
from playground.core.stopping import StopRules
from playground.core.traces import STATUSES, ReplicaTraces, thin_steps
from playground.core.update import UpdateRule
from playground.result import Status

BAD_STATUSES = torch.tensor([STATUSES.index(Status.NONFINITE), STATUSES.index(Status.DIVERGED)])

COMPILE_SECONDS = (0.03, 2e-4)
"""Seconds to compile: a constant, and the addition per operation of a step."""

BATCH_STEP_SECONDS = (4e-4, 1e-9)
"""Seconds per step of a batch of tensors: a constant, and the addition per operation of each run."""


def is_worth_compiling(runs: int, steps: int, operations: int) -> bool:
    """Tell whether these runs take longer as a batch of tensors than their compilation does, by measured costs."""
    return (
        steps * (BATCH_STEP_SECONDS[0] + runs * operations * BATCH_STEP_SECONDS[1])
        > COMPILE_SECONDS[0] + operations * COMPILE_SECONDS[1]
    )


class CompiledReplicas:
    """Runs that descend as one compiled program.

    :param problem: of any one run; all runs share its module, loss and data.
    :param parameters: initial ones of all runs; not modified.
    :param seeds: of every run, for the order of its mini-batches.
    :param rule: one rule for all, with a tensor of shape `(runs,)` for every hyperparameter that differs.
    :param budget: the most updates to make.
    :param rules: when a run ends early.
    :param schedule: factor on the learning rate; None for a constant rate.
    :param clip: limits on each run's own gradient.
    :param bits: the width of the vectors; by default the widest that the CPU has.
    :param runs: the number of runs that will use the program, to compile only if that saves time; None compiles always.
    :raises CannotCompileError: a step of these runs is not a fixed scalar program, or cannot be compiled here.
    :raises NotWorthCompilingError: the runs finish sooner as a batch of tensors.
    """

    def __init__(
        self,
        problem: Problem,
        parameters: Parameters,
        seeds: Sequence[int],
        rule: UpdateRule,
        budget: int,
        rules: StopRules,
        schedule: Schedule | None = None,
        clip: Clip | None = None,
        bits: int | None = None,
        runs: int | None = None,
    ) -> None:
        began = time.perf_counter()
        self.problem = problem
        self.budget = budget
        self._seeds = seeds
        self.rules = rules
        self.descent = DescentSpec(problem, rule, schedule is not None, clip)
        self.start = record_start(self.descent)
        factors = [1.0 if schedule is None else schedule(step) for step in range(budget)]
        self.phases = record_phases(self.descent, self.start.layout, factors, rules.gradient is not None)
        if runs is not None and not is_worth_compiling(runs, budget, self.phases.operations):
            raise NotWorthCompilingError("compiling would take longer than these runs")
        self._orders = SampleOrders(problem.batches, seeds)
        self._data = [tensor.to(self.descent.dtype).contiguous() for tensor in self._orders.data]
        self._compile(bits or jit.vector_bits())
        self.arrays = self.fresh(parameters)
        self.places = torch.arange(self.arrays.count)
        self.final = {name: tensor.detach() for name, tensor in parameters.items()}
        self.steepest: Parameters = {}
        require_agreement(self._run_first_steps, self.descent, parameters, seeds, budget, rules, schedule)
        self.seconds_to_compile = time.perf_counter() - began

    def _compile(self, bits: int) -> None:
        """Write the kernel for vectors of this width and compile it."""
        number, size = ("float", 32) if self.descent.dtype is torch.float32 else ("double", 64)
        self.lanes = Lanes(number, bits // size)
        layout, batches = self.start.layout, self.problem.batches
        self.shape = KernelShape(
            len(layout.names()),
            layout.parameter_slots,
            len(self.descent.lanes),
            self.phases.uniform.shape[1],
            len(thin_steps(self.budget)),
            batches.size or 0,
            tuple(tensor[0].numel() for tensor in self._data),
        )
        kernel = Kernel(self.lanes, self.shape, self.phases.steps, self.rules)
        conclusion = write_last_loss(self.lanes, layout.parameter_slots, *record_loss(self.descent, layout))
        text, library = assemble_module([kernel.descent(), conclusion])
        self._module = _compile_text(text, bits, tuple(library))

    def fresh(self, parameters: Parameters, which: Tensor | None = None) -> KernelArrays:
        """Return the arrays of runs before step 0.

        :param which: the indices of the runs; None for all runs.
        """
        descent, streams = self.descent, self._orders.streams
        if which is not None:
            descent, streams = descent.of(which), streams[which]
        return fill_arrays(descent, self.start, self.shape, parameters, streams, self.lanes.width)

    def _run_first_steps(self, parameters: Parameters, which: Sequence[int], steps: int) -> ComparedSteps:
        """Make the first steps of some runs, for comparison.

        :param which: of all runs these are.
        """
        state = self.fresh(parameters, torch.tensor(which))
        self.advance(state, steps)
        final = state.finals(self.start.layout.parameters)
        last = self.conclude(state)
        return ComparedSteps(state.rows(state.numbers)[:, NUMBER_NAMES.index("before")], final, last)

    @property
    def account(self) -> str:
        """A one-line summary: `34 parameters, 412 operations, 16 lanes; compiled in 0.09 s`."""
        parameters = "1 parameter" if self.shape.parameter_slots == 1 else f"{self.shape.parameter_slots:,} parameters"
        return (
            f"{parameters}, {self.phases.operations:,} operations, {self.lanes.width} lanes; "
            f"compiled in {self.seconds_to_compile:.2f} s"
        )

    def program(self) -> str:
        """Format the first step's program: the loss, its derivative and the update, one operation per line."""
        step, names = self.phases.steps[0], self.start.layout.names()
        inputs = {(SLOT, i): name for i, name in enumerate(names)}
        inputs |= {(LANE, i): name for i, name in enumerate(self.descent.lanes)}
        return format_program(step.program, {"loss": step.loss, **dict(zip(names, step.slots, strict=True))}, inputs)

    @flush_denormals()
    def descend(self, traces: ReplicaTraces) -> None:
        """Make all steps of every run, until its budget is used or it ends early; `traces` receives the outcome.

        :param traces: for the same number of runs, budget and rules; `done` grows during the descent.
        """
        interrupted = False
        try:
            self.advance(self.arrays, self.budget, traces)
        except KeyboardInterrupt:
            interrupted = True
        self.final = self.arrays.finals(self.start.layout.parameters)
        traces.take_over(self.arrays.collect_records(self.budget))
        traces.finish(self.conclude(self.arrays), interrupted)
        bad = torch.isin(traces.status, BAD_STATUSES).nonzero().squeeze(1)
        self.steepest = find_steepest(self.descent, self.final, self._seeds, traces.steps, bad)

    def settle(self, chosen: Tensor) -> None:
        """Do nothing: the program keeps each run's parameters where it ends."""

    def keep(self, chosen: Tensor) -> bool:
        """Do nothing: the program passes over tiles whose runs have all ended."""
        return False

    def advance(self, state: KernelArrays, steps: int, traces: ReplicaTraces | None = None) -> None:
        """Make the first steps of the runs in these arrays.

        :raises KeyboardInterrupt: Ctrl-C was pressed; `state.reached` holds the steps that each tile has made.
        """
        types = [ctypes.c_int64 if text.startswith("i64") else ctypes.c_void_p for text in KERNEL_ARGUMENTS]
        function = self._module.function("descend", *types, *[ctypes.c_void_p] * len(self._data), result=ctypes.c_int64)
        shared = (
            *(state.slots, state.lanes, torch.tensor(self.phases.uniform, dtype=self.descent.dtype), self._columns()),
            *(torch.tensor(self.phases.which), state.numbers, state.counts, state.kept, state.final, state.streams),
        )
        for first, last, order in self._orders.spans(steps):
            rest = [first, order.shape[1], *(tensor.data_ptr() for tensor in self._data)]
            given = [*(tensor.data_ptr() for tensor in (*shared, order)), *rest]
            work = TileWork(state.tiles, first, last, self.phases.operations)
            run_kernel(
                partial(_run_part, function, given, state.reached), work, partial(_report_progress, traces, first, last)
            )

    @flush_denormals()
    def conclude(self, state: KernelArrays) -> Tensor:
        """Return the loss of every run's final parameters over all data, float64."""
        function = self._module.function("conclude", *[ctypes.c_int64] * 2, *[ctypes.c_void_p] * 2)
        function(0, state.tiles, state.final.data_ptr(), state.last.data_ptr())
        return state.rows(state.last).squeeze(1).double()

    def _columns(self) -> Tensor:
        """Return, for each step, the column that keeps its loss; -1 if it is not kept."""
        columns, kept = torch.full((self.budget,), -1, dtype=torch.int32), thin_steps(self.budget)
        columns[kept] = torch.arange(len(kept), dtype=torch.int32)
        return columns


def _run_part(function: Callable[..., int], given: Sequence[int], reached: Tensor, *part: int) -> int:
    """Call the kernel for a range of tiles and steps; return how many of the tiles have runs that continue."""
    left = int(function(*part, *given))
    tile, end, _, step = part
    reached[tile:end] = step
    return left


def _report_progress(traces: ReplicaTraces | None, first: int, last: int, share: float) -> None:
    if traces is not None:
        traces.done = int(first + share * (last - first))


@lru_cache(maxsize=64)
def _compile_text(text: str, bits: int, library: tuple[str, ...]) -> jit.CompiledModule:
    """Compile a text once: equal programs have equal texts."""
    return jit.CompiledModule(text, bits, library)
