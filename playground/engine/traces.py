"""What many runs leave behind: as a `Descent`, with one entry per run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from playground.engine.replicas import Replicas
from playground.engine.stopping import End, StopRules
from playground.result import Status

STATUSES = tuple(Status)
"""The code of a status in a tensor is its position here."""

THINNED = 64
"""Steps at which the losses of many runs are kept, spaced evenly by ratio."""

COMPACT_EVERY = 32
"""Steps between two looks at whether half of those that take part have ended."""


def thinned_steps(budget: int, count: int = THINNED) -> list[int]:
    """Return up to `count` steps from 0 to `budget - 1`, both in, spaced evenly by ratio."""
    if budget <= count:
        return list(range(budget))
    ratios = (budget ** (i / (count - 1)) for i in range(count))
    return sorted({min(budget, round(ratio)) - 1 for ratio in ratios})


class Traces:
    """Judges the losses of many runs that descend together, and keeps some of them.

    Each run ends by the same rules as alone, at the same step; its parameters are settled there while the others go
    on. When half of those that take part have ended, the batch goes on without them. All tensors have one entry for
    each run, in float64, on the CPU.

    :param stepper: moves the runs.
    :param budget: updates to make at most.
    :param rules: when a run ends early.
    :param count: how many runs there are.
    """

    def __init__(self, stepper: Replicas, budget: int, rules: StopRules, count: int) -> None:
        self.budget = budget
        self.done = 0
        self.steps_kept = thinned_steps(budget)
        self.kept = torch.full((count, len(self.steps_kept)), math.nan, dtype=torch.float32)
        self.first, self.last, self.before, self.end_loss = (_filled(count, math.nan) for _ in range(4))
        self.best, self.limit, self._improved = (_filled(count, math.inf) for _ in range(3))
        self.best_step = _filled(count, 0.0)
        self.status = torch.full((count,), STATUSES.index(Status.BUDGET))
        self.steps = torch.full((count,), budget)
        self.going = torch.ones(count, dtype=torch.bool)
        self.interrupted = False
        self.seconds = 0.0
        self._rules = rules
        self._stepper = stepper
        self._columns = {step: column for column, step in enumerate(self.steps_kept)}
        self._places = torch.arange(count)  # among all, of the runs that the stepper still moves
        self._start = time.perf_counter()

    def record(self, step: int, loss: Tensor, gradient_norm: Callable[[], Tensor]) -> bool:
        """Take the losses before update `step` of the runs that are still moved; return whether every run is over."""
        loss = self._spread(loss)
        if step == 0:
            self.first, self.limit = loss, self._rules.divergence * loss.abs().clamp(min=1.0)
        self._see(step, loss)
        self._end(step, loss, lambda: self._spread(gradient_norm()))
        self.before = torch.where(self.going, loss, self.before)
        self.done = step + 1
        if step % COMPACT_EVERY == 0:
            self._compact()
        return not bool(self.going.any())

    def finish(self, loss: Tensor, interrupted: bool) -> None:
        """Take the losses of the final parameters, which may meet a rule as well."""
        self.last = loss.cpu()
        self.interrupted = interrupted
        if not self.budget:
            self.first = self.last
        self.best = torch.where(self.last < self.best, self.last, self.best)
        self.best[self.best.isinf()] = math.nan  # no finite loss was seen
        if interrupted:
            self.status[self.going] = STATUSES.index(Status.INTERRUPTED)
            self.steps[self.going] = self.done
        else:
            self._mark(self.budget, self.last, None)
        self.seconds = time.perf_counter() - self._start

    def end(self, run: int) -> End:
        """Return how a run ended."""
        return End(
            STATUSES[int(self.status[run])],
            int(self.steps[run]),
            float(self.end_loss[run]),
            float(self.before[run]),
            float(self.limit[run]),
            float(self._improved[run]),
            int(self.best_step[run]),
        )

    def _spread(self, values: Tensor) -> Tensor:
        """Return values of the runs that are still moved as values of all runs; the others have none."""
        values = values.cpu()
        if len(values) == len(self.going):
            return values
        return _filled(len(self.going), math.nan).index_copy(0, self._places, values)

    def _see(self, step: int, loss: Tensor) -> None:
        """Keep what is asked for of the losses of the runs that are going."""
        better = self.going & (loss < self._improved - self._rules.improvement)
        self._improved = torch.where(better, loss, self._improved)
        self.best_step = torch.where(better, float(step), self.best_step)
        self.best = torch.where(self.going & (loss < self.best), loss, self.best)
        column = self._columns.get(step)
        if column is not None:
            self.kept[:, column] = torch.where(self.going, loss, math.nan).float()

    def _end(self, step: int, loss: Tensor, gradient_norm: Callable[[], Tensor]) -> None:
        """End the runs that meet a rule before update `step`, and settle their parameters."""
        ended = self._mark(step, loss, gradient_norm)
        if bool(ended.any()):
            self._stepper.settle(ended[self._places].nonzero().squeeze(1))

    def _mark(self, step: int, loss: Tensor, gradient_norm: Callable[[], Tensor] | None) -> Tensor:
        """Return which runs meet a rule now; the first rule that a run meets names its end."""
        ended = torch.zeros_like(self.going)
        for status, holds in self._rules.conditions(step, loss, self.limit, self.best_step, gradient_norm):
            new = torch.as_tensor(holds) & self.going
            self.status = torch.where(new, STATUSES.index(status), self.status)
            ended |= new
            self.going = self.going & ~new
        self.steps = torch.where(ended, step, self.steps)
        self.end_loss = torch.where(ended, loss, self.end_loss)
        return ended

    def _compact(self) -> None:
        """Go on without the runs that have ended, if they are half of those that are moved and the stepper can."""
        chosen = self.going[self._places].nonzero().squeeze(1)
        if 0 < 2 * len(chosen) <= len(self._places) and self._stepper.keep(chosen):
            self._places = self._places[chosen]


def _filled(count: int, value: float) -> Tensor:
    return torch.full((count,), value, dtype=torch.float64)
