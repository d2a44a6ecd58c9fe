"""Repeats a run, so that some of its steps can be examined."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from playground.errors import Fault, ScenarioError
from playground.plugins.causes import translate_errors
from playground.plugins.manager import Plugins
from playground.runner.explaining.remarks import OF_SWEEP
from playground.runner.explaining.subject import ExplainedSubject, describe_optimizer
from playground.runner.single.labels import component_label
from playground.runner.single.measuring import Observer, stop_rules
from playground.runner.single.prepared import Prepared, PreparedAnswer, PreparedDescent
from playground.runner.single.preparing import locate_faults, prepare, refuse_impossible
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from playground.core.descent import DescentTrace
    from playground.core.steppers import OneRun


@contextmanager
def replay(loaded: Loaded, plugins: Plugins, observe: Observer = nullcontext, point: int = 0) -> Iterator[Replay]:
    """Prepare a scenario as `run` does, to repeat its steps; a sweep's scenario is prepared without the sweep.

    :param observe: watches the descent, to show its progress.
    :param point: the point to examine, for a direct task that answers at several points.
    :raises ScenarioError: the scenario is not valid, or has no forward and backward pass.
    """
    from playground.core.descent import DescentTrace

    with prepare(loaded, plugins) as ready, locate_faults(loaded):
        refuse_impossible(ready)
        direct = isinstance(ready, PreparedAnswer)
        descent = DescentTrace(0 if direct else loaded.scenario.steps, stop_rules(ready))
        with observe(descent):
            yield Replay(ready, *_choose_stepper(ready, point), descent)


class Replay:
    """Makes the steps of a run one by one, exactly as the run does.

    :ivar stepper: evaluates the loss and updates the parameters.
    :ivar points: number of points that can be examined, for a direct task without data; 0 for other tasks.
    :ivar step: the next step.
    :ivar ended: whether the run ended at this step: it has been evaluated and makes no update.
    """

    def __init__(self, ready: Prepared, stepper: OneRun, points: int, descent: DescentTrace) -> None:
        self.stepper, self.points = stepper, points
        self.step, self.ended = 0, False
        self._ready, self._descent = ready, descent

    def advance(self, step: int) -> None:
        """Make all steps before a step.

        :raises ScenarioError: the run ends before this step, or a component raises.
        """
        from playground.core.setting import flush_denormals

        budget = self._descent.budget
        if step > budget:
            raise ScenarioError(Fault(f"step {step} is beyond the budget of {budget} steps", ("steps",)))
        with translate_errors(f"before step {step}", "task"), flush_denormals():
            while self.step < step and not self.ended:
                step_now = self.step
                if self._continues(self.stepper.evaluate(step_now)):
                    self.stepper.update(step_now)
        if self.step < step:
            raise ScenarioError(Fault(f"step {step}: the run ended at step {self.step} ({self._why()})", ("steps",)))

    def subject(self) -> ExplainedSubject:
        """Return the next step, to be made by whoever explains it."""
        bound, scenario = self._ready.bound, self._ready.loaded.scenario
        optimizer = None
        if bound.optimizer is not None:
            label = component_label(scenario.components["optimizer"])
            optimizer = describe_optimizer(bound.optimizer, label, bound.schedule)
        return ExplainedSubject(
            title=scenario.name,
            summary=scenario.summary,
            file=self._ready.loaded.source.file,
            stepper=self.stepper,
            step=self.step,
            optimizer=optimizer,
            continues=self._continues,
            flush_denormals=True,
            notes=() if scenario.sweep is None else (OF_SWEEP,),
        )

    def _continues(self, loss: float) -> bool:
        """Record the loss of the next step, which can end the run, and tell whether it makes an update."""
        within = self.step < self._descent.budget
        self.ended = not within or self._descent.record(self.step, loss, self.stepper.gradient_norm)
        self.step += not self.ended
        return not self.ended

    def _why(self) -> str:
        self._descent.finish(self._descent.loss[-1], interrupted=False)
        return f"{self._descent.status}: {self._descent.reason}"


def _choose_stepper(ready: Prepared, point: int) -> tuple[OneRun, int]:
    """Return the run's stepper, or one that makes no update for a direct task, and the number of points."""
    from playground.core.steppers import RestingStepper

    if isinstance(ready, PreparedDescent):
        return ready.stepper, 0
    problems = ready.task.problems(ready.setting)
    if not problems:
        name = ready.loaded.scenario.task.name
        raise ScenarioError(Fault(f"task {name!r} has no forward and backward pass to explain", ("task",)))
    problem = problems[min(point, len(problems) - 1)]  # `explain` refuses a point that does not exist
    problem.probe()
    return RestingStepper(problem), 0 if problem.batches.data else len(problems)
