"""The results of runs and sweeps: plain frozen data, no tensors, no pickles, the same in files and in memory."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from playground.comparison import Comparison
    from playground.explanation import Explanation, UnexplainedStep
    from playground.live import Live, NoModule
    from playground.views import Ensemble, View

SCHEMA = 1
"""Version of the JSON layout; increases if a reader of the old layout would misread the new one."""

Numbers = float | list["Numbers"]
"""A tensor as nested lists of Python floats."""


class Status(enum.StrEnum):
    """Why a run ended."""

    CONVERGED = "converged"
    """A stop rule for success was met: the loss or the gradient fell below its limit."""
    BUDGET = "budget"
    """All steps were used."""
    DIVERGED = "diverged"
    """The loss exceeded the divergence limit."""
    NONFINITE = "nonfinite"
    """The loss became infinite or not a number."""
    STALLED = "stalled"
    """No improvement for as many steps as patience allowed."""
    ERROR = "error"
    """An exception ended it."""
    INTERRUPTED = "interrupted"
    """Ctrl-C ended it."""


class Verdict(enum.StrEnum):
    """The outcome of the expectations."""

    PASSED = "passed"
    FAILED = "failed"
    NONE = "none"
    """There are no expectations."""


@dataclass(frozen=True)
class Loss:
    """The loss: `first` before update 0, `last` at the final parameters, `best` the least of all evaluated."""

    first: float
    last: float
    best: float


@dataclass(frozen=True)
class Recording:
    """The parameters of a run at some of its steps, including its end.

    :param steps: the number of updates made before each record.
    :param parameters: the values at each of these steps, by name.
    :param gradient_norms: the Euclidean norm of the gradient at each step; None at the end if it was not computed.
    """

    steps: tuple[int, ...]
    parameters: Mapping[str, tuple[Numbers, ...]]
    gradient_norms: tuple[float | None, ...]


@dataclass(frozen=True)
class Validation:
    """Measures on held-out data during a run.

    :param steps: the number of updates before each measurement; the last one is the end of the run.
    :param values: one number for each of `steps`, by name (`validation_loss`, `validation_accuracy`, ...).
    """

    steps: tuple[int, ...]
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class RunTrace:
    """`loss[k]` is the loss before update k; with mini-batches, that of the step's batch.

    :param full: the loss over all data before some updates, by step; empty without `trace_loss: all_data`.
    :param recording: the recorded parameters; None if none were requested.
    :param validation: None if no data are held out.
    """

    loss: tuple[float, ...] = ()
    recording: Recording | None = None
    validation: Validation | None = None
    full: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultTable:
    """A table for people: inputs, targets and results."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Expectation:
    """One expectation, judged.

    :param what: the expectation in words: `loss below 0.05`.
    :param value: the measured value.
    :param vacuous: whether it held before the first step, so that it proves nothing.
    :param note: the reason why it failed or is vacuous, if known.
    :param path: its keys under `expect`: `("loss", "below")`; empty for an expectation that the task always has.
    :param line: its line in the scenario's file; 0 if it has none.
    """

    what: str
    value: Any
    passed: bool
    vacuous: bool = False
    note: str = ""
    path: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that a run shows.

    :param name: a stable name; `expect: {diagnosis: NAME}` uses it.
    :param sentence: the finding, with the run's own numbers.
    :param remedy: the suggested fix.
    :param place: the line of the user's program, `train.py:12`; empty if it is not known, and for runs of scenarios.
    """

    name: str
    sentence: str
    remedy: str
    place: str = ""

    def __str__(self) -> str:
        """Return place, finding and name on one line."""
        return f"{self.place}: {self.sentence} [{self.name}]" if self.place else f"{self.sentence} [{self.name}]"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished run.

    :param scenario: the scenario's name.
    :param id: a hash of everything that determines the run.
    :param seed: None for a training loop that is not ours.
    :param file: the scenario's file as the user named it; empty if the scenario came from Python.
    :param setup: the components by kind: `{"model": "perceptron", "optimizer": "adam (lr 0.01)", ...}`.
    :param reason: one sentence that explains the status: which rule, at which step, in which parameter.
    :param steps: the number of updates made.
    :param evaluations: evaluations of the objective, including an optimizer's closures.
    :param metrics: the task's measurements by name (`accuracy`, ...).
    :param table: inputs, targets and predictions, or the points of a derivative check.
    :param points: the routes of a derivative check, point by point.
    :param seconds: wall time of the descent only.
    :param traceback: the traceback of the exception that ended a run with status `error`.
    :param conditions: the conditions of the run, in words by key: budget, start, clipping, schedule, version, ...
    :param views: the available views, most informative first; empty if none were requested.
    :param explanations: of some of its steps, in order; empty if none were requested.
    :param live_data: what a live page is given, or why there is nothing; None if it was not requested, and without a
        descent.
    :param diagnoses: the certain mistakes of a run that ended badly.
    :param warnings: probable mistakes found before the run, one line each.
    :param written: the scenario as YAML, including all changes; empty if no views were requested.
    :param command: the command line that repeats this run; empty if the run did not come from a command line.
    """

    scenario: str
    id: str
    seed: int | None
    status: Status
    verdict: Verdict
    steps: int = 0
    file: str = ""
    task: str = ""
    summary: str = ""
    reason: str = ""
    setup: Mapping[str, str] = field(default_factory=dict)
    evaluations: int = 0
    loss: Loss | None = None
    parameters: Mapping[str, Numbers] = field(default_factory=dict)
    predictions: Numbers | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    expectations: tuple[Expectation, ...] = ()
    table: ResultTable | None = None
    points: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0
    trace: RunTrace = RunTrace()
    traceback: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)
    views: tuple[View, ...] = ()
    explanations: tuple[Explanation | UnexplainedStep, ...] = ()
    live_data: Live | NoModule | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    warnings: tuple[str, ...] = ()
    written: str = ""
    command: str = ""

    @property
    def losses(self) -> tuple[float, ...]:
        """The loss before each update and after the last one: `steps + 1` numbers; empty without a descent."""
        return (*self.trace.loss[: self.steps], self.loss.last) if self.loss else ()

    @property
    def ending(self) -> tuple[str, ...]:
        """The ending of the run as phrases: first how it ended, then the reasons."""
        reasons = tuple(reason for reason in self.reason.split("; ") if reason)
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        if self.status is Status.BUDGET:
            how = f"all {steps} used" if self.steps > 1 else f"{steps} used" if self.steps else "no steps requested"
            return (how, *reasons)
        if self.loss is not None:
            return (f"{self.status} after {steps}", *reasons)
        return reasons if self.status is Status.CONVERGED and reasons else (str(self.status), *reasons)

    def __repr__(self) -> str:
        """Return scenario, verdict, ending and loss on one line."""
        from playground.figures.notebook import run_line

        return f"<Run {run_line(self)}>"

    def _repr_html_(self) -> str:
        """Return the run as HTML, for a notebook."""
        from playground.figures.notebook import html

        return html(self)


