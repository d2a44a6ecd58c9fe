"""Runs one scenario: prepares it, computes the descent, judges and diagnoses the result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from playground.core.interrupts import listen_to
from playground.figures.numbers import round_numbers
from playground.plugins.manager import Plugins
from playground.result import Diagnosis, Run, Status, Verdict
from playground.runner.single.advising import advise
from playground.runner.single.diagnosing import (
    describe_nonfinite_source,
    find_diagnoses,
    gather_evidence,
    needs_diagnosis,
)
from playground.runner.single.expectations import (
    decide_verdict,
    judge_all,
    judge_diagnosis,
    judge_status,
    locate_expectations,
)
from playground.runner.single.labels import as_yaml, describe_conditions, describe_setup
from playground.runner.single.live import make_live
from playground.runner.single.measuring import Measurement, Observer, measure
from playground.runner.single.prepared import Prepared, PreparedDescent
from playground.runner.single.preparing import check_ranges, prepare, refuse_impossible, refuse_sweep
from playground.runner.single.record_options import RECORD_NOTHING, RecordOptions
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from playground.core.descent import DescentTrace
    from playground.explanation import Explanation, UnexplainedStep

__all__ = ["Observer", "run_one", "scenario_spec"]


def run_one(
    loaded: Loaded,
    plugins: Plugins,
    observe: Observer = nullcontext,
    record: RecordOptions = RECORD_NOTHING,
    of_sweep: bool = False,
) -> Run:
    """Run a scenario and judge it.

    :param observe: watches the descent, to show its progress.
    :param record: what to record besides the result.
    :param of_sweep: the run belongs to a sweep: it is not diagnosed, and the sweep has checked its expectations.
    :returns: the run; its status is `error` after an exception, and `interrupted` after Ctrl-C.
    :raises ScenarioError: the scenario is not valid.
    """
    refuse_sweep(loaded)
    with prepare(loaded, plugins) as ready:
        check_ranges(ready, record.ranges)
        if not of_sweep:
            refuse_impossible(ready)
        plugins.broadcast("playground_run_started", spec=scenario_spec(loaded))
        warnings = () if of_sweep else advise(ready)
        live = None
        if record.live and isinstance(ready, PreparedDescent):
            live = make_live(ready, plugins, record.alternatives)
        run = _judge(ready, measure(ready, observe, record), plugins, diagnose=not of_sweep)
        run = replace(run, warnings=warnings, live_data=live)
        if record.views and record.steps:
            run = replace(run, written=as_yaml(loaded.source.data))
    if record.explanations:
        run = replace(run, explanations=tuple(_explain_recorded(run, loaded, plugins, observe)))
    plugins.broadcast("playground_run_finished", result=run)
    return run


def run_beginning(loaded: Loaded, plugins: Plugins, record: RecordOptions, steps: int) -> Run | None:
    """Make the first steps of a descent, for a page to show while the whole run is computed.

    Nothing is judged or diagnosed, and plugins do not hear of it.

    :param steps: to make at most.
    :returns: a run with status `interrupted`; None if the task has no descent, or one with no more steps than these.
    :raises ScenarioError: the scenario is not valid.
    """
    refuse_sweep(loaded)
    with prepare(loaded, plugins) as ready:
        check_ranges(ready, record.ranges)
        refuse_impossible(ready)
        if not isinstance(ready, PreparedDescent) or loaded.scenario.steps <= steps:
            return None
        live = make_live(ready, plugins, record.alternatives) if record.live else None
        run = _judge(ready, measure(ready, partial(_stop_after, steps), record), plugins, diagnose=False)
    return replace(run, verdict=Verdict.NONE, expectations=(), written=as_yaml(loaded.source.data), live_data=live)


@contextmanager
def _stop_after(steps: int, descent: DescentTrace) -> Iterator[None]:
    """Interrupt a descent before the step with this number."""
    listen_to(lambda: descent.steps >= steps)
    try:
        yield
    finally:
        listen_to(lambda: False)


def _explain_recorded(
    run: Run, loaded: Loaded, plugins: Plugins, observe: Observer
) -> Iterator[Explanation | UnexplainedStep]:
    """Yield explanations of some recorded steps; none if the run ended with an error or was interrupted."""
    from playground.runner.explaining.step import explain_steps

    if run.status not in (Status.ERROR, Status.INTERRUPTED):
        recording = run.trace.recording
        yield from explain_steps(loaded, plugins, select_round_steps(recording.steps if recording else (0,)), observe)


def select_round_steps(steps: Sequence[int]) -> list[int]:
    """Return the first and the last step, and the steps nearest to 1, 2, 5, 10, 20, 50 and so on.

    :param steps: rising.
    """
    near = (min(steps, key=lambda step: abs(step - round)) for round in round_numbers(steps[-1]))
    return sorted({steps[0], *near, steps[-1]})


def scenario_spec(loaded: Loaded) -> dict[str, Any]:
    """Return everything in a scenario that determines its run, as plain data."""
    return loaded.scenario.model_dump(mode="json", exclude={"summary", "requires", "plot"}, exclude_none=True)


def _judge(ready: Prepared, measured: Measurement, plugins: Plugins, diagnose: bool) -> Run:
    """Judge the measurements by the expectations, and return the run as plain data."""
    import torch

    scenario, outcome = ready.loaded.scenario, measured.outcome
    wanted = {name: check for name, check in scenario.expect.items() if name != "diagnosis"}
    judged = judge_all(
        wanted,
        measured.quantities,
        measured.loss.first if measured.loss and scenario.steps > 0 else None,
        torch.finfo(ready.setting.dtype).eps,
    )
    demanded = [*outcome.expectations, *judged]
    diagnoses: tuple[Diagnosis, ...] = ()
    reason = measured.reason
    asked = diagnose and needs_diagnosis(ready, measured, demanded)
    shown = gather_evidence(ready, measured, plugins) if asked else None
    if shown is not None:
        diagnoses = find_diagnoses(shown, plugins)
        reason = "; ".join(filter(None, (reason, describe_nonfinite_source(shown))))
    if "diagnosis" in scenario.expect:
        judged.append(judge_diagnosis(scenario.expect["diagnosis"], [each.name for each in diagnoses]))
    expectations = [
        *outcome.expectations,
        *locate_expectations(judged, ready.loaded.source),
        *judge_status(measured.status, scenario.expect),
    ]
    parts = describe_setup(ready, plugins)
    return Run(
        scenario=scenario.name,
        id=_run_id(ready.loaded, plugins),
        seed=scenario.seed,
        status=measured.status,
        verdict=decide_verdict(expectations, measured.status),
        steps=measured.steps,
        file=ready.loaded.source.file,
        task=scenario.task.name,
        summary=scenario.summary,
        reason=reason,
        setup=parts,
        evaluations=measured.evaluations,
        loss=measured.loss,
        parameters=measured.parameters,
        predictions=outcome.predictions,
        metrics=outcome.metrics,
        expectations=tuple(expectations),
        table=outcome.table,
        points=outcome.points,
        seconds=measured.seconds,
        trace=measured.trace,
        traceback=measured.traceback,
        conditions=_run_conditions(ready, parts),
        views=measured.views,
        diagnoses=diagnoses,
    )


def _run_conditions(ready: Prepared, parts: dict[str, str]) -> dict[str, str]:
    """Return the conditions of the run; the optimizer's label includes a default learning rate."""
    found = describe_conditions(ready.loaded.source.data)
    return {**found, "optimizer": parts["optimizer"]} if "optimizer" in found else found


def _run_id(loaded: Loaded, plugins: Plugins) -> str:
    """Return twelve hexadecimal digits that change with anything that can change the run."""
    text = json.dumps([scenario_spec(loaded), plugins.fingerprint], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
