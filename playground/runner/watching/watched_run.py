"""A watched loop as the record of a run, which reports and notebooks can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from playground.explanation import Explanation, UnexplainedStep
from playground.plugins.causes import describe_exception
from playground.result import Diagnosis, Loss, Recording, Run, RunTrace, Status, Verdict
from playground.runner.watching.explaining_loops import name_loop

if TYPE_CHECKING:
    from playground.core.watching.loop_evidence import LoopEvidence, OptimizerEvidence


class WatchedRun(Run):
    """The record of a training loop that is not ours.

    The loss of its final parameters is not known, so that `loss.last` is the one before the last step.
    """

    @property
    def ending(self) -> tuple[str, ...]:
        """How many steps were watched, and what ended the loop if it was an exception."""
        made = len(self.trace.loss)
        reasons = (self.reason,) if self.reason else ()
        return (f"{made:,} {'step' if made == 1 else 'steps'} watched", *reasons)


def describe_loop(
    evidence: LoopEvidence,
    diagnoses: Sequence[Diagnosis],
    explanations: Sequence[Explanation | UnexplainedStep] = (),
    limits: Sequence[str] = (),
) -> WatchedRun:
    """Return the record of a watched loop.

    :param limits: what could not be seen.
    """
    losses, error = tuple(evidence.losses), evidence.exception
    finite = [each for each in losses if math.isfinite(each)]
    seen = evidence.unseen_losses < len(losses)
    rates = {each.name: _describe_rates(each) for each in evidence.optimizers}
    ended_badly = seen and not math.isfinite(losses[-1])
    return WatchedRun(
        scenario=name_loop(evidence),
        id="",
        seed=None,
        status=Status.ERROR if error is not None else Status.NONFINITE if ended_badly else Status.BUDGET,
        verdict=Verdict.FAILED if diagnoses else Verdict.NONE,
        steps=max(len(losses) - 1, 0),
        task="watched loop",
        reason="" if error is None else describe_exception(error),
        setup={"model": type(evidence.model).__name__, "optimizer": ", ".join(f"{n}{r}" for n, r in rates.items())},
        loss=Loss(losses[0], losses[-1], min(finite, default=math.nan)) if seen else None,
        trace=RunTrace(losses, _describe_recording(evidence)),
        seconds=evidence.seconds,
        explanations=tuple(explanations),
        diagnoses=tuple(diagnoses),
        warnings=tuple(limits),
    )


def _describe_rates(optimizer: OptimizerEvidence) -> str:
    """Return the learning rates at the beginning and at the end."""
    now = _list_rates([group.get("lr") for group in optimizer.optimizer.param_groups])
    first = _list_rates(optimizer.first_rates)
    if not now:
        return ""
    return f" (lr {first} → {now})" if first != now else f" (lr {now})"


def _list_rates(rates: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(f"{float(rate):g}" for rate in rates if rate is not None))


def _describe_recording(evidence: LoopEvidence) -> Recording | None:
    """Return the parameters of the kept steps that have the same ones."""
    kept = list(evidence.trusted())
    if not kept:
        return None
    names = [name for name in kept[0].program.parameters if all(name in each.program.parameters for each in kept)]
    parameters = {
        name: tuple(each.program.leaves[each.program.parameters[name]].tolist() for each in kept) for name in names
    }
    norms = tuple(evidence.gradient_norms.get(each.step) for each in kept)
    return Recording(tuple(each.step for each in kept), parameters, norms)