class Quartiles(NamedTuple):
    """The lower quartile, median and upper quartile; NaN if there are no values."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The runs of one point of a sweep.

    :param index: the index of the point.
    :param values: the values of the point, by axis.
    :param runs: the number of finished runs.
    :param passed: how many of them passed; None if the runs have no expectations.
    :param interval: Wilson's 95 % interval for the share that passes; None if there is no share.
    :param loss: quartiles of the last loss; a loss that is not finite counts as infinite.
    :param statuses: the number of runs by status; only statuses that occur.
    :param steps: the median number of updates by status.
    """

    index: int
    values: Mapping[str, Any]
    runs: int
    passed: int | None
    interval: tuple[float, float] | None
    loss: Quartiles
    statuses: Mapping[Status, int]
    steps: Mapping[Status, float]

    @property
    def share(self) -> float | None:
        """The share of the runs that passed; None if there are no expectations or no runs."""
        return self.passed / self.runs if self.passed is not None and self.runs else None


class Criterion(enum.StrEnum):
    """By what one of several settings with equal losses was chosen."""

    ENDED_WELL = "ended_well"
    MARGIN = "margin"
    STEPS = "steps"


@dataclass(frozen=True)
class BestChoice:
    """How the best settings of a sweep were chosen: by the runs that give their result, so on the same seeds.

    :param equal: the number of settings with equal losses, the lowest there are.
    :param resolution: losses that differ by no more than this from the lowest are equal to it.
    :param criterion: the last criterion that decided among them; None if none did.
    """

    equal: int = 1
    resolution: float = 0.0
    criterion: Criterion | None = None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The summary of many runs of one scenario; the runs themselves are in the store.

    :param id: the sweep's key in the store.
    :param axes: the keys that vary, except `seed`.
    :param seeds: the number of runs of each point.
    :param size: the total number of runs.
    :param runs: the number of finished runs.
    :param computed: how many of them were computed now; the others were in the store.
    :param engines: the number of computed runs by engine.
    :param notes: remarks on the engines: what was compiled, why runs were not vectorized.
    :param summaries: one for each point.
    :param best: the best points; several points are a tie.
    :param choice: how they were chosen.
    :param store: the file that contains every run.
    :param stale: the reasons why earlier results of this sweep were not reused.
    :param variants: by kind, each component that the sweep compares, with its parameters: `sgd(lr=0.1)`.
    :param seconds: total wall time.
    :param fresh: whether stored runs were computed again.
    :param warnings: probable mistakes found before the runs, one line each.
    :param example: a run at one of the best settings, for a page; None if it was not requested.
    """

    scenario: str
    file: str
    id: str
    axes: tuple[str, ...]
    seeds: int
    size: int
    runs: int
    computed: int
    engines: Mapping[str, int]
    notes: tuple[str, ...]
    summaries: tuple[Summary, ...]
    best: tuple[Summary, ...]
    expectations: tuple[Expectation, ...]
    verdict: Verdict
    interrupted: bool
    seconds: float
    store: str
    stale: tuple[str, ...] = ()
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fresh: bool = False
    warnings: tuple[str, ...] = ()
    choice: BestChoice = field(default_factory=BestChoice)
    example: Run | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        """Return scenario, verdict, number of runs and best setting on one line."""
        from playground.figures.notebook import sweep_line

        return f"<Sweep {sweep_line(self)}>"

    def _repr_html_(self) -> str:
        """Return the sweep as HTML, for a notebook."""
        from playground.figures.notebook import sweep_html

        return sweep_html(self)

    def ensemble(self) -> Ensemble | None:
        """Return the runs themselves, read anew from the store; None if they are not stored."""
        return None


@dataclass(frozen=True)
class ScenarioFault:
    """One fault of a scenario that could not run.

    :param file: the scenario's file.
    :param line: and `column`: the position of the fault; 0 if it is unknown.
    :param where: the source of the fault, if it is not the scenario itself: a file that the scenario reads, or a part
        of the command line such as `--set optimizer.lr=true`.
    """

    file: str
    line: int
    column: int
    message: str
    where: str = ""

    def __str__(self) -> str:
        """`file:line:column: message`; a fault without a line has the scenario's file in front."""
        if self.line:
            return f"{self.where or self.file}:{self.line}:{self.column}: {self.message}"
        return ": ".join(part for part in (self.file, self.where, self.message) if part)


