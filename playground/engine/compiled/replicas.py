"""Many runs of one small program: recorded once, compiled, and run side by side, a lane each."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
from torch import Tensor

from playground.engine.compiled import jit
from playground.engine.compiled.arrays import Arrays, arrays
from playground.engine.compiled.assembly import module
from playground.engine.compiled.code import Lanes
from playground.engine.compiled.errors import NotWorthCompilingError
from playground.engine.compiled.kernel import ARGUMENTS, Kernel, last_loss
from playground.engine.compiled.orders import Orders
from playground.engine.compiled.phases import record_phases
from playground.engine.compiled.program import LANE, SLOT, listing
from playground.engine.compiled.record import Descent, record_loss, record_start
from playground.engine.compiled.steepest import steepest
from playground.engine.compiled.threads import Work, run
from playground.engine.compiled.tile import Shape
from playground.engine.compiled.trust import require_agreement
from playground.engine.gradients import Clip
from playground.engine.problem import Problem
from playground.engine.replicas import Parameters
from playground.engine.setting import flushed_denormals
from playground.engine.steppers import Schedule
from playground.engine.stopping import StopRules
from playground.engine.traces import STATUSES, Traces, thinned_steps
from playground.engine.update import UpdateRule
from playground.result import Status

BAD = torch.tensor([STATUSES.index(Status.NONFINITE), STATUSES.index(Status.DIVERGED)])

COMPILING = (0.03, 2e-4)
"""Seconds that compiling takes, and each operation of a step adds."""

BATCHED = (4e-4, 1e-9)
"""Seconds that a step of a batch of tensors takes, and each operation of each run adds."""


def pays(runs: int, steps: int, operations: int) -> bool:
    """Tell whether so many runs take longer as a batch of tensors than compiling them does; both as measured."""
    return steps * (BATCHED[0] + runs * operations * BATCHED[1]) > COMPILING[0] + operations * COMPILING[1]


class CompiledReplicas:
    """Runs that descend as one compiled program.

    :param problem: of any one run: all share its module, loss and data.
    :param parameters: initial ones of all runs; not modified.
    :param seeds: of every run, for the order of its mini-batches.
    :param rule: one rule for all, with a tensor of shape `(runs,)` for every hyperparameter that differs.
    :param budget: updates to make at most.
    :param rules: when a run ends early.
    :param schedule: factor on the learning rate; None for a constant rate.
    :param clip: limits on each run's own gradient.
    :param bits: of the vectors to use; by default as wide as the CPU's.
    :param runs: how many runs will use the program, if it is to be compiled only where that saves time.
    :raises CannotCompileError: a step of these runs is no fixed scalar program, or cannot be compiled here.
    :raises NotWorthCompilingError: so many runs are done sooner as a batch of tensors.
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
        self.descent = Descent(problem, rule, schedule is not None, clip)
        self.start = record_start(self.descent)
        factors = [1.0 if schedule is None else schedule(step) for step in range(budget)]
        self.phases = record_phases(self.descent, self.start.layout, factors, rules.gradient is not None)
        if runs is not None and not pays(runs, budget, self.phases.operations):
            raise NotWorthCompilingError("so few runs and steps are done before they would be compiled")
        self._orders = Orders(problem.batches, seeds)
        self._data = [tensor.to(self.descent.dtype).contiguous() for tensor in self._orders.data]
        self._compile(bits or jit.vector_bits())
        self.arrays = self.fresh(parameters)
        self.places = torch.arange(self.arrays.count)
        self.final = {name: tensor.detach() for name, tensor in parameters.items()}
        self.steepest: Parameters = {}
        require_agreement(self, parameters, seeds, schedule)
        self.seconds_to_compile = time.perf_counter() - began

    def _compile(self, bits: int) -> None:
        """Write the kernel for vectors of so many bits, and make functions of it."""
        number, size = ("float", 32) if self.descent.dtype is torch.float32 else ("double", 64)
        self.lanes = Lanes(number, bits // size)
        layout, batches = self.start.layout, self.problem.batches
        self.shape = Shape(
            len(layout.names()),
            layout.moving,
            len(self.descent.lanes),
            self.phases.uniform.shape[1],
            len(thinned_steps(self.budget)),
            batches.size or 0,
            tuple(tensor[0].numel() for tensor in self._data),
        )
        kernel = Kernel(self.lanes, self.shape, self.phases.steps, self.rules)
        conclusion = last_loss(self.lanes, layout.moving, *record_loss(self.descent, layout))
        text, library = module([kernel.descent(), conclusion])
        self._module = _compiled(text, bits, tuple(library))

    def fresh(self, parameters: Parameters, which: Tensor | None = None) -> Arrays:
        """Return the arrays of runs before step 0.

        :param which: of all runs these are; None for all of them.
        """
        descent, streams = self.descent, self._orders.streams
        if which is not None:
            descent, streams = descent.of(which), streams[which]
        return arrays(descent, self.start, self.shape, parameters, streams, self.lanes.width)

    @property
    def account(self) -> str:
        """Say what was compiled: `34 parameters, 412 operations, 16 lanes; compiled in 0.09 s`."""
        parameters = "1 parameter" if self.shape.moving == 1 else f"{self.shape.moving:,} parameters"
        return (
            f"{parameters}, {self.phases.operations:,} operations, {self.lanes.width} lanes; "
            f"compiled in {self.seconds_to_compile:.2f} s"
        )

    def program(self) -> str:
        """Write the first step's program down: the loss, its derivative and the update, one operation a line."""
        step, names = self.phases.steps[0], self.start.layout.names()
        inputs = {(SLOT, i): name for i, name in enumerate(names)}
        inputs |= {(LANE, i): name for i, name in enumerate(self.descent.lanes)}
        return listing(step.program, {"loss": step.loss, **dict(zip(names, step.slots, strict=True))}, inputs)

    @flushed_denormals()
    def descend(self, traces: Traces) -> None:
        """Let every run descend until its budget is used or it is over; `traces` holds the outcome.

        :param traces: of as many runs, made for the same budget and rules; `done` grows as they go.
        """
        interrupted = False
        try:
            self.advance(self.arrays, self.budget, traces)
        except KeyboardInterrupt:
            interrupted = True
        self.final = self.arrays.finals(self.start.layout.parameters)
        traces.take_over(self.arrays.taken(self.budget))
        traces.finish(self.conclude(self.arrays), interrupted)
        bad = torch.isin(traces.status, BAD).nonzero().squeeze(1)
        self.steepest = steepest(self.descent, self.final, self._seeds, traces.steps, bad)

    def advance(self, state: Arrays, steps: int, traces: Traces | None = None) -> None:
        """Make the first steps of the runs in these arrays.

        :raises KeyboardInterrupt: Ctrl-C came; `state.reached` says how far each tile got.
        """
        types = [ctypes.c_int64 if text.startswith("i64") else ctypes.c_void_p for text in ARGUMENTS]
        function = self._module.function("descend", *types, *[ctypes.c_void_p] * len(self._data), result=ctypes.c_int64)
        shared = (
            *(state.slots, state.lanes, torch.tensor(self.phases.uniform, dtype=self.descent.dtype), self._columns()),
            *(torch.tensor(self.phases.which), state.numbers, state.counts, state.kept, state.final, state.streams),
        )
        for first, last, order in self._orders.spans(steps):
            rest = [first, order.shape[1], *(tensor.data_ptr() for tensor in self._data)]
            given = [*(tensor.data_ptr() for tensor in (*shared, order)), *rest]
            work = Work(state.tiles, first, last, self.phases.operations)
            run(partial(_call, function, given, state.reached), work, partial(_show, traces, first, last))

    @flushed_denormals()
    def conclude(self, state: Arrays) -> Tensor:
        """Return the loss of every run's final parameters over all data, float64."""
        function = self._module.function("conclude", *[ctypes.c_int64] * 2, *[ctypes.c_void_p] * 2)
        function(0, state.tiles, state.final.data_ptr(), state.last.data_ptr())
        return state.rows(state.last).squeeze(1).double()

    def _columns(self) -> Tensor:
        """Return where the loss of each step is kept, -1 for nowhere."""
        columns, kept = torch.full((self.budget,), -1, dtype=torch.int32), thinned_steps(self.budget)
        columns[kept] = torch.arange(len(kept), dtype=torch.int32)
        return columns


def _call(function: Callable[..., int], given: Sequence[int], reached: Tensor, *part: int) -> int:
    """Call the kernel for a part of the work, tiles and steps; returns how many of the tiles go on."""
    left = int(function(*part, *given))
    tile, end, _, step = part
    reached[tile:end] = step
    return left


def _show(traces: Traces | None, first: int, last: int, share: float) -> None:
    if traces is not None:
        traces.done = int(first + share * (last - first))


@lru_cache(maxsize=64)
def _compiled(text: str, bits: int, library: tuple[str, ...]) -> jit.Module:
    """Compile a text once; the same program is the same text."""
    return jit.Module(text, bits, library)
