"""What a run produced, as plain frozen data: no tensors, nothing to unpickle, the same in a file as in memory."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from playground.explanation import Explanation, UnexplainedStep
    from playground.views import Ensemble, View

SCHEMA = 1
"""Number of the JSON layout; it grows when a reader of the old layout would misread the new one."""

Numbers = float | list["Numbers"]
"""A tensor as nested lists of Python floats."""


class Status(enum.StrEnum):
    """Why a run ended."""

    CONVERGED = "converged"
    """A stop rule for success was met: the loss or the gradient fell below its limit."""
    BUDGET = "budget"
    """All steps were used."""
    DIVERGED = "diverged"
    """The loss passed the divergence limit."""
    NONFINITE = "nonfinite"
    """The loss became infinite or not a number."""
    STALLED = "stalled"
    """No improvement for as many steps as patience allowed."""
    ERROR = "error"
    """An exception ended it."""
    INTERRUPTED = "interrupted"
    """Ctrl-C ended it."""


class Verdict(enum.StrEnum):
    """What the expectations say."""

    PASSED = "passed"
    FAILED = "failed"
    NONE = "none"
    """Nothing was expected."""


@dataclass(frozen=True)
class Loss:
    """`first` is the loss before update 0, `last` that of the final parameters, `best` the least of all seen."""

    first: float
    last: float
    best: float


@dataclass(frozen=True)
class Recording:
    """Where a run was at some of its steps, its end included.

    :param steps: how many updates had been made.
    :param parameters: by name, the values at each of these steps.
    :param gradient_norms: the Euclidean norm of the gradient at each; None at an end where none was computed.
    """

    steps: tuple[int, ...]
    parameters: Mapping[str, tuple[Numbers, ...]]
    gradient_norms: tuple[float | None, ...]


@dataclass(frozen=True)
class Validation:
    """What was measured of held-out data on the way.

    :param steps: before which update; the last one is where the run ended.
    :param values: by name (`validation_loss`, `validation_accuracy`, ...), one number for each of `steps`.
    """

    steps: tuple[int, ...]
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class RunTrace:
    """`loss[k]` is the loss before update k.

    :param recording: where the run was; None where nobody asked for it.
    :param validation: None where no data are held out.
    """

    loss: tuple[float, ...] = ()
    recording: Recording | None = None
    validation: Validation | None = None


@dataclass(frozen=True)
class ResultTable:
    """Rows for people: what went in, what was wanted, what came out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Expectation:
    """One expectation, judged.

    :param what: the expectation in words: `loss below 0.05`.
    :param value: what was measured.
    :param vacuous: it already held before the first step, so it shows nothing.
    :param note: why it failed, or why it is vacuous, where that can be said.
    :param path: the keys under `expect` that ask for it: `("loss", "below")`; empty for what a task always expects.
    :param line: where it stands in the scenario's file; 0 where it does not.
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

    :param name: stable; what `expect: {diagnosis: NAME}` says.
    :param sentence: what was found, in the run's own numbers.
    :param remedy: what helps.
    """

    name: str
    sentence: str
    remedy: str


@dataclass(frozen=True)
class Run:
    """One finished run.

    :param scenario: the scenario's name.
    :param id: hash of everything that determines the run.
    :param file: the scenario's file as the user named it; empty when it came from Python.
    :param setup: what was trained with what: `{"model": "perceptron", "optimizer": "adam (lr 0.01)", ...}`.
    :param reason: one sentence for the status: which rule, at which step, in which parameter.
    :param steps: updates made.
    :param evaluations: evaluations of the objective, closures of an optimizer included.
    :param metrics: what the task measured by name (`accuracy`, ...).
    :param table: inputs, targets and predictions, or the points of a derivative check.
    :param points: a derivative check's routes, point by point.
    :param seconds: wall time of the descent alone.
    :param traceback: of the exception that ended a run in status `error`.
    :param conditions: under which it ran, in words by key: budget, start, clipping, schedule, version, ...
    :param views: what can be looked at, the best first; empty where nobody asked for it.
    :param explanations: of some of its steps, in their order; empty where nobody asked for them.
    :param diagnoses: of a run that ended badly, as far as there is no doubt.
    :param warnings: what is likely to be a mistake, found before the run, a line each.
    :param written: the scenario as YAML, all changes in it; empty where nobody asked for views.
    :param command: the command line that gives this run again; empty where no command line asked for it.
    """

    scenario: str
    id: str
    seed: int
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
        """How the run ended, and then why, a phrase for each reason."""
        reasons = tuple(reason for reason in self.reason.split("; ") if reason)
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        if self.status is Status.BUDGET:
            how = f"all {steps} used" if self.steps > 1 else f"{steps} used" if self.steps else "no step asked for"
            return (how, *reasons)
        if self.loss is not None:
            return (f"{self.status} after {steps}", *reasons)
        return reasons if self.status is Status.CONVERGED and reasons else (str(self.status), *reasons)

    def __repr__(self) -> str:
        """Return scenario, verdict, how it ended and the loss, on one line."""
        from playground.figures.notebook import run_line

        return f"<Run {run_line(self)}>"

    def _repr_html_(self) -> str:
        """Show the run in a notebook."""
        from playground.figures.notebook import html

        return html(self)


