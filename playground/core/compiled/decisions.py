"""How Python code goes on where it asks for a number that has no value yet.

What a number depends on decides:

- the step alone: the number is computed for the recorded step. The program is then valid for all steps at which the
  same questions have the same answers (see `phases`).
- hyperparameters alone: the answer must be the same for all runs. If it is not, the runs are divided into groups.
- the run: both ways are recorded, one after the other, and each result is selected by the number (`record_ways`). If
  one of them cannot be recorded, or leaves another kind of memory, and no run goes it usually, runs that do are left
  out: the next engine computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np

from playground.core.compiled.errors import CannotCompileError, RunsDifferError, TooManyWaysError
from playground.core.compiled.program import Program
from playground.core.compiled.scalar_operations import Dependence

MAX_WAYS = 32
"""The most ways that a step may take by numbers of the run."""


class Decisions:
    """The answers that one recording gives.

    :param program: that is recorded.
    :param lanes: the hyperparameters that differ, by input; arrays of shape `(runs,)`.
    """

    def __init__(self, program: Program, lanes: Mapping[Any, np.ndarray[Any, Any]]) -> None:
        self.now: Mapping[Any, float] = {}
        """The values of the inputs that are equal in all runs, at the recorded step."""
        self.examples: Mapping[Any, Any] | None = None
        """The values of all inputs at the recorded step, for a few of the runs; None if they are not known."""
        self.may_branch = False
        """Whether a question about the run may be answered in both ways."""
        self.by_step: dict[int, float] = {}
        """The values that depend on the step and were asked for, with their numbers."""
        self.by_lane: dict[int, float] = {}
        """The values that depend on hyperparameters alone and were asked for in any recording, with their numbers."""
        self.way: list[tuple[int, bool]] = []
        """The questions about the run, with their answers, in order."""
        self._program = program
        self._lanes = lanes
        self._forced: list[tuple[int, bool]] = []
        self._answered: dict[int, bool] = {}

    def follow(self, forced: list[tuple[int, bool]]) -> None:
        """Begin a recording that answers the first questions about the run like this, and all others as usual."""
        self._forced, self.way, self._answered, self.by_step = forced, [], {}, {}

    def decide(self, index: int) -> bool:
        """Answer a question.

        :raises RunsDifferError: the answer depends on hyperparameters that differ.
        :raises CannotCompileError: it depends on the run, where no way can be recorded.
        """
        if self._program.dependence[index] & Dependence.RUN:
            return self._decide_by_run(index)
        if self._program.dependence[index] == Dependence.LANE | Dependence.STEP:
            return self._decide_by_run(index)
        return bool(self.require_known(index, "a decision"))

    def require_known(self, index: int, purpose: str) -> float:
        """Return the number that a value has at this step, for every run.

        :param purpose: what it is needed for.
        :raises RunsDifferError: it depends on hyperparameters that differ.
        :raises CannotCompileError: it depends on the run.
        """
        number, depends = self._program.number(index), self._program.dependence[index]
        if number is not None:
            return float(number)
        if depends & Dependence.RUN or depends == Dependence.LANE | Dependence.STEP:
            raise CannotCompileError(f"{purpose} depends on a number that differs between runs")
        if depends == Dependence.LANE:
            (found,) = self._program.evaluate([index], self._lanes)
            values = np.atleast_1d(np.asarray(found, dtype=np.float64))
            if (values != values[0]).any():
                raise RunsDifferError(f"{purpose} depends on hyperparameters that differ between runs", values)
            self.by_lane[index] = float(values[0])
            return self.by_lane[index]
        if index not in self.by_step:
            (found,) = self._program.evaluate([index], self.now)
            self.by_step[index] = float(found)
        return self.by_step[index]

    def usual(self, index: int) -> bool | None:
        """Return the answer that all of the example runs give; None if they give different ones, or none is known."""
        if self.examples is None:
            return None
        try:
            (found,) = self._program.evaluate([index], {**self.examples, **self.now})
        except KeyError:  # it depends on something that these runs do not have
            return None
        answers = np.atleast_1d(np.asarray(found, dtype=bool))
        return bool(answers[0]) if (answers == answers[0]).all() else None

    def _decide_by_run(self, index: int) -> bool:
        if not self.may_branch:
            raise CannotCompileError("the control flow depends on a number that differs between runs")
        if index in self._answered:
            return self._answered[index]
        place = len(self.way)
        if place < len(self._forced) and self._forced[place][0] != index:
            raise CannotCompileError("repeating the same step asks other questions")
        answer = self._forced[place][1] if place < len(self._forced) else self.usual(index) is not False
        self.way.append((index, answer))
        self._answered[index] = answer
        return answer


class Mergeable(Protocol):
    """What a recording gives, if it can be combined with that of another way."""

    def select(self, condition: int, other: Any) -> Any:
        """Return this where the condition holds, else the other."""

    def require(self, condition: int, answer: bool) -> Any:
        """Return this; runs in which a condition has another answer are left out."""


MergeableType = TypeVar("MergeableType", bound=Mergeable)


def record_ways(decisions: Decisions, record: Callable[[], MergeableType]) -> MergeableType:
    """Record a step once for each way that it may take by numbers of the run, and combine the results.

    :param record: records the step from the same state; asks `decisions`.
    :raises CannotCompileError: there are too many ways, or the results of two ways cannot be combined.
    """
    count = 0

    def explore(forced: list[tuple[int, bool]]) -> MergeableType:
        nonlocal count
        count += 1
        if count > MAX_WAYS:
            raise TooManyWaysError(f"a step takes more than {MAX_WAYS} ways by numbers that differ between runs")
        decisions.follow(forced)
        found = record()
        by_step = dict(decisions.by_step)
        way = decisions.way
        # The last question first: the other answers of earlier questions lead to ways of their own.
        for place in range(len(way) - 1, len(forced) - 1, -1):
            index, answer = way[place]
            try:
                other = explore([*way[:place], (index, not answer)])
                by_step |= decisions.by_step
                found = found.select(index, other) if answer else other.select(index, found)
            except CannotCompileError as error:
                if isinstance(error, RunsDifferError | TooManyWaysError) or decisions.usual(index) is not answer:
                    raise
                found = found.require(index, answer)
        decisions.by_step = by_step
        return found

    return explore([])
