"""Experiments on a finished run: the same descent with one change, and a search for the least loss.

Each experiment is limited by the numbers it computes with, not by time, so that a diagnosis is the same on every
machine.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from playground.core.derivatives.points import flat_loss
from playground.core.lbfgs import minimize
from playground.core.nonfinite import NonfiniteSource, find_source
from playground.core.problem import Problem
from playground.core.seeding import preserve_torch_stream
from playground.core.setting import flush_denormals
from playground.result import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playground.core.evidence import Evidence

MIN_STEPS, MAX_STEPS = 50, 300
"""Steps of a rerun: as many as the run was allowed, within these limits."""

MAX_WORK = 10_000_000
"""The most parameters × samples × steps in one rerun."""

MAX_REPLAY_STEPS = 3_000
"""The most steps for which a run is repeated to find where it stopped being finite."""

RATE_FACTORS = tuple(10.0**-power for power in range(1, 13))
"""Factors on the learning rate to try, in order."""

MIN_GAIN_SHARE = 0.01
"""A run has improved if its loss fell by this share."""

MAX_ROUNDING_SHARE = 1e-5
"""The share of a loss that may be rounding."""

EXTRA_STARTS = 10
"""Additional starting points of the search for the least loss, besides the start and the end of the run."""

MAX_SEARCH_PARAMETERS = 300
"""Limits on the search for the least loss: parameters, and rows of data / 10."""


@dataclass(frozen=True)
class Rerun:
    """The result of a descent from the same start.

    :param factor: on the learning rate.
    :param losses: over all data, before the first step and after the last.
    :param largest: the largest loss on the way; infinite if one was not finite.
    """

    factor: float
    first: float
    last: float
    largest: float
    steps: int

    @property
    def improved(self) -> bool:
        """Whether every loss was finite and the last is below the first by more than `MIN_GAIN_SHARE` of it."""
        return math.isfinite(self.largest) and self.last < self.first - MIN_GAIN_SHARE * abs(self.first)

    @property
    def descended(self) -> bool:
        """Whether no loss exceeded the first, and the last is below it by more than rounding."""
        return self.largest <= self.first and self.last < self.first - MAX_ROUNDING_SHARE * abs(self.first)


@dataclass(frozen=True)
class Breakdown:
    """Where a run stopped being finite.

    :param step: the update after which, or in which, it happened.
    :param source: the operation; None if it was the optimizer's own step.
    :param gradient: the largest entry of the gradient of that step.
    """

    step: int
    source: NonfiniteSource | None
    gradient: float

    def __str__(self) -> str:
        """Describe the origin of the number."""
        return str(self.source or f"the optimizer's step, from a gradient of at most {self.gradient:.3g}")


class Rerunner:
    """Repeats a run with one change.

    :param run: the finished run.
    """

    def __init__(self, run: Evidence) -> None:
        self._run = run

    @property
    def steps(self) -> int:
        """Steps of a rerun; 0 if the problem is too large for one."""
        run = self._run
        size = sum(tensor.numel() for tensor in run.start.values())
        batches = run.problem.batches
        samples = batches.size or (len(batches.data[0]) if batches.data else 1)
        affordable = MAX_WORK // max(1, size * samples)
        return min(max(run.budget, MIN_STEPS), MAX_STEPS, affordable) if affordable >= MIN_STEPS else 0

    def at(self, factor: float, steps: int | None = None, problem: Problem | None = None) -> Rerun:
        """Descend from the run's start with the rate times `factor`; stop if the loss becomes huge.

        :param steps: by default `self.steps`.
        :param problem: another problem with the same module.
        """
        run, steps = self._run, self.steps if steps is None else steps
        with _stand_at_start(run):
            problem = problem or run.problem
            first = self._loss(problem)
            stepper = run.make_stepper(
                problem, lambda step: factor * (run.schedule(step) if run.schedule else 1.0), run.clip
            )
            limit = 1e6 * max(1.0, abs(first))
            largest = -math.inf
            for step in range(steps):
                loss = stepper.evaluate(step)
                largest = max(largest, loss) if math.isfinite(loss) else math.inf
                if not largest <= limit:
                    return Rerun(factor, first, loss, largest, step)
                stepper.update(step)
            last = stepper.finish()
        return Rerun(factor, first, last, max(largest, last) if math.isfinite(last) else math.inf, steps)

    @cached_property
    def lower_rate_rerun(self) -> Rerun | None:
        """The rerun with the largest of the lower rates that improves the loss; None if none does.

        For a run that diverged, a rerun that merely descends is accepted, since a minimum may be near the start.
        """
        if not self.steps:
            return None
        diverged = self._run.status in (Status.DIVERGED, Status.NONFINITE)
        reruns = (self.at(each) for each in RATE_FACTORS)
        return next((each for each in reruns if each.improved or (diverged and each.descended)), None)

    @cached_property
    def recovers(self) -> bool:
        """Whether the run at its own rate would fall below its first loss after four times as many steps."""
        run = self._run
        steps = min(max(4 * run.steps, self.steps), 4 * MAX_STEPS)
        return bool(self.steps) and self.at(1.0, steps).improved

    @cached_property
    def breakdown(self) -> Breakdown | None:
        """Where the run stopped being finite, found by repeating it; None if it is not found."""
        run = self._run
        if run.steps > MAX_REPLAY_STEPS:
            return None
        with _stand_at_start(run):
            return self._broke(run)

    def _broke(self, run: Evidence) -> Breakdown | None:
        problem = run.problem
        problem.module.train()
        stepper = run.make_stepper(problem, run.schedule, run.clip)
        for step in range(run.steps + 1):
            before = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
            loss = stepper.evaluate(step)
            gradients = [each for each in stepper.gradients if each is not None]
            steepest = max((each.abs().max().item() for each in gradients if each.numel()), default=0.0)
            if not math.isfinite(loss) or not math.isfinite(steepest):
                source = find_source(problem, before, problem.batches.at(step))
                return None if source is None else Breakdown(step, source, steepest)
            stepper.update(step)
            if not all(bool(tensor.isfinite().all()) for tensor in problem.parameters.values()):
                return Breakdown(step, None, steepest)
        source = find_source(problem, problem.parameters, problem.batches.data)
        return None if source is None else Breakdown(run.steps, source, math.nan)

    def _loss(self, problem: Problem) -> float:
        problem.module.eval()
        with torch.no_grad():
            return problem.loss(problem.module, problem.batches.data).item()


@contextmanager
def _stand_at_start(run: Evidence) -> Iterator[None]:
    """Set the module to the run's start within a `with` block; afterwards restore it and torch's random state."""
    device = next(iter(run.start.values())).device
    with preserve_torch_stream(device), run.use_parameters(run.start), flush_denormals():
        yield


@dataclass(frozen=True)
class LeastLoss:
    """The least loss that a search found.

    :param starts: the number of starting points.
    """

    loss: float
    parameters: Tensor
    starts: int


class LeastSearch:
    """Searches for the least loss over all data in float64, from a run's end, its start and other points.

    :param run: the finished run.
    """

    def __init__(self, run: Evidence) -> None:
        self._run = run
        self._places = iter(self._draw_places())
        self._least: LeastLoss | None = None

    def until(self, enough: float) -> LeastLoss | None:
        """Continue the search at the next starting points, until a loss is below `enough` or no point is left.

        :returns: the least loss of this and earlier calls; None if the problem is too large, or no point gave a finite
            loss.
        """
        run = self._run
        with _stand_at_start(run):
            run.problem.module.eval()
            loss, _ = flat_loss(run.problem, dict(run.start))
            while not (self._least and self._least.loss < enough):
                place = next(self._places, None)
                if place is None:
                    break
                self._keep(*minimize(loss, place))
        return self._least if self._least and math.isfinite(self._least.loss) else None

    def _draw_places(self) -> list[Tensor]:
        """Draw the starting points; none if the problem is too large."""
        run, data = self._run, self._run.problem.batches.data
        size, samples = sum(tensor.numel() for tensor in run.start.values()), len(data[0]) if data else 1
        if size > MAX_SEARCH_PARAMETERS or samples > 10 * MAX_SEARCH_PARAMETERS:
            return []
        own = [torch.cat([each.detach().double().flatten() for each in at.values()]) for at in (run.final, run.start)]
        generator, scales = torch.Generator().manual_seed(0), (0.5, 1.0, 2.0, 4.0)
        others = [
            torch.randn(size, generator=generator, dtype=torch.float64) * scales[n % 4] for n in range(EXTRA_STARTS)
        ]
        return [each for each in own if bool(each.isfinite().all())] + [each.to(own[0]) for each in others]

    def _keep(self, loss: float, parameters: Tensor) -> None:
        least = self._least
        if least is None:
            self._least = LeastLoss(loss, parameters, 1)
        elif loss < least.loss:
            self._least = LeastLoss(loss, parameters, least.starts + 1)
        else:
            self._least = replace(least, starts=least.starts + 1)
