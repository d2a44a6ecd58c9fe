"""Determines which program each step of a descent uses.

Most descents use one program for all steps. Some rules branch on the step's number (RAdam's warm-up), and the last
batch of an epoch may be smaller; then several programs alternate, and the kernel selects one per step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.core.compiled.body import uniform_inputs
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.program import FACTOR, MAX_OPERATIONS, STEP
from playground.core.compiled.record import DescentSpec, KernelLayout, StepProgram, record_step

MAX_STEP_PROGRAMS = 8
"""The most programs that the steps of a descent may have."""


@dataclass(frozen=True)
class Phases:
    """The programs of a descent's steps.

    :param steps: the programs.
    :param which: for each step, the index of its program.
    :param uniform: for each step, the values that are equal in all runs, in the order of `uniform_inputs`; shape
        `(steps, most)`.
    :param operations: the number of operations of the largest step.
    """

    steps: list[StepProgram]
    which: np.ndarray[Any, Any]
    uniform: np.ndarray[Any, Any]
    operations: int


def record_phases(descent: DescentSpec, layout: KernelLayout, factors: Sequence[float], gradient: bool) -> Phases:
    """Record every program that the steps of a descent need.

    The first step without a program is recorded. Its decisions (the uniform values that Python code branched on) are
    then evaluated for all other steps with the same batch size. Steps with the same decisions have the same program,
    because everything else in a program is an input. This repeats until every step has a program.

    :param factors: on the learning rate, one per step.
    :param gradient: whether the gradient's norm is needed.
    :raises CannotCompileError: a step is not a fixed scalar program, or there are too many programs.
    """
    numbers = np.arange(len(factors), dtype=np.float64)
    scale = np.asarray(factors, dtype=np.float64)
    samples = _batch_sizes(descent, numbers)
    which = np.full(len(factors), -1, dtype=np.int32)
    steps: list[StepProgram] = []
    # A budget of 0 steps has no step without a program, but the kernel still needs one.
    while (missing := np.flatnonzero(which < 0)).size or not steps:
        if len(steps) == MAX_STEP_PROGRAMS:
            raise CannotCompileError(
                f"more than {MAX_STEP_PROGRAMS} different step programs: the update rule branches on the step's number"
            )
        first = int(missing[0]) if missing.size else 0
        size = int(samples[first]) if missing.size else int(descent.problem.batches.size or 0)
        factor = float(scale[first]) if missing.size else 1.0
        step = record_step(descent, layout, size or None, first, factor)
        alike = (which < 0) & (samples == size)
        inputs = {(STEP,): numbers, (FACTOR,): scale}
        for (_, value), found in zip(step.decisions, _evaluate_decisions(step, inputs), strict=True):
            alike &= found == value
        which[alike] = len(steps)
        steps.append(step)
    operations = max(step.program.size(_output_indices(step, gradient)) for step in steps)
    if operations > MAX_OPERATIONS:
        raise CannotCompileError(f"a step has {operations:,} scalar operations, more than {MAX_OPERATIONS:,}")
    return Phases(steps, which, _compute_uniform(steps, which, numbers, scale, gradient), operations)


def _output_indices(step: StepProgram, gradient: bool) -> list[int]:
    return [step.loss, step.norm if gradient else step.loss, *step.slots]


def _batch_sizes(descent: DescentSpec, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the number of samples in the batch of each step; 0 if it is all data."""
    batches = descent.problem.batches
    if batches.size is None:
        return np.zeros(len(numbers), dtype=np.int64)
    position = numbers.astype(np.int64) % batches.per_epoch
    samples: np.ndarray[Any, Any] = np.minimum(batches.size, len(batches.data[0]) - position * batches.size)
    return samples


def _evaluate_decisions(step: StepProgram, inputs: dict[Any, Any]) -> list[Any]:
    return step.program.evaluate([index for index, _ in step.decisions], inputs)


def _compute_uniform(
    steps: Sequence[StepProgram], which: np.ndarray[Any, Any], numbers: Any, scale: Any, gradient: bool
) -> np.ndarray[Any, Any]:
    """Compute the values that are equal in all runs, in double precision, for all steps at once."""
    columns = [uniform_inputs(step.program, _output_indices(step, gradient)) for step in steps]
    found = np.zeros((len(which), max(map(len, columns))))
    for place, (step, wanted) in enumerate(zip(steps, columns, strict=True)):
        mine = which == place
        values = step.program.evaluate(wanted, {(STEP,): numbers[mine], (FACTOR,): scale[mine]})
        for column, value in enumerate(values):
            found[mine, column] = value
    return found