class Quartiles(NamedTuple):
    """A quarter, a half and three quarters of the values are no more than these; NaN where there are no values."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The runs of one point of a sweep.

    :param index: of the point.
    :param values: of the point, by axis.
    :param runs: how many there are so far.
    :param passed: how many of them passed; None where nothing was expected of any run.
    :param interval: Wilson's 95 % interval for the share that passes; None where there is no share.
    :param loss: quartiles of the last loss, that of runs without a finite one taken as infinite.
    :param statuses: how many ended how; only what occurred.
    :param steps: median number of updates of those that ended so: of those that diverged, when they did.
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
        """The share of the runs that passed; None where nothing was expected or nothing ran."""
        return self.passed / self.runs if self.passed is not None and self.runs else None


@dataclass(frozen=True)
class Sweep:
    """Many runs of one scenario, summed up; the runs themselves are in the store.

    :param id: under which the store has it.
    :param axes: the keys that vary, `seed` apart.
    :param seeds: how many runs each point has.
    :param size: how many runs there are to be.
    :param runs: how many are finished.
    :param computed: how many of them were computed now; the others were in the store.
    :param engines: how many of the computed runs each engine took.
    :param notes: what there is to say about the engines: what was compiled, why runs did not descend together.
    :param summaries: of each point.
    :param best: the points that did best; several are a tie.
    :param store: the file that has every run.
    :param stale: why earlier results of this sweep were not used again.
    :param variants: by kind, each component that the sweep compares, with its parameters: `sgd(lr=0.1)`.
    :param seconds: wall time of it all.
    :param fresh: what was stored is computed again.
    :param warnings: what is likely to be a mistake, found before the runs, a line each.
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

    def __repr__(self) -> str:
        """Return scenario, verdict, how many runs there are and the best setting, on one line."""
        from playground.figures.notebook import sweep_line

        return f"<Sweep {sweep_line(self)}>"

    def _repr_html_(self) -> str:
        """Show the sweep in a notebook."""
        from playground.figures.notebook import sweep_html

        return sweep_html(self)

    def ensemble(self) -> Ensemble | None:
        """Return the runs themselves, read anew from where they are kept; None where nobody kept them."""
        return None


@dataclass(frozen=True)
class ScenarioFault:
    """One fault of a scenario that could not run.

    :param file: the scenario's.
    :param line: and `column`: where the fault is; 0 where they are not known.
    :param where: what the fault is in, if not in the scenario itself: a file that it reads, or a part of the command
        line such as `--set optimizer.lr=true`.
    """

    file: str
    line: int
    column: int
    message: str
    where: str = ""

    def __str__(self) -> str:
        """`file:line:column: message`; what stands in no line of another file is told with the scenario's."""
        if self.line:
            return f"{self.where or self.file}:{self.line}:{self.column}: {self.message}"
        return ": ".join(part for part in (self.file, self.where, self.message) if part)


@dataclass(frozen=True)
class Batch:
    """Everything that one command ran.

    :param runs: in the order of their files, whatever finished first.
    :param sweeps: of the scenarios that have one, likewise.
    :param errors: one for each fault of a scenario that is not valid.
    :param interrupted: Ctrl-C came before the end; `runs` has what had finished.
    :param seconds: wall time of it all.
    """

    runs: tuple[Run, ...]
    errors: tuple[ScenarioFault, ...] = ()
    interrupted: bool = False
    seconds: float = 0.0
    sweeps: tuple[Sweep, ...] = ()

    @property
    def invalid(self) -> tuple[str, ...]:
        """The files that could not run, each once."""
        return tuple(dict.fromkeys(error.file for error in self.errors))

    @property
    def results(self) -> tuple[Run | Sweep, ...]:
        """Everything that has a verdict."""
        return (*self.runs, *self.sweeps)


def json_value(value: Any) -> Any:
    """Turn a value into what JSON can say.

    Non-finite numbers become `None`, tuples lists, enums their value, and what is neither number nor text its text.
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
