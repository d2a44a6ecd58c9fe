"""Options for what to record of a run besides its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RecordOptions:
    """What to record, as plain data that can travel to another process.

    :param steps: number of steps at which to record the parameters, in addition to the end; 0 records none and makes no
        views.
    :param views: whether to make the task's views.
    :param ranges: ranges of the views' axes, by name; the scenario's `plot` sets those of other axes.
    :param explanations: whether to explain some of the steps, which repeats the run.
    :param live: whether to record the descent as a program that a page can run.
    :param alternatives: whether to record other optimizers on the same problem for that page too.
    """

    steps: int = 60
    views: bool = True
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    explanations: bool = False
    live: bool = False
    alternatives: bool = True


RECORD_NOTHING = RecordOptions(steps=0)
