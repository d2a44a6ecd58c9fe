"""How the numbers grow that an optimizer carries and that are equal in all runs, such as its own count of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.core.compiled.program import COUNT


@dataclass(frozen=True)
class CountRule:
    """A count: `start + stride · step`, or a number for each step.

    :param key: the input of the program.
    :param numbers: one for each step, if they follow no such rule.
    """

    key: tuple[Any, ...]
    start: float = 0.0
    stride: float = 0.0
    numbers: tuple[float, ...] = ()

    @property
    def is_affine(self) -> bool:
        """Whether the count follows the rule."""
        return not self.numbers


def find_count_rules(inputs: Mapping[Any, np.ndarray[Any, Any]]) -> list[CountRule]:
    """Return how each count grows.

    :param inputs: for each step, the numbers that are equal in all runs, by kind and position; NaN where a count does
        not exist.
    """
    found = []
    for key, column in inputs.items():
        if key[0] != COUNT:
            continue
        known = np.flatnonzero(~np.isnan(column))
        steps, values = known.astype(np.float64), column[known]
        stride = float((values[-1] - values[0]) / (steps[-1] - steps[0])) if len(known) > 1 else 0.0
        start = float(values[0] - stride * steps[0]) if len(known) else 0.0
        if np.array_equal(start + stride * steps, values):
            found.append(CountRule(key, start, stride))
        else:
            found.append(CountRule(key, numbers=tuple(column.tolist())))
    return found
