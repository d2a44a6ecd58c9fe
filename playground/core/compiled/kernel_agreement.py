"""Compares steps of a compiled program with plain PyTorch, for a few of the runs.

A recording can be wrong without an error: a component may keep state where no walk finds it, or read a global. The
comparison detects that before any compiled result is used; the runs then fall back to the next engine.

- The first steps of three runs are made both ways, from their starts.
- Single steps of one run are made both ways later: in each program that the descent uses, and at late steps. Each
  begins from what the plain run has reached, so that rounding does not add up.
- A late step begins from the counts that were computed in advance. So these must follow from one another, step by step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from playground.core.agreement import (
    COMPARED_STEPS,
    MAX_TWIN_DEVIATIONS,
    ComparedSteps,
    SingleRun,
    agree_to_rounding,
    assign_parameters,
    make_twins,
)
from playground.core.compiled.carried import LEFT_OUT, SlotKey
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.memory import MemoryLeaf, find_leaves
from playground.core.compiled.program import COUNT
from playground.core.compiled.symbolic_run import PARAMETER
from playground.core.compiled.tile import NUMBER_NAMES
from playground.core.replicas import Parameters
from playground.core.sensitivity import TOLERANCE_BY_DTYPE
from playground.core.setting import flush_denormals
from playground.core.steppers import OneRun, Schedule, make_stepper
from playground.core.stopping import StopRules

if TYPE_CHECKING:
    from playground.core.compiled.compiled_replicas import CompiledReplicas
    from playground.core.compiled.phases import Phases

FOLLOWED_STEPS = 12
"""Steps that a run makes in plain PyTorch, one after the other, before it jumps to late steps."""

MAX_EXTREME_RUNS = 3
"""The most runs whose first steps are compared if their program was checked for others."""

MAX_COMPARED_CHANGES = 20
"""The most changes from one program to another around which steps are compared."""

COUNT_TOLERANCE = 1e-9
"""The relative difference between a count as computed in advance and in plain PyTorch that is rounding."""

SINGLE_PRECISION_WITHIN = 1e-6
"""The tolerance of double precision where the optimizer itself rounds to single precision."""


def require_agreement(
    compiled: CompiledReplicas,
    parameters: Parameters,
    seeds: Sequence[int],
    schedule: Schedule | None,
    doubtful: Sequence[int] = (),
) -> None:
    """Compare steps of some runs with plain PyTorch.

    :param parameters: initial ones of all runs.
    :param doubtful: runs to compare in any case.
    :raises CannotCompileError: they differ by more than rounding, or a run alone raises an error.
    """
    count = len(seeds)
    which = sorted({0, count // 2, count - 1, *doubtful})
    singles = {run: _single_run(compiled, run, seeds[run], schedule) for run in which}
    _require_counts(compiled.phases)
    try:
        _require_first_steps(compiled, parameters, singles)
        chosen = which[len(which) // 2]
        start = {name: tensor[chosen] for name, tensor in parameters.items()}
        _SingleSteps(compiled, chosen, start).require(singles[chosen])
    except CannotCompileError:
        raise
    except Exception as error:  # a component may raise for some numbers only, where the compiled program continues
        message = f"in plain PyTorch a run raises {type(error).__name__}: {error}"
        raise CannotCompileError(message.partition("\n")[0]) from error


def find_disagreeing(
    compiled: CompiledReplicas, parameters: Parameters, seeds: Sequence[int], schedule: Schedule | None
) -> list[int]:
    """Compare the first steps of a few runs whose program was checked for others; return the runs that disagree.

    They are the runs with the smallest and the largest hyperparameters: what is new about the runs is these numbers.

    :param parameters: initial ones of all runs.
    """
    lanes = compiled.spec.mover.lanes.values()
    ends = [end for column in lanes for end in (int(column.argmax()), int(column.argmin()))]
    which = list(dict.fromkeys(ends or [len(seeds) // 2]))[:MAX_EXTREME_RUNS]
    steps = min(COMPARED_STEPS, compiled.budget)
    few = {name: tensor[which] for name, tensor in parameters.items()}
    found = []
    for place, (run, mine) in enumerate(zip(which, _run_kernel(compiled, few, which, steps), strict=True)):
        single, start = _single_run(compiled, run, seeds[run], schedule), {name: few[name][place] for name in few}
        try:
            agrees = mine is not None and _agrees(mine, single, start, steps, compiled.rules)
        except Exception:  # whatever a component raises for these numbers
            agrees = False
        if not agrees:
            found.append(run)
    return found


def _agrees(mine: ComparedSteps, single: SingleRun, start: dict[str, Tensor], steps: int, rules: StopRules) -> bool:
    """Tell whether a run alone gives the same to rounding; its twins are computed only if that is in question."""
    plain = single.compute(start, steps, rules)
    return agree_to_rounding(mine, plain, [plain]) or agree_to_rounding(
        mine, plain, [single.compute(each, steps, rules) for each in make_twins(start)]
    )


def _single_run(compiled: CompiledReplicas, run: int, seed: int, schedule: Schedule | None) -> SingleRun:
    """Return a run in plain PyTorch."""
    optimizer, clip = compiled.spec.mover.optimizer_of(run), compiled.spec.clip
    return SingleRun(compiled.problem, seed, lambda problem: make_stepper(problem, optimizer, schedule, clip))


def _require_counts(phases: Phases) -> None:
    """Check that the counts before each step are those after the step before it.

    :raises CannotCompileError: they are not.
    """
    columns = {name[1:]: column for name, column in phases.inputs.items() if name[0] == COUNT}
    for place, step in enumerate(phases.steps):
        at = np.flatnonzero(phases.which[:-1] == place)
        keys = [key for key in columns if key in step.outputs]
        inputs = {name: column[at] for name, column in phases.inputs.items()}
        for key, found in zip(keys, phases.program.evaluate([step.outputs[key] for key in keys], inputs), strict=True):
            after = columns[key][at + 1]
            wrong = ~np.isclose(found, after, rtol=COUNT_TOLERANCE, atol=1e-12) & ~np.isnan(after)
            if wrong.any():
                raise CannotCompileError(f"{_name(key)} does not follow from step {at[wrong][0]}")


def _require_first_steps(compiled: CompiledReplicas, parameters: Parameters, singles: dict[int, SingleRun]) -> None:
    """Compare the first steps of some runs.

    Rounding alone may grow a hundredfold in a few steps. Each run is therefore also computed from initial values
    changed by one ulp, and the tolerance follows from how far those come apart.
    """
    steps, which = min(COMPARED_STEPS, compiled.budget), list(singles)
    few = {name: tensor[which] for name, tensor in parameters.items()}
    mine, apart = _run_kernel(compiled, few, which, steps), 0
    for place, single in enumerate(singles.values()):
        start = {name: tensor[place] for name, tensor in few.items()}
        plain, again = (single.compute(start, steps, compiled.rules) for _ in range(2))
        # Two identical calls that differ reveal a component that depends on more than its inputs.
        if not agree_to_rounding(again, plain, [plain]):
            raise CannotCompileError("repeating the same step gives different results")
        compared = mine[place]
        if compared is None or agree_to_rounding(compared, plain, [plain]):
            continue
        twins = [single.compute(each, steps, compiled.rules) for each in make_twins(start)]
        apart += not agree_to_rounding(compared, plain, twins)
    # Tolerate one run in three: its rounding may grow faster than the changed starts show (Adam at a rate of 1).
    if apart > len(which) // 3:
        raise CannotCompileError(f"the first {steps} steps differ from plain PyTorch")


def _run_kernel(
    compiled: CompiledReplicas, parameters: Parameters, which: Sequence[int], steps: int
) -> list[ComparedSteps | None]:
    """Make the first steps of some runs by the kernel; None for a run that is left out.

    :param parameters: initial ones of these runs.
    :param which: of all runs these are.
    """
    state = compiled.fresh(parameters, which)
    compiled.advance(state, steps)
    state.take_finals()
    last = compiled.conclude(state)
    losses, final = state.rows(state.numbers)[:, NUMBER_NAMES.index("before")], state.finals(compiled.spec.shapes)
    left_out = state.left_out(compiled.kernel_program).tolist()
    return [
        None
        if left_out[place]
        else ComparedSteps(losses[place], {name: tensor[place] for name, tensor in final.items()}, last[place])
        for place in range(len(which))
    ]


class _SingleSteps:
    """Compares single steps of one run.

    :param compiled: all runs.
    :param run: the index of the run.
    :param start: its initial parameters by name.
    """

    def __init__(self, compiled: CompiledReplicas, run: int, start: dict[str, Tensor]) -> None:
        self._compiled = compiled
        self._run = run
        self._start = start
        self._phases = compiled.phases
        self._program = compiled.kernel_program
        dtype = compiled.spec.dtype
        self._tolerance = TOLERANCE_BY_DTYPE[dtype]
        if dtype is torch.float64 and self._rounds_to_float32():
            self._tolerance = SINGLE_PRECISION_WITHIN

    def _rounds_to_float32(self) -> bool:
        program = self._program.program
        needed = {index for wanted in self._program.steps for index in program.needed(wanted)}
        return any(program.nodes[i].operation == "float32" and not program.is_uniform(i) for i in needed)

    @flush_denormals()
    def require(self, single: SingleRun) -> None:
        """Make the steps.

        :raises CannotCompileError: one differs by more than rounding.
        """
        budget = self._compiled.budget
        # What may remember something that was not found is followed from the first step to the last.
        followed = budget if self._phases.is_opaque else min(budget, FOLLOWED_STEPS)
        late = self._late_steps()
        with single.begin(self._start) as stepper:
            # A run that is left out says nothing from there on, so the step at which it is must be seen.
            every = self._phases.is_opaque or LEFT_OUT in self._program.slots
            for step in range(followed):
                if not (every or step in (COMPARED_STEPS, followed - 1)):
                    stepper.evaluate(step)
                    stepper.update(step)
                elif not self._compare(stepper, step):
                    return
            for step in (each for each in late if each >= followed):
                if self._jump(stepper, step) and not self._compare(stepper, step):
                    return

    def _late_steps(self) -> list[int]:
        """Return the steps to compare: in the middle, at the end, and around changes of the program."""
        budget, which = self._compiled.budget, self._phases.which
        changes = (np.flatnonzero(which[1:] != which[:-1]) + 1)[:MAX_COMPARED_CHANGES].tolist()
        first = [int(np.argmax(which == place)) for place in range(len(self._phases.steps))] if budget else []
        near = [change + offset for change in changes for offset in (-1, 0, 1)]
        return sorted({step for step in (*near, *first, budget // 2, budget - 1) if 0 <= step < budget})

    def _leaves(self, stepper: OneRun) -> list[MemoryLeaf]:
        return list(find_leaves(stepper.memory_root(), stepper.parameters))

    def _jump(self, stepper: OneRun, step: int) -> bool:
        """Set the counts of a plain run to those of a later step, and its parameters to the start.

        A run that has come to rest follows the rounding errors of its gradient, which says nothing.

        :returns: whether the run has these counts.
        """
        counts = self._counts(step)
        leaves = {leaf.path: leaf for leaf in self._leaves(stepper)}
        if not {path for path, _ in counts} <= leaves.keys():
            return False
        for (path, _), value in counts.items():
            leaf = leaves[path]
            if isinstance(leaf.value, Tensor):
                leaf.value.fill_(value)
            else:
                leaf.replace(type(leaf.value)(value))
        assign_parameters(self._compiled.problem, self._start)
        return True

    def _counts(self, step: int) -> dict[SlotKey, float]:
        """Return the counts before a step, as computed in advance; none after the last step."""
        if step == self._compiled.budget:
            return {}
        columns = {name[1:]: column for name, column in self._phases.inputs.items() if name[0] == COUNT}
        return {key: float(column[step]) for key, column in columns.items() if not math.isnan(column[step])}

    def _numbers(self, stepper: OneRun) -> dict[SlotKey, float]:
        """Return everything that a plain run carries."""
        found: dict[SlotKey, float] = {}
        for name, tensor in stepper.problem.parameters.items():
            found |= {((PARAMETER, name), i): value for i, value in enumerate(tensor.flatten().tolist())}
        for leaf in self._leaves(stepper):
            if isinstance(leaf.value, Tensor):
                found |= {(leaf.path, i): float(value) for i, value in enumerate(leaf.value.flatten().tolist())}
            elif isinstance(leaf.value, int | float):
                found[leaf.path, 0] = float(leaf.value)
        return found

    def _compare(self, stepper: OneRun, step: int) -> bool:
        """Make a step both ways; return whether its numbers are finite, so that later steps say something.

        :raises CannotCompileError: they differ by more than rounding.
        """
        before = self._numbers(stepper)
        self._require_counts(before, step)
        rows, mine_loss = self._step_kernel(before, step)
        loss = stepper.evaluate(step)
        stepper.update(step)
        after = self._numbers(stepper)
        self._require_counts(after, step + 1)
        plain = torch.tensor([after.get(key, before.get(key, 0.0)) for key in self._program.slots], dtype=torch.float64)
        if not (plain.isfinite().all() and math.isfinite(loss)) or self._is_left_out(rows[0]):
            return False
        moved = (rows[1:] - rows[0]).abs().amax(0).nan_to_num(nan=math.inf)
        allowed = self._tolerance * (1 + plain.abs()) + MAX_TWIN_DEVIATIONS * moved
        away = ((rows[0] - plain).abs() - allowed).nan_to_num(nan=math.inf)
        if abs(mine_loss - loss) > self._tolerance * (1 + abs(loss)):
            self._refuse(step, "the loss differs")
        if (away > 0).any():
            self._refuse(step, f"{_name(self._program.slots[int(away.argmax())])} differs")
        return True

    def _require_counts(self, plain: dict[SlotKey, float], step: int) -> None:
        """Check that a plain run has the counts before a step that were computed in advance."""
        for key, value in self._counts(step).items():
            if key in plain and not math.isclose(value, plain[key], rel_tol=COUNT_TOLERANCE, abs_tol=1e-12):
                self._refuse(step, f"{_name(key)} is {plain[key]:g}, not {value:g}")

    def _is_left_out(self, slots: Tensor) -> bool:
        names = self._program.slots
        return LEFT_OUT in names and bool(slots[names.index(LEFT_OUT)] != 0)

    def _refuse(self, step: int, what: str) -> None:
        raise CannotCompileError(f"step {step} differs from plain PyTorch: {what}")

    def _step_kernel(self, before: dict[SlotKey, float], step: int) -> tuple[Tensor, float]:
        """Make a step by the kernel, from what a plain run carries.

        :returns: the slots after it, of the run and of two twins changed by one ulp, float64 of shape `(3, slots)`; and
            the loss before it.
        """
        compiled, count = self._compiled, self._program.parameter_slots
        three = {name: tensor.repeat(3, *[1] * tensor.dim()) for name, tensor in self._start.items()}
        state = compiled.fresh(three, [self._run] * 3)
        rows = state.rows(state.slots).clone()
        for place, key in enumerate(self._program.slots):
            if key in before:
                rows[:, place] = before[key]
        own = rows[0, :count]
        rows[1, :count] = torch.nextafter(own, torch.full_like(own, math.inf))
        rows[2, :count] = torch.nextafter(own, torch.full_like(own, -math.inf))
        width = state.slots.shape[2]
        for lane, row in enumerate(rows):
            state.slots[lane // width, :, lane % width] = row
        compiled.advance(state, step + 1, start=step)
        loss = state.rows(state.numbers)[0, NUMBER_NAMES.index("before")].item()
        return state.rows(state.slots).double(), loss


def _name(key: SlotKey) -> str:
    path, entry = key
    return f"{'.'.join(part for part in path if part)}[{entry}]"
