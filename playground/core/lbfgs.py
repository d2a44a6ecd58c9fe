"""Minimizes a function from one starting point by L-BFGS with a bisection line search.

`torch.optim.LBFGS` does the same, but the first torch optimizer in a process imports torch's compiler, which takes
longer than all searches of a diagnosis.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MEMORY = 20
"""The number of past steps used to estimate the curvature."""

DECREASE, CURVATURE = 1e-4, 0.9
"""The constants of the two Wolfe conditions: on the decrease, and on the remaining slope."""

STILL = 1e-9
"""The search ends with a step that changes neither a coordinate nor the value by more than this."""


@dataclass(frozen=True, eq=False)
class _Place:
    """A point with its value and gradient."""

    z: Tensor
    value: float
    gradient: Tensor


class _Evaluator:
    """Evaluates a function with a limit on the number of evaluations.

    :param left: the number of evaluations left.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], left: int) -> None:
        self._function = function
        self.left = left

    def __call__(self, z: Tensor) -> _Place:
        """Return the value and the gradient at a point."""
        self.left -= 1
        z = z.detach().requires_grad_()
        with torch.enable_grad():
            value = self._function(z)
            gradient = torch.zeros_like(z)
            if value.requires_grad:
                (gradient,) = torch.autograd.grad(value, z, allow_unused=True, materialize_grads=True)
        return _Place(z.detach(), value.item(), gradient)


def minimize(function: Callable[[Tensor], Tensor], start: Tensor, evaluations: int = 125) -> tuple[float, Tensor]:
    """Return the least value that L-BFGS finds from a point, and where; infinity if the start is not finite.

    :param function: of a vector of shape `(n,)`; its value is 0-d.
    :param start: shape `(n,)`, float64.
    """
    evaluate = _Evaluator(function, evaluations)
    here = evaluate(start)
    if not math.isfinite(here.value):
        return math.inf, start
    pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=MEMORY)
    while evaluate.left > 0 and here.gradient.abs().max() > 1e-8:
        direction = _direction(here.gradient, pairs)
        there = _search_line(evaluate, here, direction, first=not pairs)
        if there is None:
            if not pairs:
                break
            pairs.clear()  # restart along the gradient
            continue
        step, turn = there.z - here.z, there.gradient - here.gradient
        still = step.abs().max() <= STILL or abs(there.value - here.value) <= STILL
        if step.dot(turn) > 0:
            pairs.append((step, turn))
        here = there
        if still:
            break
    return here.value, here.z


def _direction(gradient: Tensor, pairs: deque[tuple[Tensor, Tensor]]) -> Tensor:
    """Return -H⁻¹ · gradient, with H⁻¹ estimated from past steps and the changes of the gradient along them."""
    rest, shares = -gradient, []
    for step, turn in reversed(pairs):
        share = step.dot(rest) / step.dot(turn)
        rest = rest - share * turn
        shares.append(share)
    if pairs:
        step, turn = pairs[-1]
        rest = rest * (step.dot(turn) / turn.dot(turn))
    for (step, turn), share in zip(pairs, reversed(shares), strict=True):
        rest = rest + (share - turn.dot(rest) / step.dot(turn)) * step
    return rest


def _search_line(evaluate: _Evaluator, here: _Place, direction: Tensor, first: bool) -> _Place | None:
    """Return a point along a direction that satisfies both Wolfe conditions; otherwise the lowest point tried.

    The second condition is used in its weak form, so that the search also ends at a kink.

    :returns: None if no point is lower.
    """
    slope = here.gradient.dot(direction).item()
    length = min(1.0, 1 / here.gradient.abs().sum().item()) if first else 1.0
    low, high, best = 0.0, math.inf, None
    for _ in range(25):
        if evaluate.left <= 0 or not slope < 0:
            break
        there = evaluate(here.z + length * direction)
        if not there.value <= here.value + DECREASE * length * slope:
            high = length
        elif there.gradient.dot(direction).item() < CURVATURE * slope:
            low, best = length, there
        else:
            return there
        length = (low + high) / 2 if high < math.inf else 3 * low
    return best
