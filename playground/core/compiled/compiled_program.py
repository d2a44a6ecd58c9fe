"""The compiled program of a descent, and of which other runs it is the program too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.core.compiled import jit
from playground.core.compiled.apart import take_apart
from playground.core.compiled.assembly import assemble_module
from playground.core.compiled.carried import LEFT_OUT
from playground.core.compiled.code import Lanes
from playground.core.compiled.errors import CannotCompileError, RunsDifferError, TooManyOperationsError
from playground.core.compiled.kernel import Kernel, write_conclusion, write_full_loss
from playground.core.compiled.layout import KernelProgram, arrange
from playground.core.compiled.loop_kernel import LoopKernel
from playground.core.compiled.loop_layout import LoopProgram, arrange_loops, name_counts
from playground.core.compiled.phases import Phases, record_phases
from playground.core.compiled.program import LANE, MAX_RECORDED_VALUES
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.compiled.tidying import tidy
from playground.core.compiled.tile import KernelShape
from playground.core.movers import Mover, is_same_constant
from playground.core.problem import Problem
from playground.core.replicas import Parameters
from playground.core.stopping import StopRules
from playground.core.traces import thin_steps

MAX_UNROLLED_PRODUCTS = 500
"""The most products of parameters and samples in a step that is one program, if it can be loops.

With so many, a step has some 2,500 operations. From there on loops are as fast as one program, and compile sooner.
"""


@dataclass(frozen=True, kw_only=True)
class ProgramTerms:
    """All that the program of a descent depends on, except for the initial parameters.

    These only say how runs usually decide, which matters if the program leaves runs out.

    :param spec: the problem, the optimizers, the limits on the gradient, and whether there is a schedule.
    :param factors: on the learning rate, one for each step.
    :param rules: when a run ends early.
    :param over_all_data: whether the kept losses are those of all data.
    :param bits: the width of the vectors.
    :param fixed: `describe_fixed` of the problem.
    """

    spec: DescentSpec
    factors: Sequence[float]
    rules: StopRules
    over_all_data: bool
    bits: int
    fixed: Sequence[Any]

    def is_alike(self, other: ProgramTerms) -> bool:
        """Tell whether the programs are the same, if the optimizers are."""
        mine, theirs = self.spec, other.spec
        return (
            mine.problem is theirs.problem
            and (mine.scheduled, mine.clip, self.rules) == (theirs.scheduled, theirs.clip, other.rules)
            and (self.over_all_data, self.bits) == (other.over_all_data, other.bits)
            and is_same_constant(list(self.factors), list(other.factors))
            and is_same_constant(self.fixed, other.fixed)
        )


def describe_fixed(problem: Problem) -> list[Any]:
    """Describe the tensors of a problem that become constants of its program, by their bits, and what it computes in.

    Larger tensors than a program can have are no constants of it.
    """
    named = [*problem.module.named_parameters(), *problem.module.named_buffers(), *enumerate(problem.batches.data)]
    found: list[Any] = [str(torch.get_default_dtype())]
    for name, tensor in named:
        found += [name, str(tensor.dtype), tuple(tensor.shape)]
        if not tensor.requires_grad and tensor.numel() <= MAX_RECORDED_VALUES:
            found.append(_bits(tensor))
    return found


def _bits(tensor: Tensor) -> Any:
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return object()  # which equals nothing
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledProgram:
    """A program, recorded for some runs.

    :param terms: of these runs.
    :param phases: its parts, and which of them each step uses.
    :param kernel_program: the same with numbered inputs.
    """

    terms: ProgramTerms
    phases: Phases
    kernel_program: KernelProgram

    @classmethod
    def record(cls, terms: ProgramTerms, parameters: Parameters) -> CompiledProgram:
        """Record the program of some runs.

        :param parameters: initial ones of all runs.
        :raises CannotCompileError: there is no fixed one.
        :raises RunsDifferError: some of the runs have another one than others.
        """
        if _count_products(terms.spec) > MAX_UNROLLED_PRODUCTS:
            try:
                return _record_loops(cls, terms)
            except RunsDifferError:
                raise
            except CannotCompileError:
                return _record_whole(cls, terms, parameters)
        try:
            return _record_whole(cls, terms, parameters)
        except TooManyOperationsError as error:
            try:
                return _record_loops(cls, terms)
            except RunsDifferError:
                raise
            except CannotCompileError as coupled:
                raise TooManyOperationsError(f"{error}; no loop over samples: {coupled}") from error

    def find_mover(self, terms: ProgramTerms, runs: int) -> Mover | None:
        """Return what moves other runs by this program; None if they may need another one.

        It is theirs if they differ from the runs it was recorded for in nothing but

        - initial parameters and seeds, and how many runs there are: they are no part of a program, unless it leaves
          runs out, which depends on how the first ones decided;
        - the values of hyperparameters that are inputs of it (lanes). Where Python code asked for a number that these
          determine, it has the same answer. What a kernel loads for each run is computed from the new values.

        The program of an optimizer that may remember something that no walk finds is no other run's: that something
        may depend on hyperparameters, and only a full check finds it.

        :param terms: of the other runs.
        :param runs: how many they are.
        """
        if LEFT_OUT in self.kernel_program.slots or self.phases.is_opaque or not self.terms.is_alike(terms):
            return None
        before = self.terms.spec.mover
        mover = terms.spec.mover.with_lanes(before.lanes, runs)
        if not mover.differs_only_in_lanes(before):
            return None
        program, asked = self.kernel_program.program, self.phases.by_lane
        inputs = {(LANE, i): column.numpy() for i, column in enumerate(mover.lanes.values())}
        found = program.evaluate(list(asked), inputs)
        if not all(np.all(np.asarray(a, np.float64) == b) for a, b in zip(found, asked.values(), strict=True)):
            return None
        return mover

    @property
    def budget(self) -> int:
        """The most steps that a run makes."""
        return len(self.terms.factors)

    @property
    def lanes(self) -> Lanes:
        """The vector types."""
        number, size = ("float", 32) if self.terms.spec.dtype is torch.float32 else ("double", 64)
        return Lanes(number, self.terms.bits // size)

    @cached_property
    def shape(self) -> KernelShape:
        """The sizes of the kernel's arrays."""
        program, batches = self.kernel_program, self.terms.spec.problem.batches
        is_loop = isinstance(program, LoopProgram)
        data = batches.data if batches.size or is_loop else ()
        return KernelShape(
            len(program.slots),
            program.final_slots,
            len(program.lanes),
            len(program.uniform),
            len(thin_steps(self.budget)),
            batches.size or 0,
            tuple(tensor[0].numel() for tensor in data),
            program.parameter_slots if is_loop else 0,
        )

    @cached_property
    def module(self) -> jit.CompiledModule:
        """The kernel for this CPU.

        :raises CannotCompileError: it cannot be compiled here.
        """
        lanes, program = self.lanes, self.kernel_program
        if isinstance(program, LoopProgram):
            samples = len(self.terms.spec.problem.batches.data[0])
            loops = LoopKernel(lanes, self.shape, program, self.terms.rules, samples)
            text, library = assemble_module([loops.full_loss(), loops.descent(), loops.conclusion()])
            return _compile_text(text, self.terms.bits, tuple(library))
        kernel = Kernel(lanes, self.shape, program, self.terms.rules)
        full_loss = [] if program.full_loss is None else [write_full_loss(lanes, program, program.full_loss)]
        text, library = assemble_module([*full_loss, kernel.descent(), write_conclusion(lanes, program)])
        return _compile_text(text, self.terms.bits, tuple(library))

    @cached_property
    def uniform(self) -> Tensor:
        """The values that are equal in all runs, for each step."""
        return torch.tensor(self.kernel_program.uniform_numbers)

    @cached_property
    def which(self) -> Tensor:
        """The index of each step's part."""
        return torch.tensor(self.phases.which)

    @cached_property
    def columns(self) -> Tensor:
        """The column that keeps the loss of each step; -1 if it is not kept."""
        columns, kept = torch.full((self.budget,), -1, dtype=torch.int32), thin_steps(self.budget)
        columns[kept] = torch.arange(len(kept), dtype=torch.int32)
        return columns


