"""The protocol of tasks: a task builds the problem and interprets the outcome.

A task's constructor is its contract with YAML. A parameter named after a kind of component (`dataset`, `model`, `loss`,
`function`) receives that component; every other parameter is a key of the scenario.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from playground.result import Expectation, Numbers, ResultTable

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.axes import Ranges
    from playground.core.listing import Listing, Writer
    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.result import Recording
    from playground.scenario.quantity import Quantity
    from playground.views import View


@dataclass(frozen=True)
class Outcome:
    """A task's results for a finished run.

    :param metrics: measured quantities by name; each can be expected in YAML.
    :param predictions: the model's output for every sample.
    :param table: rows to display.
    :param points: a derivative check's routes, point by point.
    :param expectations: expectations of the task itself, in addition to those of the scenario.
    """

    metrics: Mapping[str, Any] = field(default_factory=dict)
    predictions: Numbers | None = None
    table: ResultTable | None = None
    points: tuple[Mapping[str, Any], ...] = ()
    expectations: tuple[Expectation, ...] = ()


class DescentTask(ABC):
    """A task with a descent: the scenario's optimizer updates the parameters of its problem."""

    metrics: tuple[str, ...] = ()
    """Names of what `measure` returns."""

    @abstractmethod
    def problem(self, setting: Setting) -> Problem:
        """Build the problem, initialised from torch's global stream, which the run's seed has seeded.

        :raises PlaygroundError: the components do not fit together.
        """

    def measure(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Measure parameters, one tensor for each name in `metrics`; called after the descent, without gradients.

        It uses torch operations only, so that it works for one run and, under `vmap`, for many.

        :param parameters: of `problem.module`; use `problem.forward(parameters)` in its place.
        """
        return {}

    def validate(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Measure held-out data with parameters, during the descent and at its end; empty without held-out data."""
        return {}

    def advise(self, problem: Problem) -> str:
        """Return a one-line warning about a likely mistake that does not prevent the run, or ""."""
        return ""

    def quantities(self, problem: Problem) -> Mapping[str, Quantity]:
        """Return what is known of `loss` and `metrics` before a run, to refuse expectations that can never be met.

        :returns: by name; empty if nothing is known.
        """
        return {}

    def table(self, measured: Mapping[str, Tensor]) -> ResultTable | None:
        """Return rows to display, from the measures of one run."""
        return None

    def axes(self, problem: Problem) -> tuple[str, ...]:
        """Return the names of the axes of `views` whose range can be chosen: by default those of the loss."""
        from playground.core.landscape import landscape_axes

        return landscape_axes(problem)

    def views(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Return what can be plotted of a run, the most useful first; called after the descent on request.

        By default the loss over the parameters.

        :param problem: with the run's final parameters, which must not be changed.
        :param recording: the path of the run.
        :param ranges: of some of the `axes`; the task chooses the others.
        """
        from playground.core.landscape import compute_landscape

        return (compute_landscape(problem, recording, ranges),)

    def listing(self, problem: Problem, writer: Writer, setting: Setting) -> Listing | None:
        """Write the problem for `eject`; None if the task does not support it.

        :param problem: as built by `problem`.
        :raises PlaygroundError: a component cannot be written.
        """
        return None


class DirectTask(ABC):
    """A task that computes its answer without a descent."""

    metrics: tuple[str, ...] = ()
    """Names of the metrics in the `Outcome` of this task."""

    def probe(self, setting: Setting) -> None:  # noqa: B027  (most have nothing to try)
        """Check what may not fit together, so that a mistake is reported before anything is computed.

        :raises PlaygroundError: something does not fit.
        """

    def quantities(self, problem: None) -> Mapping[str, Quantity]:
        """Return what is known of `metrics` before they are measured; empty if nothing is known."""
        return {}

    def problems(self, setting: Setting) -> Sequence[Problem]:
        """Return the forward passes that `explain` can show; empty if there are none.

        A single problem covers all data; each of several is one sample.
        """
        return ()

    def listing(self, problem: None, writer: Writer, setting: Setting) -> Listing | None:
        """Write the computation for `eject`; None if the task does not support it."""
        return None

    @abstractmethod
    def answer(self, setting: Setting) -> Outcome:
        """Compute the outcome.

        :raises PlaygroundError: the scenario asks for something that does not exist.
        """


Task = DescentTask | DirectTask


def is_descent_task(factory: Callable[..., Any]) -> bool:
    """Tell whether a task factory makes tasks with a descent, from its class or its return annotation."""
    made = factory if isinstance(factory, type) else _return_annotation(factory)
    return isinstance(made, type) and issubclass(made, DescentTask)


def _return_annotation(factory: Callable[..., Any]) -> Any:
    """Return a function's return annotation; None without one, or if it cannot be resolved."""
    try:
        return get_type_hints(factory).get("return")
    except (NameError, TypeError, AttributeError):
        return None
