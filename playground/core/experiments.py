"""Experiments on a run that is over: the same descent under one change, and a search for the least loss.

Each is bounded by how many numbers it touches, not by a clock, so that a diagnosis is the same on every machine.
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
"""Steps of a rerun: as many as the run was allowed, within these."""

MAX_WORK = 10_000_000
"""Parameters times samples, times steps, of one rerun."""

MAX_REPLAY_STEPS = 3_000
"""Steps up to which a run is made again to find where it stopped being finite."""

RATE_FACTORS = tuple(10.0**-power for power in range(1, 13))
"""Factors on the learning rate that are tried, one after the other."""

MIN_GAIN_SHARE = 0.01
"""A run has improved when its loss fell by this share."""

MAX_ROUNDING_SHARE = 1e-5
"""Share of a loss that may be rounding."""

EXTRA_STARTS = 10
"""Places from which the least loss is searched for, besides the start and the end of the run."""

MAX_SEARCH_PARAMETERS = 300
"""Parameters, and rows of data times 1/10, up to which the least loss is searched for."""


@dataclass(frozen=True)
class Rerun:
    """What a descent from the same start came to.

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
        """Whether every loss was finite and the last one is below the first by more than `GAIN` of it."""
        return math.isfinite(self.largest) and self.last < self.first - MIN_GAIN_SHARE * abs(self.first)

    @property
    def descended(self) -> bool:
        """Whether no loss was above the first one, and the last one is below it by more than rounding."""
        return self.largest <= self.first and self.last < self.first - MAX_ROUNDING_SHARE * abs(self.first)


@dataclass(frozen=True)
class Breakdown:
    """Where a run stopped being finite.

    :param step: the update after or in which it did.
    :param source: the operation; None where it was the optimizer's own step.
    :param gradient: the largest entry of the gradient of that step.
    """

    step: int
    source: NonfiniteSource | None
    gradient: float

    def __str__(self) -> str:
        """Say what made the number."""
        return str(self.source or f"the optimizer's step makes it of a gradient of at most {self.gradient:.3g}")


class Rerunner:
    """Makes the run again, with one change.

    :param run: that is over.
    """

    def __init__(self, run: Evidence) -> None:
        self._run = run

    @property
    def steps(self) -> int:
        """Steps of a rerun; 0 where the problem is too large for one."""
        run = self._run
        size = sum(tensor.numel() for tensor in run.start.values())
        batches = run.problem.batches
        samples = batches.size or (len(batches.data[0]) if batches.data else 1)
        affordable = MAX_WORK // max(1, size * samples)
        return min(max(run.budget, MIN_STEPS), MAX_STEPS, affordable) if affordable >= MIN_STEPS else 0

    def at(self, factor: float, steps: int | None = None, problem: Problem | None = None) -> Rerun:
        """Descend from the run's start with the rate times `factor`; stop where the loss is beyond all measure.

        :param steps: how many; `self.steps` where not given.
        :param problem: another one with the same module.
        """
        run, steps = self._run, self.steps if steps is None else steps
        with _stand_at_start(run):
            problem = problem or run.problem
            first = self._loss(problem)
            stepper = run.fresh(problem, lambda step: factor * (run.schedule(step) if run.schedule else 1.0), run.clip)
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
        """The rerun with the largest of the lower rates that improves; None where none does.

        Of a run that diverged, one that only descends is as good: a minimum may be near the start.
        """
        if not self.steps:
            return None
        diverged = self._run.status in (Status.DIVERGED, Status.NONFINITE)
        reruns = (self.at(each) for each in RATE_FACTORS)
        return next((each for each in reruns if each.improved or (diverged and each.descended)), None)

    @cached_property
    def recovers(self) -> bool:
        """Whether the run at its own rate would be below its first loss after four times as many steps."""
        run = self._run
        steps = min(max(4 * run.steps, self.steps), 4 * MAX_STEPS)
        return bool(self.steps) and self.at(1.0, steps).improved

    @cached_property
    def breakdown(self) -> Breakdown | None:
        """Where the run stopped being finite, found by making it again; None where that is not found."""
        run = self._run
        if run.steps > MAX_REPLAY_STEPS:
            return None
        with _stand_at_start(run):
            return self._broke(run)

    def _broke(self, run: Evidence) -> Breakdown | None:
        problem = run.problem
        problem.module.train()
        stepper = run.fresh(problem, run.schedule, run.clip)
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
    """Stand at the run's start; afterwards everything is as it was, torch's stream included."""
    device = next(iter(run.start.values())).device
    with preserve_torch_stream(device), run.standing_at(run.start), flush_denormals():
        yield


@dataclass(frozen=True)
class LeastLoss:
    """The least loss that a search found.

    :param starts: from how many places.
    """

    loss: float
    parameters: Tensor
    starts: int


class LeastSearch:
    """Searches for the least loss over all data in float64: from a run's end, its start, and from elsewhere.

    :param run: that is over.
    """

    def __init__(self, run: Evidence) -> None:
        self._run = run
        self._places = iter(self._draw_places())
        self._least: LeastLoss | None = None

    def until(self, enough: float) -> LeastLoss | None:
        """Search on from the next places, until a loss is below `enough` or no place is left.

        :returns: the least loss of this and earlier calls; None where the problem is too large, or no place gave a
            finite loss.
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
        """Return the places to search from; none where the problem is too large."""
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