def _count_products(spec: DescentSpec) -> int:
    """Return how many parameters times samples a step has."""
    batches = spec.problem.batches
    samples = batches.size or (len(batches.data[0]) if batches.data else 0)
    return samples * sum(shape.numel() for shape in spec.shapes.values())


def _record_whole(kind: type[CompiledProgram], terms: ProgramTerms, parameters: Parameters) -> CompiledProgram:
    """Record a step as one program."""
    phases = tidy(record_phases(terms.spec, terms.factors, parameters))
    program = arrange(phases, terms.rules.gradient is not None, terms.over_all_data)
    return kind(terms=terms, phases=phases, kernel_program=program)


def _record_loops(kind: type[CompiledProgram], terms: ProgramTerms) -> CompiledProgram:
    """Record a step as a loop over samples and one over parameters."""
    step = take_apart(terms.spec, terms.factors)
    program = arrange_loops(step, terms.spec, terms.over_all_data)
    phases = name_counts(step.phases, len(terms.spec.shapes))
    return kind(terms=terms, phases=phases, kernel_program=program)


class KeptProgram:
    """Keeps the program that was recorded and checked last, for the next runs of the same kind."""

    def __init__(self) -> None:
        self.program: CompiledProgram | None = None


@lru_cache(maxsize=64)
def _compile_text(text: str, bits: int, library: tuple[str, ...]) -> jit.CompiledModule:
    """Compile a text once: equal programs have equal texts."""
    return jit.CompiledModule(text, bits, library)
