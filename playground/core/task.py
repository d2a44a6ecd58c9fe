"""What a task is: it builds the problem and says what the outcome means.

A task's constructor is its contract with YAML. A parameter named after a kind of component (`dataset`, `model`,
`loss`, `function`) receives that component; every other parameter is a key of the scenario.
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
    """What a task has to say about one run when it is over.

    :param metrics: measured quantities by name; each can be expected in YAML.
    :param predictions: the model's output for every sample.
    :param table: rows for people.
    :param points: a derivative check's routes, point by point.
    :param expectations: what the task demands of itself whether or not the scenario does.
    """

    metrics: Mapping[str, Any] = field(default_factory=dict)
    predictions: Numbers | None = None
    table: ResultTable | None = None
    points: tuple[Mapping[str, Any], ...] = ()
    expectations: tuple[Expectation, ...] = ()


class DescentTask(ABC):
    """A task that goes downhill: the scenario's optimizer moves the parameters of its problem."""

    metrics: tuple[str, ...] = ()
    """Names of what `measure` returns."""

    @abstractmethod
    def problem(self, setting: Setting) -> Problem:
        """Build what goes downhill, initialised from torch's global stream, which is seeded by the run's seed.

        :raises PlaygroundError: the parts do not fit each other.
        """

    def measure(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Say what parameters mean, one tensor for each name in `metrics`; called after the descent, gradients off.

        Written in torch operations alone, so that it serves one run as it stands and ten thousand under `vmap`.

        :param parameters: of `problem.module`; use `problem.forward(parameters)` in its place.
        """
        return {}

    def validate(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Measure held-out data with parameters, on the way as well as at the end; empty where none are held out."""
        return {}

    def advise(self, problem: Problem) -> str:
        """Say in one line what is likely to be a mistake, though it can run; empty where nothing is."""
        return ""

    def quantities(self, problem: Problem) -> Mapping[str, Quantity]:
        """Say what is known of `loss` and `metrics` before a run, so that what can never be is not expected of them.

        :returns: by name; empty where nothing is known.
        """
        return {}

    def table(self, measured: Mapping[str, Tensor]) -> ResultTable | None:
        """Return rows for people, from what `measure` returned for one run."""
        return None

    def axes(self, problem: Problem) -> tuple[str, ...]:
        """Return the names of the axes of `views` whose range can be chosen: by default those of the loss."""
        from playground.core.landscape import landscape_axes

        return landscape_axes(problem)

    def views(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Return what can be looked at of a run, the best first; called after the descent where somebody asked.

        By default the loss over the parameters.

        :param problem: with the run's final parameters, which must be left as they are.
        :param recording: where the run was.
        :param ranges: of some of the `axes`; the others are up to the task.
        """
        from playground.core.landscape import compute_landscape

        return (compute_landscape(problem, recording, ranges),)

    def listing(self, problem: Problem, writer: Writer, setting: Setting) -> Listing | None:
        """Write out what goes downhill, for `eject`; None where a task does not say how.

        :param problem: as `problem` built it.
        :raises PlaygroundError: a part cannot be written out.
        """
        return None


class DirectTask(ABC):
    """A task that answers without a descent."""

    metrics: tuple[str, ...] = ()
    """Names of the metrics in the `Outcome` of this task."""

    def probe(self, setting: Setting) -> None:  # noqa: B027  (most have nothing to try)
        """Try what may not fit together, so that a mistake is told before anything is computed.

        :raises PlaygroundError: something does not fit.
        """

    def quantities(self, problem: None) -> Mapping[str, Quantity]:
        """Say what is known of `metrics` before they are measured; empty where nothing is."""
        return {}

    def problems(self, setting: Setting) -> Sequence[Problem]:
        """Return the forward passes that `explain` can show; empty where there are none.

        One is of all data, and each of several is a sample: a point of which the same is asked.
        """
        return ()

    def listing(self, problem: None, writer: Writer, setting: Setting) -> Listing | None:
        """Write out what is computed, for `eject`; None where a task does not say how."""
        return None

    @abstractmethod
    def answer(self, setting: Setting) -> Outcome:
        """Compute the outcome.

        :raises PlaygroundError: the scenario asks for something that does not exist.
        """


Task = DescentTask | DirectTask


def is_descent_task(factory: Callable[..., Any]) -> bool:
    """Say whether what a factory of tasks makes goes downhill: its class does, or what it says that it returns."""
    made = factory if isinstance(factory, type) else _return_annotation(factory)
    return isinstance(made, type) and issubclass(made, DescentTask)


def _return_annotation(factory: Callable[..., Any]) -> Any:
    """Return what a function says it returns; None when it does not, or in words that mean nothing here."""
    try:
        return get_type_hints(factory).get("return")
    except (NameError, TypeError, AttributeError):
        return None
