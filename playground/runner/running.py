"""One scenario, once: build, descend, measure, judge."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.engine.task import DescentTask, Outcome
from playground.plugins.manager import Plugins
from playground.result import Loss, Numbers, Run, Status, Trace
from playground.runner.describing import setup
from playground.runner.expectations import judge_all, unwelcome, verdict
from playground.runner.preparing import Prepared, one_line, prepared
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from playground.engine.descent import Descent
    from playground.engine.problem import Problem
    from playground.engine.steppers import OneRun
    from playground.engine.stopping import StopRules

Observer = Callable[["Descent"], AbstractContextManager[Any]]
"""Entered around a descent, which it may read while it grows."""


@dataclass(frozen=True)
class Measured:
    """What a run gave, before it is judged."""

    status: Status
    reason: str = ""
    outcome: Outcome = field(default_factory=Outcome)
    loss: Loss | None = None
    steps: int = 0
    evaluations: int = 0
    parameters: Mapping[str, Numbers] = field(default_factory=dict)
    trace: Trace = field(default_factory=Trace)
    seconds: float = 0.0

    @property
    def quantities(self) -> dict[str, Any]:
        """Everything that can be expected, by name."""
        measured = {"status": str(self.status), **self.parameters, **self.outcome.metrics}
        if self.outcome.predictions is not None:
            measured["predictions"] = self.outcome.predictions
        if self.loss is not None:
            measured |= {"loss": self.loss.last, "steps": self.steps, "evaluations": self.evaluations}
        return measured


def run_one(loaded: Loaded, plugins: Plugins, observe: Observer = nullcontext) -> Run:
    """Run a scenario and judge it.

    :param observe: watches the descent, to show its progress.
    :returns: the run; an exception inside it makes a run with status `error`, Ctrl-C one with `interrupted`.
    :raises ScenarioError: the scenario is not valid.
    """
    with prepared(loaded, plugins) as ready:
        plugins.broadcast("playground_run_started", spec=spec(loaded))
        try:
            measured = _answer(ready) if ready.stepper is None else _descend(ready, ready.stepper, observe)
        except Exception as error:  # a component's own failure ends this run, and no other
            measured = Measured(Status.ERROR, one_line(error))
        run = _judge(ready, measured, plugins)
    plugins.broadcast("playground_run_finished", result=run)
    return run


def spec(loaded: Loaded) -> dict[str, Any]:
    """Return everything in the scenario that determines a run, as plain data."""
    return loaded.scenario.model_dump(mode="json", exclude={"summary", "requires", "plot"}, exclude_none=True)


def _answer(ready: Prepared) -> Measured:
    """Let a task without a descent answer."""
    start = time.perf_counter()
    outcome = ready.bound.task.answer(ready.setting)  # type: ignore[union-attr]
    return Measured(Status.CONVERGED, "computed without a descent", outcome, seconds=time.perf_counter() - start)


def _descend(ready: Prepared, stepper: OneRun, observe: Observer) -> Measured:
    """Go downhill and let the task say what was found there."""
    import torch

    from playground.engine.descent import Descent, descend

    scenario, problem = ready.loaded.scenario, stepper.problem
    start = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    descent = Descent(scenario.steps, _stop_rules(ready))
    with observe(descent):
        descend(stepper, descent)
    with torch.no_grad():
        outcome = _interpret(ready.bound.task, problem)
    first = descent.loss[0] if descent.loss else descent.last
    return Measured(
        descent.status,
        _reason(descent, stepper, start, ready),
        outcome,
        Loss(first, descent.last, descent.best),
        descent.steps,
        stepper.evaluations,
        {name: tensor.tolist() for name, tensor in problem.parameters.items()},
        Trace(tuple(descent.loss)),
        descent.seconds,
    )


def _interpret(task: DescentTask, problem: Problem) -> Outcome:
    """Return what the final parameters mean, as plain data."""
    measured = task.measure(problem, problem.parameters)
    metrics = {name: tensor.tolist() for name, tensor in measured.items()}
    return Outcome(metrics, metrics.pop("predictions", None), task.table(measured))


def _stop_rules(ready: Prepared) -> StopRules:
    from playground.engine.stopping import StopRules

    stop = ready.loaded.scenario.stop
    patience, improvement = (stop.patience.steps, stop.patience.improvement) if stop.patience else (None, 0.0)
    return StopRules(stop.loss, stop.gradient, patience, improvement, stop.divergence)


def _reason(descent: Descent, stepper: OneRun, start: Mapping[str, Any], ready: Prepared) -> str:
    """Say why the descent ended, and when it ended badly, where and by which rate."""
    from playground.engine.diagnosis import culprit, exceeded_bound
    from playground.engine.update import UpdateRule

    if descent.status not in (Status.DIVERGED, Status.NONFINITE):
        return descent.reason
    rule = ready.bound.optimizer
    parts = [descent.reason, culprit(stepper.problem.parameters, stepper.gradients)]
    if isinstance(rule, UpdateRule):
        parts.append(exceeded_bound(stepper.problem, dict(start), rule))
    return "; ".join(part for part in parts if part)


def _judge(ready: Prepared, measured: Measured, plugins: Plugins) -> Run:
    """Hold the measurements against the expectations and put everything into plain data."""
    import torch

    scenario, outcome = ready.loaded.scenario, measured.outcome
    stepped = measured.loss is not None and scenario.steps > 0
    expectations = [
        *outcome.expectations,
        *judge_all(
            scenario.expect,
            measured.quantities,
            measured.loss.first if stepped and measured.loss else None,
            torch.finfo(ready.setting.dtype).eps,
        ),
        *unwelcome(measured.status, scenario.expect),
    ]
    return Run(
        scenario=scenario.name,
        id=_identity(ready.loaded, plugins),
        seed=scenario.seed,
        status=measured.status,
        verdict=verdict(expectations, measured.status),
        steps=measured.steps,
        file=ready.loaded.source.file,
        task=scenario.task.name,
        summary=scenario.summary,
        reason=measured.reason,
        setup=setup(ready),
        evaluations=measured.evaluations,
        loss=measured.loss,
        parameters=measured.parameters,
        predictions=outcome.predictions,
        metrics=dict(outcome.metrics),
        expectations=tuple(expectations),
        table=outcome.table,
        points=outcome.points,
        seconds=measured.seconds,
        trace=measured.trace,
    )


def _identity(loaded: Loaded, plugins: Plugins) -> str:
    """Return twelve hexadecimal digits that change with anything that can change the run."""
    text = json.dumps([spec(loaded), plugins.fingerprint], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
