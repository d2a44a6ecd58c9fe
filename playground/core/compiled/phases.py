"""Determines which program each step of a descent uses.

Most descents use one program for all steps. Some optimizers branch on the step's number (RAdam's warm-up) or create
their state in the first step, and the last batch of an epoch may be smaller. Then several programs alternate, and the
kernel selects one per step. All are parts of one `Program`, so that what they share is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from playground.core.compiled.carried import LEFT_OUT, AssumptionError, CarriedMemory, SlotKey, Structure
from playground.core.compiled.decisions import record_ways
from playground.core.compiled.errors import CannotCompileError, DrawsRandomNumbersError, TooManyWaysError
from playground.core.compiled.evaluation import Evaluation
from playground.core.compiled.examples import EXAMPLE_STEPS, ExampleRuns
from playground.core.compiled.memory import Snapshot
from playground.core.compiled.observing import ObservedProgram, StepObserver
from playground.core.compiled.program import COUNT, FACTOR, INPUT, SLOT, STARTED, STEP, Program
from playground.core.compiled.step_program import Counts, RecordedStep, StepProgram
from playground.core.compiled.symbolic_run import PARAMETER, DescentSpec, SymbolicRun

MAX_STEP_PROGRAMS = 32
"""The most programs that the steps of a descent may have."""

MAX_RECORDINGS = 80
"""The most steps that are recorded to find them."""

MAX_ASSUMPTIONS = 40
"""The most times that everything is recorded once more because something changes or differs after all."""

MAX_DRAWS = 3
"""The most times that a recording begins again because random numbers were drawn. Code that draws them does so in each
recording; another thread of the process (a worker of a cluster has several) hardly does."""

MAX_EVALUATIONS = 64
"""The most evaluations of the loss that are recorded for one step, in all ways that it may take together."""

MIN_STRETCH = 16
"""Steps with batches of the same size from which on their numbers are computed all at once."""

AT_END = "what the optimizer does when a run ends depends on the step"
"""Why runs are not compiled that an optimizer ends in several ways."""


@dataclass(frozen=True)
class Phases:
    """The programs of a descent's steps.

    :param program: of which all are parts.
    :param steps: the programs.
    :param which: for each step, the index of its program.
    :param inputs: for each step, the numbers that are equal in all runs, by kind and position.
    :param start: the values of everything that is carried before step 0.
    :param end_loss: the value of the loss of the final parameters over all data.
    :param end: the final parameters, by their slots: an optimizer may move them when a run ends.
    :param full_loss: the value of the loss over all data of the parameters that a run carries.
    :param is_opaque: whether the optimizer may remember something that was not found.
    :param by_lane: values that Python code asked for and that depend on hyperparameters alone, with their numbers.
    :param observed: what an observer wants of its step; None without an observer.
    """

    program: Program
    steps: list[StepProgram]
    which: np.ndarray[Any, Any]
    inputs: Mapping[Any, np.ndarray[Any, Any]]
    start: Mapping[SlotKey, int]
    end_loss: int
    end: Mapping[SlotKey, int]
    full_loss: int
    is_opaque: bool
    by_lane: Mapping[int, float]
    observed: ObservedProgram | None = None

    @property
    def evaluations(self) -> np.ndarray[Any, Any]:
        """How often each step evaluates the loss."""
        found: np.ndarray[Any, Any] = np.array([each.evaluations for each in self.steps])[self.which]
        return found


def record_phases(
    spec: DescentSpec,
    factors: Sequence[float],
    parameters: Mapping[str, Tensor] | None = None,
    observer: StepObserver | None = None,
) -> Phases:
    """Record every program that the steps of a descent need.

    A step without a program is recorded, at the state that the optimizer has then. Its decisions (the values that
    Python code asked for) are evaluated for the next steps: as long as they come out the same, the steps have the same
    program, because everything else in a program is an input.

    :param factors: on the learning rate, one per step.
    :param parameters: initial ones of all runs, of shape `(runs, *shape)`; they tell how runs usually decide.
    :param observer: wants more of one step.
    :raises CannotCompileError: a step is not a fixed scalar program, or there are too many programs.
    """
    for _ in range(MAX_DRAWS):
        with suppress(DrawsRandomNumbersError):
            return _record_run(spec, factors, parameters, observer)
    return _record_run(spec, factors, parameters, observer)


def _record_run(
    spec: DescentSpec,
    factors: Sequence[float],
    parameters: Mapping[str, Tensor] | None,
    observer: StepObserver | None,
) -> Phases:
    run = SymbolicRun(spec)
    recorder = _PhaseRecorder(run, np.asarray(factors, dtype=np.float64), parameters, observer)
    for _ in range(MAX_ASSUMPTIONS):
        try:
            return recorder.record()
        except AssumptionError:
            recorder.begin_again()
    raise CannotCompileError("what the optimizer remembers changes its nature again and again")


class _PhaseRecorder:
    """Records the steps of one run.

    :param run: on symbols, before its first step.
    :param factors: on the learning rate, one per step.
    :param parameters: initial ones of all runs.
    :param observer: wants more of one step.
    """

    def __init__(
        self,
        run: SymbolicRun,
        factors: np.ndarray[Any, Any],
        parameters: Mapping[str, Tensor] | None,
        observer: StepObserver | None = None,
    ) -> None:
        self._run = run
        self._program = run.program
        self._factors = factors
        self._parameters = parameters
        self._observer = observer
        self._budget = len(factors)
        self._samples = _batch_sizes(run.spec, self._budget)
        self._memory = CarriedMemory(run)
        self._start = self._snapshot()

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._run.stepper.memory_root(), self._run.stepper.parameters)

    def begin_again(self) -> None:
        """Undo all steps."""
        self._start.restore()

    def record(self) -> Phases:
        """Record all steps and the end.

        :raises AssumptionError: something changes, or differs between runs, that was not known to.
        """
        self._recorded: list[RecordedStep] = []
        self._steps: list[StepProgram] = []
        self._counted: list[Counts] = []
        start = {**self._memory.outputs(), LEFT_OUT: self._program.constant(0.0)}
        structure = self._memory.structure()
        self._examples = ExampleRuns(self._program, start, self._parameters, self._run.spec.mover.lanes)
        self._snapshots: dict[Structure, Snapshot] = {structure: self._start}
        which = self._walk(structure, self._initial_counts(start))
        observed = self._observe()
        loss, end = self._record_end()
        full_loss = loss if self._stays(end) else self._full_loss()
        inputs = _stack_counts(self._counted)
        inputs |= {(STEP,): np.arange(self._budget, dtype=np.float64), (FACTOR,): self._factors}
        opaque = any(leaf.is_opaque for leaf in self._run.leaves())
        asked = dict(self._run.recorder.decisions.by_lane)
        return Phases(self._program, self._steps, which, inputs, start, loss, end, full_loss, opaque, asked, observed)

    def _initial_counts(self, start: Mapping[SlotKey, int]) -> Counts:
        keys = [key for key in start if self._memory.is_count(key)]
        found = self._program.evaluate([start[key] for key in keys], {})
        return {key: float(value) for key, value in zip(keys, found, strict=True)}

    def _walk(self, structure: Structure, counts: Counts) -> np.ndarray[Any, Any]:
        """Find the program of each step, from the first to the last."""
        which = np.zeros(self._budget, dtype=np.int32)
        step = 0
        with np.errstate(all="ignore"):
            if not self._budget:  # the kernel needs a program all the same
                self._find(structure, 0, counts)
            while step < self._budget:
                chosen, after = self._find(structure, step, counts)
                stretch = self._stretch(chosen, step, counts)
                which[step : step + len(stretch)] = chosen.place
                if self._observer is not None and 0 <= self._observer.step - step < len(stretch):
                    self._observed_at = structure, stretch[self._observer.step - step]
                self._counted += stretch
                if step < EXAMPLE_STEPS:
                    self._examples.advance(chosen.step, self._now(step, counts))
                if len(stretch) > 1:
                    after = chosen.advance(self._now(step + len(stretch) - 1, stretch[-1])) or after
                step += len(stretch)
                structure, counts = chosen.step.after, after
        return which

    def _now(self, step: int, counts: Counts) -> dict[Any, float]:
        """Return the inputs that are equal in all runs at a step."""
        factor = float(self._factors[step]) if self._budget else 1.0
        return {(COUNT, *key): value for key, value in counts.items()} | {(STEP,): step, (FACTOR,): factor}

    def _find(self, structure: Structure, step: int, counts: Counts) -> tuple[RecordedStep, Counts]:
        """Return the program of a step, recorded now if none fits, and the counts after it."""
        samples, now = self._samples[step] if self._budget else self._samples_of_all, self._now(step, counts)
        for each in reversed(self._recorded):
            if each.before == structure and each.samples == samples:
                after = each.advance(now)
                if after is not None:
                    return each, after
        new = self._record_step(structure, samples, now)
        found = new.advance(now)
        if found is None:
            raise CannotCompileError("repeating the same step gives different decisions")
        return new, found

    @property
    def _samples_of_all(self) -> int | None:
        return self._run.spec.problem.batches.size

    def _stretch(self, chosen: RecordedStep, step: int, counts: Counts) -> list[Counts]:
        """Return the counts before each of the next steps that have the same program; those of this step at least."""
        same = self._samples[step:] != np.array(chosen.samples)
        length = int(np.argmax(same)) if same.any() else self._budget - step
        strides = chosen.strides(counts, length) if length >= MIN_STRETCH else None
        if strides is None:
            return [counts]
        passed = np.arange(length, dtype=np.float64)
        columns = {key: value + strides[key] * passed for key, value in counts.items()}
        now: dict[Any, Any] = {(COUNT, *key): column for key, column in columns.items()}
        now |= {(STEP,): step + passed, (FACTOR,): self._factors[step : step + length]}
        holds = np.ones(length, dtype=bool)
        found = Evaluation(self._program, list(chosen.decisions))(now)
        for value, answer in zip(found, chosen.decisions.values(), strict=True):
            holds &= value == answer
        length = int(np.argmin(holds)) if not holds.all() else length
        rows = zip(*(column[:length].tolist() for column in columns.values()), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows] if columns else [{}] * length

    def _record_step(self, structure: Structure, samples: int | None, now: Mapping[Any, float]) -> RecordedStep:
        """Record a step in every way that it may take."""
        if len(self._recorded) == MAX_RECORDINGS:
            raise CannotCompileError(f"more than {MAX_RECORDINGS} different steps were recorded")
        run, memory, decisions = self._run, self._memory, self._run.recorder.decisions
        decisions.now, decisions.examples = now, self._examples.inputs

        ends: dict[Structure, Snapshot] = {}
        every = 0

        def record() -> StepProgram:
            nonlocal every
            self._snapshots[structure].restore()
            memory.put_inputs()
            loss, norm, evaluations = run.step(samples)
            memory.require_constants(structure)
            every += evaluations
            if every > MAX_EVALUATIONS:
                raise TooManyWaysError("a step evaluates the loss again and again, as numbers of the run decide")
            after = memory.structure()
            if after not in self._snapshots:
                ends[after] = self._snapshot()
            return StepProgram(self._program, loss, norm, memory.outputs(), evaluations, after)

        made = record_ways(decisions, record)
        if made.after in ends:
            self._snapshots[made.after] = ends[made.after]
        memory.require_uniform(made.outputs)
        counts = {key: value for key, value in made.outputs.items() if memory.is_count(key)}
        recorded = RecordedStep(structure, samples, made, dict(decisions.by_step), counts, self._number(made))
        self._recorded.append(recorded)
        return recorded

    def _observe(self) -> ObservedProgram | None:
        """Record the step that an observer wants more of, in every way that it may take."""
        if self._observer is None:
            return None
        observer, run, (structure, counts) = self._observer, self._run, self._observed_at
        decisions = run.recorder.decisions
        decisions.now = self._now(observer.step, counts)
        samples = self._samples[observer.step]

        def record() -> ObservedProgram:
            self._snapshots[structure].restore()
            self._memory.put_inputs()
            return run.observe(samples, observer)

        return record_ways(decisions, record)

    def _number(self, step: StepProgram) -> int:
        """Return the index of a program; equal programs have the same."""
        for place, other in enumerate(self._steps):
            if (other.loss, other.norm, other.outputs, other.evaluations) == (
                *(step.loss, step.norm),
                *(step.outputs, step.evaluations),
            ):
                return place
        if len(self._steps) == MAX_STEP_PROGRAMS:
            raise CannotCompileError(
                f"more than {MAX_STEP_PROGRAMS} different step programs: the optimizer branches on the step's number"
            )
        self._steps.append(step)
        return len(self._steps) - 1

    def _record_end(self) -> tuple[int, dict[SlotKey, int]]:
        """Record the end of a run, from what the optimizer remembers after its last step.

        If it moves the parameters, it is recorded from all structures that the optimizer's memory may have, since a run
        may end before its last step, and before its first one.

        :returns: the loss, and the final parameters.
        :raises CannotCompileError: it depends on the step at which the run ends.
        """
        reached = list(dict.fromkeys(each.step.after for each in self._recorded))
        loss, parameters = self._end_from(reached[-1])
        if self._stays(parameters):
            return loss, parameters
        if any(self._end_from(each) != (loss, parameters) for each in reached[:-1]):
            raise CannotCompileError(AT_END)
        first_loss, first_parameters = self._end_from(next(iter(self._snapshots)))
        started = self._program.input(STARTED)

        def choose(a: int, b: int) -> int:
            return self._program.apply("select", started, a, b)

        return choose(loss, first_loss), {
            key: choose(value, first_parameters[key]) for key, value in parameters.items()
        }

    def _stays(self, end: Mapping[SlotKey, int]) -> bool:
        """Tell whether the end of a run leaves the parameters where they are."""
        return all(value == self._program.input(SLOT, *key) for key, value in end.items())

    def _full_loss(self) -> int:
        """Record the loss of the parameters that a run carries, over all data; the optimizer does not end."""
        self._stand_at(next(iter(self._snapshots)))
        return self._run.full_loss()

    def _stand_at(self, structure: Structure) -> None:
        """Let the optimizer remember what it has in a structure, with inputs as numbers."""
        self._snapshots[structure].restore()
        self._memory.put_inputs()
        self._run.recorder.decisions.follow([])
        self._run.recorder.decisions.may_branch = False

    def _end_from(self, structure: Structure) -> tuple[int, dict[SlotKey, int]]:
        self._stand_at(structure)
        loss = self._run.finish()
        found = {key: value for key, value in self._memory.outputs().items() if key[0][0] == PARAMETER}
        for value in (loss, *found.values()):
            for index in self._program.needed([value]):
                node = self._program.nodes[index]
                if node.operation == INPUT and node.value[0] in (COUNT, STEP, FACTOR):
                    raise CannotCompileError(AT_END)
        return loss, found


def _stack_counts(counted: Sequence[Counts]) -> dict[Any, np.ndarray[Any, Any]]:
    """Return each count at all steps; NaN where it does not exist."""
    keys = dict.fromkeys(key for each in {id(c): c for c in counted}.values() for key in each)
    return {(COUNT, *key): np.array([each.get(key, np.nan) for each in counted]) for key in keys}


def _batch_sizes(spec: DescentSpec, budget: int) -> np.ndarray[Any, Any]:
    """Return the number of samples in the batch of each step; None if it is all data."""
    batches = spec.problem.batches
    if batches.size is None:
        return np.full(budget, None, dtype=object)
    position = np.arange(budget) % batches.per_epoch
    sizes: np.ndarray[Any, Any] = np.minimum(batches.size, len(batches.data[0]) - position * batches.size)
    return sizes.astype(object)