@dataclass(frozen=True)
class Batch:
    """The results of one command.

    :param runs: in the order of their files, regardless of which finished first.
    :param sweeps: the sweeps, in the same order.
    :param comparisons: of optimizers, in the same order.
    :param errors: one for each fault of a scenario that is not valid.
    :param interrupted: whether Ctrl-C ended the command early; `runs` then contains the finished runs.
    :param seconds: total wall time.
    """

    runs: tuple[Run, ...]
    errors: tuple[ScenarioFault, ...] = ()
    interrupted: bool = False
    seconds: float = 0.0
    sweeps: tuple[Sweep, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    @property
    def invalid(self) -> tuple[str, ...]:
        """The files that could not run, each once."""
        return tuple(dict.fromkeys(error.file for error in self.errors))

    @property
    def results(self) -> tuple[Run | Sweep, ...]:
        """All runs and sweeps."""
        return (*self.runs, *self.sweeps)

    @property
    def judged(self) -> tuple[Run | Sweep | Comparison, ...]:
        """Everything that has a verdict."""
        return (*self.results, *self.comparisons)


def json_value(value: Any) -> Any:
    """Convert a value to a type that JSON supports.

    Non-finite numbers become `None`, tuples become lists, enums their values, and any other object its text.
    """
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    return [json_value(item) for item in value] if isinstance(value, list | tuple) else str(value)
