"""The records of many runs: like a `DescentTrace`, with one entry per run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from playground.core.stopping import RunEnd, StopRules
from playground.result import Status

if TYPE_CHECKING:
    from playground.core.problem import Problem

STATUSES = tuple(Status)
"""A status is encoded in a tensor as its index in this list."""

MAX_KEPT_STEPS = 64
"""The number of steps whose losses are kept, spaced evenly by ratio."""

COMPACT_INTERVAL_STEPS = 32
"""The number of steps between two checks whether half of the active runs have ended."""


def thin_steps(budget: int, count: int = MAX_KEPT_STEPS) -> list[int]:
    """Return up to `count` steps from 0 to `budget - 1`, both included, spaced evenly by ratio."""
    if budget <= count:
        return list(range(budget))
    ratios = (budget ** (i / (count - 1)) for i in range(count))
    return sorted({min(budget, round(ratio)) - 1 for ratio in ratios})


class DescendingRuns(Protocol):
    """Many runs that descend together, whatever moves them.

    :param problem: of any one run: all share its module, loss and data.
    :param places: which runs still take part: their positions among all.
    :param final: final parameters of all runs by name.
    :param steepest: the largest entry of each parameter's gradient where a run ended, by name.
    """

    problem: Problem
    places: Tensor
    final: dict[str, Tensor]
    steepest: dict[str, Tensor]

    def settle(self, chosen: Tensor) -> None:
        """Keep the parameters of runs that end here, by position among the active ones."""

    def keep(self, chosen: Tensor) -> bool:
        """Continue with these runs only, by position among the active ones; return whether that is possible."""


class ReplicaTraces:
    """Applies the stop rules to many runs that descend in one batch, and keeps some of their losses.

    Each run ends by the same rules and at the same step as a single run; its parameters are then settled while the
    others continue. When half of the active runs have ended, the batch is compacted. All tensors have one entry for
    each run, float64, on the CPU:

    - `first`, `last`, `best`: losses, as in a single run;
    - `kept`: the losses at `steps_kept`, of the step's batch or by `full_loss`, shape `(runs, steps kept)`, float32;
      NaN after a run's end;
    - `steps`: updates made; `status`: indices in `STATUSES`.

    :param stepper: updates the runs.
    :param budget: the most updates to make.
    :param rules: when a run ends early.
    :param count: the number of runs.
    """

    def __init__(self, stepper: DescendingRuns, budget: int, rules: StopRules, count: int) -> None:
        self.budget = budget
        self.done = 0
        self.steps_kept = thin_steps(budget)
        self.kept = torch.full((count, len(self.steps_kept)), math.nan, dtype=torch.float32)
        self.first, self.last, self.best = (_full(count, math.nan) for _ in range(3))
        self.status = torch.full((count,), STATUSES.index(Status.BUDGET))
        self.steps = torch.full((count,), budget)
        self.interrupted = False
        self.seconds = 0.0
        self._evaluations = torch.arange(budget + 1)
        """How often a run is evaluated before each step; a closure may evaluate it several times in one."""
        self.full_loss: Callable[[], Tensor] | None = None
        """Returns the losses of the active runs over all data, to be kept instead of those of the step's batch."""
        self._stepper = stepper
        self._rules = rules
        self._columns = {step: column for column, step in enumerate(self.steps_kept)}
        self._going = torch.ones(count, dtype=torch.bool)
        self._going_count = count
        self._cut_off: Tensor | None = None
        self._limit = _full(count, math.inf)
        self._improved, self._improved_step = _full(count, math.inf), _full(count, 0.0)
        self._before, self._end_loss, self._loss_before_end = (_full(count, math.nan) for _ in range(3))
        self._start = time.perf_counter()

    def record(self, step: int, loss: Tensor, gradient_norm: Callable[[], Tensor]) -> bool:
        """Record the losses before update `step` of the active runs; return whether every run has ended."""
        loss = self._of_all(loss)
        if step in self._columns:
            self.kept[:, self._columns[step]] = loss if self.full_loss is None else self._of_all(self.full_loss())
        ended = self._judge(step, loss, lambda: self._of_all(gradient_norm()))
        if ended is not None:
            self._stepper.settle(ended[self._stepper.places].nonzero().squeeze(1))
        self.best = torch.fmin(self.best, loss if ended is None else _mask_infinities(loss))
        self._before = loss
        self.done = step + 1
        if step % COMPACT_INTERVAL_STEPS == 0:
            self._compact()
        return self._going_count == 0

    def finish(self, loss: Tensor, interrupted: bool) -> None:
        """Record the losses of the final parameters, which may also meet a stop rule."""
        self.last = loss.cpu()
        self.best = torch.fmin(self.best, _mask_infinities(self.last))
        self.interrupted = interrupted
        if interrupted:
            cut_off = self._going if self._cut_off is None else self._cut_off
            self.status[cut_off] = STATUSES.index(Status.INTERRUPTED)
            self.steps[cut_off] = self.done
            self._going = self._going & ~cut_off
        self._judge(self.budget, self.last, None)
        self.seconds = time.perf_counter() - self._start

    def take_over(self, taken: Mapping[str, Tensor], evaluations: Sequence[int]) -> None:
        """Take over the records of a descent that applied the stop rules itself; `finish` is called next.

        :param taken: for each run `first`, `best`, `kept`, `steps` and `status` as here; whether it is `going`, and,
            after Ctrl-C, whether it was `cut_off`; its losses `end`, `before_end` and `before` (the last one seen); and
            `improved` and `improved_step`, the best one that counted.
        :param evaluations: how often each step evaluates the loss.
        """
        made = torch.as_tensor(evaluations, dtype=torch.int64)
        self._evaluations = torch.cat([torch.zeros(1, dtype=torch.int64), made.cumsum(0)])
        for name in ("first", "best", "kept", "steps", "status"):
            setattr(self, name, taken[name])
        self._going, self._cut_off = taken["going"], taken["cut_off"]
        self._limit = self._rules.divergence * self.first.abs().clamp(min=1.0)
        self._end_loss, self._loss_before_end, self._before = (taken[n] for n in ("end", "before_end", "before"))
        self._improved, self._improved_step = taken["improved"], taken["improved_step"]

    def statuses(self) -> list[Status]:
        """Return the status of each run."""
        return [STATUSES[code] for code in self.status.tolist()]

    def evaluations(self) -> Tensor:
        """Return how often each run was evaluated: before each update, where it ended, and for its final loss."""
        return self._evaluations[self.steps] + 1 + (self.steps < self.budget).long()

    def reasons(self) -> list[str]:
        """Describe for each run why it ended; empty if it used its budget."""
        found = [""] * len(self.status)
        ended = (self.status != STATUSES.index(Status.BUDGET)).nonzero().squeeze(1)
        numbers = (self._end_loss, self._loss_before_end, self._limit, self._improved, self._improved_step.long())
        columns = (ended, *(column[ended] for column in (self.status, self.steps, *numbers)))
        for run, code, steps, *rest in zip(*(column.tolist() for column in columns), strict=True):
            if STATUSES[code] is Status.INTERRUPTED:
                found[run] = f"interrupted after {steps} steps"
            else:
                found[run] = RunEnd(STATUSES[code], steps, *rest).reason(self._rules)
        return found

    def _of_all(self, values: Tensor) -> Tensor:
        """Expand values of the active runs to all runs, with NaN for those that have ended."""
        values = values.cpu()
        if len(values) < len(self._going):
            values = _full(len(self._going), math.nan).index_copy(0, self._stepper.places, values)
        return values if self._going_count == len(values) else torch.where(self._going, values, math.nan)

    def _judge(self, step: int, loss: Tensor, gradient_norm: Callable[[], Tensor] | None) -> Tensor | None:
        """End the runs that meet a rule before update `step`; return their mask, or None if there are none."""
        rules = self._rules
        if step == 0:
            self.first, self._limit = loss, rules.divergence * loss.abs().clamp(min=1.0)
        if rules.patience is not None:
            better = loss < self._improved - rules.improvement
            self._improved = torch.where(better, loss, self._improved)
            self._improved_step = torch.where(better, float(step), self._improved_step)
        met = [
            (status, torch.as_tensor(holds))
            for status, holds in rules.conditions(step, loss, self._limit, self._improved_step, gradient_norm)
        ]
        ended = reduce(torch.logical_or, (holds for _, holds in met)) & self._going
        if not bool(ended.any()):
            return None
        for status, holds in reversed(met):  # the first rule that a run meets names its end
            self.status[holds & ended] = STATUSES.index(status)
        self._end(step, loss, ended)
        return ended

    def _end(self, step: int, loss: Tensor, ended: Tensor) -> None:
        """Record how these runs ended."""
        self.steps[ended] = step
        self._end_loss[ended] = loss[ended]
        self._loss_before_end[ended] = self._before[ended]
        self._going = self._going & ~ended
        self._going_count = int(self._going.sum())

    def _compact(self) -> None:
        """Remove the runs that have ended, if they are half of the active ones and the stepper supports it."""
        if 0 < 2 * self._going_count <= len(self._stepper.places):
            self._stepper.keep(self._going[self._stepper.places].nonzero().squeeze(1))


def _full(count: int, value: float) -> Tensor:
    return torch.full((count,), value, dtype=torch.float64)


def _mask_infinities(loss: Tensor) -> Tensor:
    """Return the losses with NaN in place of infinities, so that minima ignore them."""
    return torch.where(loss.isinf(), math.nan, loss)
