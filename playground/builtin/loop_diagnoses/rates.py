"""A learning rate that is too large for the curvature along the loop's own steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch

from playground.core.seeding import preserve_torch_stream
from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence, LoopFinding
from playground.core.watching.replayed_step import ReplayedStep, ReplayStepper
from playground.figures.numbers import format_short

SHORT_STEPS: Final = (0.1, 0.01, 1e-3, 1e-4)
"""Parts of a step, one of which must lower the loss where the whole step raises it."""

MIN_SHARE: Final = 0.5
"""The share of the kept steps that must be too long."""


GROWING_STEPS, MIN_GROWTH = 3, 1e6
"""The last finite losses rise, and the last one is larger than the first by this factor: the loss has run away."""


@dataclass(frozen=True)
class StepLength:
    """A step of the loop, made again on the same data.

    :param before: the loss before it; `after` after it.
    :param part: the largest of `SHORT_STEPS` that lowers the loss, and `short` the loss after it; NaN if none does.
    :param curvature: sᵀHs / |s|² along the step s, from the gradients at both ends.
    :param best: the part of the step at which a parabola with these gradients has its minimum.
    """

    step: int
    before: float
    part: float
    short: float
    after: float
    curvature: float
    best: float

    @property
    def is_too_long(self) -> bool:
        """Whether the whole step raises the loss, and a short one lowers it."""
        return self.short < self.before and not self.after <= self.before

    @property
    def shown_part(self) -> str:
        """The part in words."""
        return {0.1: "a tenth", 0.01: "a hundredth"}.get(self.part, f"{self.part:g}")


def rate_too_large() -> LoopDiagnoser:
    """The loss ended above its first value, and the loop's steps overshoot on their own data.

    Each kept step is repeated on the same data: the whole step raises the loss where a part of it lowers the loss.
    """
    return LoopDiagnoser(_rate_too_large, "Lower the learning rate.", 3)


def _rate_too_large(loop: LoopEvidence) -> LoopFinding | None:
    finite = [each for each in loop.losses if math.isfinite(each)]
    if len(finite) < 2 or not _has_run_away(loop, finite):
        return None
    measured = [found for step in loop.trusted() if (found := measure_step(step)) is not None]
    long = [each for each in measured if each.is_too_long]
    place = next((each.places.get("step") for each in loop.optimizers), None)
    if not long or len(long) < MIN_SHARE * len(measured):
        return LoopFinding(_describe_growth(loop, finite), place) if _has_overflown(loop, finite) else None
    worst = min(long, key=lambda each: each.step)
    least = f"; along it the loss is least at {worst.best:.2g} of its length" if 0 < worst.best < 1 else ""
    bound = f" (curvature {worst.curvature:.3g})" if worst.curvature > 0 else ""
    sentence = (
        f"At the rate {_list_rates(loop)} the loss goes from {format_short(finite[0])} to "
        f"{format_short(loop.losses[-1])}: {len(long)} of {len(measured)} kept steps are too long. On its own data, "
        f"step {worst.step} raises the loss from {format_short(worst.before)} to {format_short(worst.after)}, and "
        f"{worst.shown_part} of it lowers it to {format_short(worst.short)}{least}{bound}."
    )
    return LoopFinding(sentence, place)


def _has_overflown(loop: LoopEvidence, finite: list[float]) -> bool:
    """Tell whether the loss grew from step to step until it was no longer finite."""
    last = finite[-GROWING_STEPS:]
    grows = len(last) == GROWING_STEPS and all(a < b for a, b in pairwise(last))
    return not math.isfinite(loop.losses[-1]) and grows and last[-1] > MIN_GROWTH * max(1.0, abs(finite[0]))


def _describe_growth(loop: LoopEvidence, finite: list[float]) -> str:
    return (
        f"At the rate {_list_rates(loop)} the loss grows from step to step until it overflows: it goes from "
        f"{format_short(finite[0])} to {format_short(finite[-1])} in {len(finite)} steps."
    )


def _list_rates(loop: LoopEvidence) -> str:
    """Return the learning rates of the first kept step."""
    groups = [group for step in loop.replays[:1] for group in step.optimizer.param_groups if "lr" in group]
    return ", ".join(dict.fromkeys(f"{float(group['lr']):g}" for group in groups)) or "chosen"


def _has_run_away(loop: LoopEvidence, finite: list[float]) -> bool:
    """Tell whether the loss ended above its first value, or is no longer finite."""
    last = finite[-max(1, len(finite) // 10) :]
    return not math.isfinite(loop.losses[-1]) or sorted(last)[len(last) // 2] > finite[0]


def measure_step(step: ReplayedStep) -> StepLength | None:
    """Make a kept step again, and measure the loss and the gradient on its own data along it.

    :returns: None if the step has no finite length, or goes uphill.
    """
    stepper = step.stepper()
    parameters = stepper.parameters
    with preserve_torch_stream(parameters[0].device):
        before, gradient = stepper.evaluate(0), list(stepper.raw_gradients)
        start = [each.detach().clone() for each in parameters]
        stepper.update(0)
        moves = [each.detach() - old for each, old in zip(parameters, start, strict=True)]
        after, end = stepper.evaluate(0), list(stepper.raw_gradients)
        part, short = _find_lower(stepper, start, moves, before)
    length = sum(float(move.double().square().sum()) for move in moves)
    slopes = [
        sum(float((g * move).double().sum()) for g, move in zip(each, moves, strict=True) if g is not None)
        for each in (gradient, end)
    ]
    if not 0 < length < math.inf or not math.isfinite(before) or not slopes[0] < 0:
        return None
    bend = slopes[1] - slopes[0]
    best = -slopes[0] / bend if bend > 0 else math.nan
    return StepLength(step.step, before, part, short, after, bend / length, best)


def _find_lower(
    stepper: ReplayStepper, start: list[torch.Tensor], moves: list[torch.Tensor], before: float
) -> tuple[float, float]:
    """Return the largest part of a step after which the loss is lower, and that loss; NaN if there is none."""
    problem = stepper.problem
    with torch.no_grad():
        for part in SHORT_STEPS:
            for each, old, move in zip(stepper.parameters, start, moves, strict=True):
                each.copy_(old + part * move)
            loss = problem.loss(problem.module, problem.batches.data).item()
            if loss < before:
                return part, loss
    return math.nan, math.nan
