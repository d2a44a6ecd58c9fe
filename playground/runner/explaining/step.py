"""Explains steps of scenarios."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from playground.errors import Fault, PlaygroundError, ScenarioError
from playground.explanation import Explanation, UnexplainedStep
from playground.live import Live, NoModule
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.runner.explaining.explained_step import MAX_CHECKED_PARAMETERS, ExaminedStep, examine_step, explain_step
from playground.runner.explaining.replay import replay
from playground.runner.single.live import make_live
from playground.runner.single.measuring import Observer
from playground.runner.single.prepared import PreparedDescent
from playground.runner.single.preparing import prepare
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from playground.core.chain import Operations
    from playground.core.operations import Operation
    from playground.runner.explaining.observed_tape import TapeObserver


class _KnownOperations(dict[str, Any]):
    """Operations by name, built at the first access."""

    def __init__(self, plugins: Plugins) -> None:
        super().__init__()
        self._plugins, self._names = plugins, frozenset(plugins.registry.names("operation"))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._names

    def __missing__(self, name: str) -> Operation:
        if name not in self:
            raise KeyError(name)
        self[name] = build(self._plugins.registry.get("operation", name.lower()), {}, {})
        return self[name]  # type: ignore[no-any-return]


def known_operations(plugins: Plugins) -> Operations:
    """Return the operations that the plugins describe, by the short name of the torch function."""
    return _KnownOperations(plugins)


def explain(loaded: Loaded, plugins: Plugins, step: int = 0, sample: int | None = None, digits: int = 4) -> Explanation:
    """Explain one step of a scenario; a sweep's scenario is explained without the sweep.

    :param step: counts from 0; a step equal to the budget explains the final parameters, without an update.
    :param sample: the sample of the step's batch whose arithmetic is written out; for a direct task that answers at
        several points, the point.
    :param digits: decimals in written-out arithmetic.
    :raises ScenarioError: the scenario is not valid, or has no such step or sample.
    """
    examined, samples, sample = _examine(loaded, plugins, step, sample, digits)
    return dataclasses.replace(examined.explanation, samples=samples, sample=sample)


def explain_live(
    loaded: Loaded, plugins: Plugins, step: int = 0, sample: int | None = None, digits: int = 4
) -> tuple[Explanation, Live | NoModule]:
    """Explain one step of a scenario so that a page can keep its numbers up with other settings.

    The arguments are those of `explain`.

    :returns: a `LiveExplanation` with the program of the descent; an explanation as it is, and why there is no program.
    :raises ScenarioError: the scenario is not valid, or has no such step or sample.
    """
    from playground.runner.explaining.coded_tape import CannotFollowError
    from playground.runner.explaining.following import follow_step
    from playground.runner.explaining.observed_tape import TapeObserver

    examined, samples, sample = _examine(loaded, plugins, step, sample, digits)
    explanation: Explanation = examined.explanation
    observer = TapeObserver(examined)
    live = _make_live(loaded, plugins, observer)
    if isinstance(live, Live):
        try:
            explanation = follow_step(examined, observer, next(iter(live.programs.values())))
        except CannotFollowError as error:
            live = NoModule(str(error))
    return dataclasses.replace(explanation, samples=samples, sample=sample), live


def _make_live(loaded: Loaded, plugins: Plugins, observer: TapeObserver) -> Live | NoModule:
    with prepare(loaded, plugins) as ready:
        if not isinstance(ready, PreparedDescent):
            return NoModule(f"task {loaded.scenario.task.name!r} has no descent")
        if not observer.updates and observer.step < loaded.scenario.steps:
            return NoModule(f"the run ends at step {observer.step}")
        return make_live(ready, plugins, alternatives=False, observer=observer)


def _examine(
    loaded: Loaded, plugins: Plugins, step: int, sample: int | None, digits: int
) -> tuple[ExaminedStep, int, int | None]:
    """Return a step, how many samples it has, and the sample that is written out."""
    with replay(loaded, plugins, point=sample or 0) as made:
        made.advance(step)
        batch = made.stepper.problem.batches.at(step)
        samples = len(batch[0]) if batch else made.points
        if sample is not None and sample >= samples:
            there = f"0 to {samples - 1}" if samples > 1 else "only 0" if samples else "none"
            raise ScenarioError(Fault(f"no sample {sample} in step {step} (samples: {there})", ("task",)))
        examined = examine_step(made.subject(), known_operations(plugins), sample, digits)
        return examined, samples, (sample or 0) if made.points else sample


def explain_steps(
    loaded: Loaded, plugins: Plugins, steps: Sequence[int], observe: Observer = nullcontext
) -> Iterator[Explanation | UnexplainedStep]:
    """Yield explanations of some steps of a run, which is repeated once for all of them.

    Central differences check the gradients of the first step. They check the other steps too if parameters times steps
    is at most `MAX_CHECKED_PARAMETERS`.

    :param steps: rising, none after the run's end.
    :param observe: watches the descent, to show its progress.
    :returns: explanations; if one fails, an `UnexplainedStep` with the reason is the last item.
    """
    step = 0
    try:
        with replay(loaded, plugins, observe) as made:
            known = known_operations(plugins)
            numbers = sum(tensor.numel() for tensor in made.stepper.parameters)
            for step in steps:
                made.advance(step)
                check = step == steps[0] or numbers * len(steps) <= MAX_CHECKED_PARAMETERS
                yield explain_step(made.subject(), known, check=check)
    except PlaygroundError as error:
        yield UnexplainedStep(step, "; ".join(fault.message for fault in error.faults))
    except ISOLATED_EXCEPTIONS as error:
        yield UnexplainedStep(step, describe_exception(error))
    except KeyboardInterrupt:  # keep the run, which is complete
        yield UnexplainedStep(step, "interrupted")
