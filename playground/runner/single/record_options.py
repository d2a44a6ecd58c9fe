"""What is kept of a run besides its result, for those who look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RecordOptions:
    """What to keep, as plain data that can travel to another process.

    :param steps: at how many steps to keep the parameters, the end besides; 0 keeps none, and makes no views.
    :param views: whether to make the task's views.
    :param ranges: of their axes, by name; the scenario's own under `plot` apply to the others.
    :param explanations: whether to explain some of the steps, for which the run is made once more.
    """

    steps: int = 60
    views: bool = True
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    explanations: bool = False


RECORD_NOTHING = RecordOptions(steps=0)
