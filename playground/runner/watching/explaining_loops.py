"""Explains the kept steps of a watched loop: each is repeated from its own calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from playground.errors import Fault, PlaygroundError
from playground.explanation import Explanation, UnexplainedStep
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception
from playground.plugins.manager import Plugins

if TYPE_CHECKING:
    from playground.core.watching.loop_evidence import LoopEvidence
    from playground.core.watching.replayed_step import ReplayedStep
    from playground.runner.explaining.subject import ExplainedSubject


def explain_loop_step(
    evidence: LoopEvidence, plugins: Plugins, step: int, sample: int | None = None, digits: int = 4, check: bool = True
) -> Explanation:
    """Explain one step of a watched loop.

    :param step: counted from 0 over the steps of all watched optimizers.
    :param sample: the sample of the step's data whose arithmetic is written out.
    :param check: compute the gradients by central differences too.
    :raises PlaygroundError: the step was not made, was not kept, or cannot be repeated.
    """
    from playground.runner.explaining.explained_step import explain_step
    from playground.runner.explaining.step import known_operations

    kept = _find_kept(evidence, step)
    samples = len(kept.program.leaves[kept.program.data[0]]) if kept.program.data else 0
    if sample is not None and not 0 <= sample < samples:
        there = f"0 to {samples - 1}" if samples else "none"
        raise PlaygroundError(Fault(f"no sample {sample} in step {step} (samples: {there})"))
    return explain_step(_describe_subject(evidence, kept, plugins), known_operations(plugins), sample, digits, check)


def explain_kept_steps(evidence: LoopEvidence, plugins: Plugins) -> Iterator[Explanation | UnexplainedStep]:
    """Yield explanations of all kept steps; central differences check the first."""
    for index, kept in enumerate(evidence.trusted()):
        try:
            yield explain_loop_step(evidence, plugins, kept.step, check=index == 0)
        except PlaygroundError as error:
            yield UnexplainedStep(kept.step, "; ".join(fault.message for fault in error.faults))
        except ISOLATED_EXCEPTIONS as error:
            yield UnexplainedStep(kept.step, describe_exception(error))


def _find_kept(evidence: LoopEvidence, step: int) -> ReplayedStep:
    """Return a kept step.

    :raises PlaygroundError: it was not made, was not kept, or cannot be repeated.
    """
    if isinstance(step, bool) or not isinstance(step, int):
        raise PlaygroundError(Fault(f"explain(): step: expected a whole number, got {step!r}"))
    found = next((each for each in evidence.replays if each.step == step), None)
    if found is not None and not found.fault:
        return found
    there = ", ".join(str(each.step) for each in evidence.trusted()) or "none"
    made = len(evidence.losses)
    if found is not None:
        why = found.fault
    elif step in evidence.unrepeatable:
        why = evidence.unrepeatable[step]
    elif not 0 <= step < made:
        why = f"the loop made {made} {'step' if made == 1 else 'steps'}"
    else:
        why = f"it was not kept (kept: {there}); keep it by `watch(..., steps=[{step}])`"
    raise PlaygroundError(Fault(f"step {step} cannot be explained: {why}"))


def _describe_subject(evidence: LoopEvidence, kept: ReplayedStep, plugins: Plugins) -> ExplainedSubject:
    from playground.runner.explaining.in_hand import describe_torch_optimizer, find_rule_among
    from playground.runner.explaining.subject import ExplainedSubject

    find_rule = find_rule_among(plugins)
    stepper = kept.stepper(find_rule)
    _, optimizer = describe_torch_optimizer(stepper, stepper.optimizer, kept.step, find_rule)
    return ExplainedSubject(title=name_loop(evidence), stepper=stepper, step=kept.step, optimizer=optimizer)


def name_loop(evidence: LoopEvidence) -> str:
    """Return the names of the model and of its optimizers: `Net with Adam`."""
    return f"{type(evidence.model).__name__} with {' and '.join(each.name for each in evidence.optimizers)}"
