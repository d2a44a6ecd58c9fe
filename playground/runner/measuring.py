"""What a prepared scenario gives when it is run: numbers, before anybody judges them."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.engine.task import DescentTask, Outcome
from playground.errors import PlaygroundError
from playground.plugins.causes import ISOLATED, cause
from playground.result import Loss, Numbers, Status, Trace
from playground.runner.plainness import plain, plain_outcome
from playground.runner.preparing import Prepared
from playground.runner.recorded import NOTHING, Recorded

if TYPE_CHECKING:
    from playground.engine.descent import Descent, Stepper
    from playground.engine.problem import Problem
    from playground.engine.steppers import OneRun
    from playground.engine.stopping import StopRules
    from playground.engine.validating import Validator
    from playground.result import Recording
    from playground.views import View

Observer = Callable[["Descent"], AbstractContextManager[Any]]
"""Entered around a descent, which it may read while it grows."""


@dataclass(frozen=True)
class Measured:
    """What a run gave.

    :param start: the initial parameters, as tensors.
    """

    status: Status
    reason: str = ""
    outcome: Outcome = field(default_factory=Outcome)
    loss: Loss | None = None
    steps: int = 0
    evaluations: int = 0
    parameters: Mapping[str, Numbers] = field(default_factory=dict)
    trace: Trace = field(default_factory=Trace)
    seconds: float = 0.0
    traceback: str = ""
    views: tuple[View, ...] = ()
    start: Mapping[str, Any] = field(default_factory=dict)

    @property
    def quantities(self) -> dict[str, Any]:
        """Everything that can be expected, by name."""
        measured: dict[str, Any] = {**self.parameters, **self.outcome.metrics}
        if self.outcome.predictions is not None:
            measured["predictions"] = self.outcome.predictions
        if self.loss is not None:
            measured |= {"loss": self.loss.last, "steps": self.steps, "evaluations": self.evaluations}
        return {**measured, "status": str(self.status)}


def measure(ready: Prepared, observe: Observer, record: Recorded = NOTHING) -> Measured:
    """Run; an exception, which only a component can have raised, ends in status `error`.

    :param observe: watches the descent, to show its progress.
    :param record: what to keep besides.
    """
    try:
        return _answer(ready) if ready.stepper is None else _descend(ready, ready.stepper, observe, record)
    except PlaygroundError as error:
        reason = "; ".join(fault.message for fault in error.faults)
        return Measured(Status.ERROR, reason, traceback=traceback.format_exc())
    except ISOLATED as error:
        return Measured(Status.ERROR, cause(error), traceback=traceback.format_exc())


def _answer(ready: Prepared) -> Measured:
    """Let a task without a descent answer."""
    start = time.perf_counter()
    outcome = plain_outcome(ready.bound.task.answer(ready.setting))  # type: ignore[union-attr]
    return Measured(Status.CONVERGED, "computed without a descent", outcome, seconds=time.perf_counter() - start)


def _descend(ready: Prepared, stepper: OneRun, observe: Observer, record: Recorded) -> Measured:
    """Go downhill and let the task say what was found there."""
    import torch

    from playground.engine.descent import Descent, descend
    from playground.engine.recording import Recorder

    scenario, problem = ready.loaded.scenario, stepper.problem
    start = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    descent = Descent(scenario.steps, stop_rules(ready))
    recorder = Recorder(stepper, scenario.steps, record.steps) if record.steps else None
    validator = _validator(ready.bound.task, recorder or stepper, problem, scenario.steps)
    with observe(descent):
        descend(validator or recorder or stepper, descent)
    with torch.no_grad():
        outcome = _interpret(ready.bound.task, problem)  # type: ignore[arg-type]
    recording = recorder.recording() if recorder else None
    first = descent.loss[0] if descent.loss else descent.last
    return Measured(
        descent.status,
        _reason(descent, stepper, start, ready),
        outcome,
        Loss(first, descent.last, descent.best),
        descent.steps,
        stepper.evaluations,
        {name: tensor.tolist() for name, tensor in problem.parameters.items()},
        Trace(tuple(descent.loss), recording, validator.validation() if validator else None),
        descent.seconds,
        views=_views(ready, problem, recording, record) if recording and record.views else (),
        start=start,
    )


def _validator(task: Any, stepper: Stepper, problem: Problem, budget: int) -> Validator | None:
    """Return the stepper that measures what is held out on the way; None where nothing is."""
    from playground.engine.validating import Validator

    if "validation_loss" not in task.metrics:
        return None
    return Validator(stepper, problem.module, budget, lambda: task.validate(problem, problem.parameters))


def _interpret(task: DescentTask, problem: Problem) -> Outcome:
    """Return what the final parameters mean, as plain data."""
    measured = task.measure(problem, problem.parameters)
    metrics = dict(plain(measured, "metrics"))
    return Outcome(metrics, metrics.pop("predictions", None), task.table(measured))


def _views(ready: Prepared, problem: Problem, recording: Recording, record: Recorded) -> tuple[View, ...]:
    """Return what can be looked at; what cannot be shown costs the picture and a warning, not the run."""
    ranges = {**(ready.loaded.scenario.plot or {}), **record.ranges}
    try:
        return tuple(ready.bound.task.views(problem, recording, ranges))  # type: ignore[union-attr]
    except ISOLATED as error:
        warnings.warn(f"{ready.loaded.scenario.name}: nothing to look at: {cause(error)}", stacklevel=2)
        return ()


def stop_rules(ready: Prepared) -> StopRules:
    """Return when the scenario says that a run ends early."""
    from playground.engine.stopping import StopRules

    stop = ready.loaded.scenario.stop
    patience, improvement = (stop.patience.steps, stop.patience.improvement) if stop.patience else (None, 0.0)
    return StopRules(stop.loss, stop.gradient, patience, improvement, stop.divergence)


def _reason(descent: Descent, stepper: OneRun, start: Mapping[str, Any], ready: Prepared) -> str:
    """Say why the descent ended, and when it ended badly, where and by which rate."""
    from playground.engine.diagnosis import culprit, exceeded_bound, last_factor
    from playground.engine.update import UpdateRule

    if descent.status not in (Status.DIVERGED, Status.NONFINITE):
        return descent.reason
    rule = ready.bound.optimizer
    parts = [descent.reason, culprit(stepper.problem.parameters, stepper.gradients)]
    if isinstance(rule, UpdateRule) and descent.steps:  # before the first step no rate has done anything
        with suppress(*ISOLATED):  # a component that cannot be evaluated in float64 costs the bound, not the run
            factor = last_factor(ready.bound.schedule, descent.steps)
            parts.append(str(exceeded_bound(stepper.problem, dict(start), rule, factor) or ""))
    return "; ".join(part for part in parts if part)
