"""Runs many copies of one small program: recorded once, compiled, and executed with one lane per run."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from playground.core.compiled import jit
from playground.core.compiled.arrays import KernelArrays, fill_arrays
from playground.core.compiled.compiled_program import CompiledProgram, KeptProgram, ProgramTerms, describe_fixed
from playground.core.compiled.errors import NotWorthCompilingError
from playground.core.compiled.kernel import KERNEL_ARGUMENTS
from playground.core.compiled.kernel_agreement import find_disagreeing, require_agreement
from playground.core.compiled.loop_layout import LoopProgram
from playground.core.compiled.orders import SampleOrders
from playground.core.compiled.program import LANE
from playground.core.compiled.steepest import find_steepest
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.compiled.threads import TileWork, run_kernel
from playground.core.gradients import Clip
from playground.core.movers import Mover
from playground.core.problem import Problem
from playground.core.replicas import Parameters
from playground.core.setting import flush_denormals
from playground.core.steppers import Schedule
from playground.core.stopping import StopRules
from playground.core.traces import STATUSES, ReplicaTraces
from playground.result import Status

BAD_STATUSES = torch.tensor([STATUSES.index(Status.NONFINITE), STATUSES.index(Status.DIVERGED)])

COMPILE_SECONDS = (0.1, 2e-4)
"""Seconds to record, compile and check: a constant, and the addition per operation of a step."""

BATCH_STEP_SECONDS = (4e-4, 1e-9)
"""Seconds per step of a batch of tensors: a constant, and the addition per operation of each run."""

INSTANCE_STEP_SECONDS = 1e-4
"""Seconds per step of each run that has an optimizer of its own."""


def is_worth_compiling(
    runs: int, steps: int, operations: int, is_elementwise: bool, code_operations: int | None = None
) -> bool:
    """Tell whether these runs take longer as a batch of tensors than their compilation does, by measured costs.

    :param operations: of a step.
    :param is_elementwise: whether one optimizer moves the whole batch.
    :param code_operations: in the code of a step, if there are loops in it.
    """
    batch = BATCH_STEP_SECONDS[0] + runs * operations * BATCH_STEP_SECONDS[1]
    step = batch if is_elementwise else batch + runs * INSTANCE_STEP_SECONDS
    return steps * step > COMPILE_SECONDS[0] + (code_operations or operations) * COMPILE_SECONDS[1]


class CompiledReplicas:
    """Runs that descend as one compiled program.

    :param problem: of any one run; all runs share its module, loss and data.
    :param parameters: initial ones of all runs; not modified.
    :param seeds: of every run, for the order of its mini-batches.
    :param mover: the optimizers of all runs.
    :param budget: the most updates to make.
    :param rules: when a run ends early.
    :param schedule: factor on the learning rate; None for a constant rate.
    :param clip: limits on each run's own gradient.
    :param bits: the width of the vectors; by default the widest that the CPU has.
    :param over_all_data: whether the kept losses are those of all data, not those of the steps.
    :param runs: the number of runs that will use the program, to compile only if that saves time; None compiles always.
    :raises CannotCompileError: a step of these runs is not a fixed scalar program, or cannot be compiled here.
    :raises RunsDifferError: some of the runs have another program than others.
    :raises NotWorthCompilingError: the runs finish sooner as a batch of tensors.
    """

    def __init__(
        self,
        problem: Problem,
        parameters: Parameters,
        seeds: Sequence[int],
        mover: Mover,
        budget: int,
        rules: StopRules,
        schedule: Schedule | None = None,
        clip: Clip | None = None,
        bits: int | None = None,
        runs: int | None = None,
        over_all_data: bool = False,
        kept: KeptProgram | None = None,
    ) -> None:
        began = time.perf_counter()
        self.problem = problem
        self.budget = budget
        self._seeds = seeds
        self.rules = rules
        self.final = {name: tensor.detach() for name, tensor in parameters.items()}
        self.steepest: Parameters = {}
        self.left_out = torch.zeros(len(seeds), dtype=torch.bool)
        """The runs that went a way that was not recorded: another engine has to compute them."""
        self._orders = SampleOrders(problem.batches, seeds)
        terms = ProgramTerms(
            spec=DescentSpec(problem, mover, schedule is not None, clip),
            factors=[1.0 if schedule is None else schedule(step) for step in range(budget)],
            rules=rules,
            over_all_data=over_all_data,
            bits=bits or jit.vector_bits(),
            fixed=describe_fixed(problem),
        )
        kept = kept or KeptProgram()
        doubtful = self._take_kept(kept, terms, parameters, schedule)
        if kept.program is None:
            program = CompiledProgram.record(terms, parameters)
            size, code_size = program.kernel_program.operations, program.kernel_program.code_operations
            if runs is not None and not is_worth_compiling(runs, budget, size, mover.is_elementwise, code_size):
                raise NotWorthCompilingError("compiling would take longer than these runs")
            self._take(program, mover, parameters)
            require_agreement(self, parameters, seeds, schedule, doubtful)
            kept.program = program
        self.seconds_to_compile = time.perf_counter() - began

    def _take_kept(
        self, kept: KeptProgram, terms: ProgramTerms, parameters: Parameters, schedule: Schedule | None
    ) -> list[int]:
        """Use the program of earlier runs, if it is that of these runs, and drop it otherwise.

        :returns: the runs that do not agree with it: whatever the reason, it is recorded anew.
        """
        program, kept.program = kept.program, None
        mover = None if program is None else program.find_mover(terms, len(self._seeds))
        if program is None or mover is None:
            return []
        self._take(program, mover, parameters)
        disagreeing = find_disagreeing(self, parameters, self._seeds, schedule)
        kept.program = None if disagreeing else program
        return disagreeing

    def _take(self, program: CompiledProgram, mover: Mover, parameters: Parameters) -> None:
        """Use a program.

        :param mover: has its lanes.
        :param parameters: initial ones of all runs.
        """
        self.compiled = program
        self.spec = replace(program.terms.spec, mover=mover)
        self.phases, self.kernel_program = program.phases, program.kernel_program
        self.lanes, self.shape = program.lanes, program.shape
        self._is_loop = isinstance(program.kernel_program, LoopProgram)
        data = self.problem.batches.data if self._is_loop else self._orders.data
        self._data = [tensor.to(self.spec.dtype).contiguous() for tensor in data]
        self._lane_numbers = self.kernel_program.lane_numbers(mover.lanes, len(self._seeds))
        self.arrays = self.fresh(parameters)
        self.places = torch.arange(self.arrays.count)

    def fresh(self, parameters: Parameters, which: Sequence[int] | None = None) -> KernelArrays:
        """Return the arrays of runs before step 0.

        :param which: the indices of the runs; None for all runs.
        """
        index = slice(None) if which is None else torch.tensor(which)
        return fill_arrays(
            self.kernel_program,
            self.shape,
            parameters,
            {name: column[index] for name, column in self.spec.mover.lanes.items()},
            self._lane_numbers[index],
            self._orders if which is None else self._orders.select(which),
            self.lanes.width,
        )

    @property
    def account(self) -> str:
        """A one-line summary: `34 parameters, 412 operations, 16 lanes; compiled in 0.09 s`."""
        count = self.kernel_program.parameter_slots
        parameters = "1 parameter" if count == 1 else f"{count:,} parameters"
        return (
            f"{parameters}, {self.kernel_program.operations:,} operations, {self.lanes.width} lanes; "
            f"compiled in {self.seconds_to_compile:.2f} s"
        )

    def program(self) -> str:
        """Format the first step's program: the loss, its derivative and the update, one operation per line."""
        lanes = {(LANE, i): name for i, name in enumerate(self.spec.mover.lanes)}
        return self.kernel_program.format(self.spec.shapes, lanes)

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
        self.arrays.take_finals()
        ended = self.arrays.finals(self.spec.shapes)
        traces.take_over(self.arrays.collect_records(self.budget), self.phases.evaluations.tolist())
        traces.finish(self.conclude(self.arrays), interrupted)
        self.final = self.arrays.finals(self.spec.shapes)
        self.left_out = self.arrays.left_out(self.kernel_program)
        traces.status[self.left_out] = STATUSES.index(Status.INTERRUPTED)  # they have not come to an end here
        bad = torch.isin(traces.status, BAD_STATUSES).nonzero().squeeze(1)
        self.steepest = find_steepest(self.spec, ended, self._seeds, traces.steps, bad)

    def settle(self, chosen: Tensor) -> None:
        """Do nothing: the program keeps each run's parameters where it ends."""

    def keep(self, chosen: Tensor) -> bool:
        """Do nothing: the program passes over tiles whose runs have all ended."""
        return False

    def advance(self, state: KernelArrays, steps: int, traces: ReplicaTraces | None = None, start: int = 0) -> None:
        """Make steps of the runs in these arrays.

        :param steps: the step before which to stop.
        :param start: the first step.
        :raises KeyboardInterrupt: Ctrl-C was pressed; `state.reached` holds the steps that each tile has made.
        """
        types = [ctypes.c_int64 if text.startswith("i64") else ctypes.c_void_p for text in KERNEL_ARGUMENTS]
        function = self.compiled.module.function(
            "descend", *types, *[ctypes.c_void_p] * len(self._data), result=ctypes.c_int64
        )
        shared = (
            *(state.slots, state.lanes, self.compiled.uniform, self.compiled.columns),
            *(self.compiled.which, state.numbers, state.counts, state.kept, state.final, state.streams),
            state.sums,
        )
        for begin, last, order in state.orders.spans(steps, start):
            first = max(begin, start)
            rest = [begin, order.shape[1], *(tensor.data_ptr() for tensor in self._data)]
            given = [*(tensor.data_ptr() for tensor in (*shared, order)), *rest]
            work = TileWork(state.tiles, first, last, self.kernel_program.operations)
            run_kernel(
                partial(_run_part, function, given, state.reached), work, partial(_report_progress, traces, first, last)
            )

    @flush_denormals()
    def conclude(self, state: KernelArrays) -> Tensor:
        """End every run, where the optimizer may move its parameters; return the losses over all data, float64."""
        read = (state.final, state.lanes, state.counts, state.last, *(self._data if self._is_loop else ()))
        function = self.compiled.module.function("conclude", *[ctypes.c_int64] * 2, *[ctypes.c_void_p] * len(read))
        pointers = (tensor.data_ptr() for tensor in read)
        function(0, state.tiles, *pointers)
        return state.rows(state.last).squeeze(1).double()


def _run_part(function: Callable[..., int], given: Sequence[int], reached: Tensor, *part: int) -> int:
    """Call the kernel for a range of tiles and steps; return how many of the tiles have runs that continue."""
    left = int(function(*part, *given))
    tile, end, _, step = part
    reached[tile:end] = step
    return left


def _report_progress(traces: ReplicaTraces | None, first: int, last: int, share: float) -> None:
    if traces is not None:
        traces.done = int(first + share * (last - first))
