"""What a prepared scenario gives when it is run: numbers, before anybody judges them."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.core.task import DescentTask, Outcome
from playground.errors import PlaygroundError
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception
from playground.result import Loss, Numbers, RunTrace, Status
from playground.runner.single.plain_data import plain_outcome, plain_value
from playground.runner.single.prepared import Prepared, PreparedAnswer, PreparedDescent
from playground.runner.single.record_options import RECORD_NOTHING, RecordOptions

if TYPE_CHECKING:
    from playground.core.descent import DescentTrace, Stepper
    from playground.core.problem import Problem
    from playground.core.stopping import StopRules
    from playground.core.validating import Validator
    from playground.result import Recording
    from playground.views import View

Observer = Callable[["DescentTrace"], AbstractContextManager[Any]]
"""Entered around a descent, which it may read while it grows."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
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
    trace: RunTrace = field(default_factory=RunTrace)
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


def measure(ready: Prepared, observe: Observer, record: RecordOptions = RECORD_NOTHING) -> Measurement:
    """Run; an exception, which only a component can have raised, ends in status `error`.

    :param observe: watches the descent, to show its progress.
    :param record: what to keep besides.
    """
    try:
        return _descend(ready, observe, record) if isinstance(ready, PreparedDescent) else _run_direct(ready)
    except PlaygroundError as error:
        reason = "; ".join(fault.message for fault in error.faults)
        return Measurement(status=Status.ERROR, reason=reason, traceback=traceback.format_exc())
    except ISOLATED_EXCEPTIONS as error:
        return Measurement(status=Status.ERROR, reason=describe_exception(error), traceback=traceback.format_exc())


def _run_direct(ready: PreparedAnswer) -> Measurement:
    """Let a task without a descent answer."""
    start = time.perf_counter()
    outcome = plain_outcome(ready.task.answer(ready.setting))
    return Measurement(
        status=Status.CONVERGED,
        reason="computed without a descent",
        outcome=outcome,
        seconds=time.perf_counter() - start,
    )


def _descend(ready: PreparedDescent, observe: Observer, record: RecordOptions) -> Measurement:
    """Go downhill and let the task say what was found there."""
    import torch

    from playground.core.descent import DescentTrace, descend
    from playground.core.full_losses import FullLossStepper
    from playground.core.recording import RecordingStepper

    scenario, problem, stepper = ready.loaded.scenario, ready.problem, ready.stepper
    start = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    descent = DescentTrace(scenario.steps, stop_rules(ready))
    recorder = RecordingStepper(stepper, scenario.steps, record.steps) if record.steps else None
    validator = _make_validator(ready.task, recorder or stepper, problem, scenario.steps)
    full = None
    if scenario.trace_loss == "all_data":
        full = FullLossStepper(validator or recorder or stepper, scenario.steps, stepper.full_loss)
    with observe(descent):
        descend(full or validator or recorder or stepper, descent)
    with torch.no_grad():
        outcome = _interpret(ready.task, problem)
    recording = recorder.recording() if recorder else None
    first = descent.loss[0] if descent.loss else descent.last
    return Measurement(
        status=descent.status,
        reason=_reason(descent, start, ready),
        outcome=outcome,
        loss=Loss(first, descent.last, descent.best),
        steps=descent.steps,
        evaluations=stepper.evaluations,
        parameters={name: tensor.tolist() for name, tensor in problem.parameters.items()},
        trace=RunTrace(
            tuple(descent.loss),
            recording,
            validator.validation() if validator else None,
            full.losses if full else {},
        ),
        seconds=descent.seconds,
        views=_make_views(ready, recording, record) if recording and record.views else (),
        start=start,
    )


def _make_validator(task: Any, stepper: Stepper, problem: Problem, budget: int) -> Validator | None:
    """Return the stepper that measures what is held out on the way; None where nothing is."""
    from playground.core.validating import Validator

    if "validation_loss" not in task.metrics:
        return None
    return Validator(stepper, problem.module, budget, lambda: task.validate(problem, problem.parameters))


def _interpret(task: DescentTask, problem: Problem) -> Outcome:
    """Return what the final parameters mean, as plain data."""
    measured = task.measure(problem, problem.parameters)
    metrics = dict(plain_value(measured, "metrics"))
    return Outcome(metrics, metrics.pop("predictions", None), task.table(measured))


def _make_views(ready: PreparedDescent, recording: Recording, record: RecordOptions) -> tuple[View, ...]:
    """Return what can be looked at; what cannot be shown costs the picture and a warning, not the run."""
    ranges = {**(ready.loaded.scenario.plot or {}), **record.ranges}
    try:
        return tuple(ready.task.views(ready.problem, recording, ranges))
    except ISOLATED_EXCEPTIONS as error:
        warnings.warn(f"{ready.loaded.scenario.name}: nothing to look at: {describe_exception(error)}", stacklevel=2)
        return ()


def stop_rules(ready: Prepared) -> StopRules:
    """Return when the scenario says that a run ends early."""
    from playground.core.stopping import StopRules

    stop = ready.loaded.scenario.stop
    patience, improvement = (stop.patience.steps, stop.patience.improvement) if stop.patience else (None, 0.0)
    return StopRules(stop.loss, stop.gradient, patience, improvement, stop.divergence)


def _reason(descent: DescentTrace, start: Mapping[str, Any], ready: PreparedDescent) -> str:
    """Return why the descent ended and, if it ended badly, where and at which rate."""
    from playground.core.diagnosis import describe_culprit, find_exceeded_bound, last_factor
    from playground.core.update import UpdateRule

    if descent.status not in (Status.DIVERGED, Status.NONFINITE):
        return descent.reason
    rule = ready.bound.optimizer
    parts = [descent.reason, describe_culprit(ready.problem.parameters, ready.stepper.gradients)]
    if isinstance(rule, UpdateRule) and descent.steps:  # before the first step no rate has done anything
        with suppress(
            *ISOLATED_EXCEPTIONS
        ):  # a component that cannot be evaluated in float64 costs the bound, not the run
            factor = last_factor(ready.bound.schedule, descent.steps)
            parts.append(str(find_exceeded_bound(ready.problem, dict(start), rule, factor) or ""))
    return "; ".join(part for part in parts if part)
