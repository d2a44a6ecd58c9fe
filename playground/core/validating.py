"""Measures held-out data during the descent: a stepper around a stepper, used only if a task holds data out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from playground.core.descent import Stepper
from playground.core.seeding import preserve_torch_stream
from playground.core.traces import thin_steps
from playground.result import Validation

Measure = Callable[[], Mapping[str, Tensor]]
"""Measures the current parameters: a number for each name."""


class Validator:
    """Steps like the inner stepper, and measures held-out data at some of the steps and at the end.

    At most 64 steps are measured, spaced evenly by ratio from the first, so the cost does not grow with the length of
    the run. The module is in evaluation mode meanwhile, and the run's random stream is preserved.

    :param stepper: evaluates and updates.
    :param module: of the problem.
    :param budget: the most updates to make.
    :param measure: of the parameters before an update.
    """

    def __init__(self, stepper: Stepper, module: nn.Module, budget: int, measure: Measure) -> None:
        self._stepper = stepper
        self._module = module
        self._measure = measure
        self._wanted = frozenset(thin_steps(budget))
        self._updates = 0
        self._kept: dict[int, dict[str, float]] = {}

    def evaluate(self, step: int) -> float:
        """Evaluate by the inner stepper, after measuring held-out data."""
        loss: float = self._stepper.evaluate(step)
        if step in self._wanted:
            self._keep(step)
        return loss

    def gradient_norm(self) -> float:
        """Return the inner stepper's gradient norm."""
        norm: float = self._stepper.gradient_norm()
        return norm

    def update(self, step: int) -> None:
        """Update by the inner stepper."""
        self._stepper.update(step)
        self._updates = step + 1

    def finish(self) -> float:
        """Finish by the inner stepper, then measure the final parameters."""
        loss: float = self._stepper.finish()
        self._keep(self._updates)
        return loss

    def validation(self) -> Validation:
        """Return the measurements as plain data."""
        names = next(iter(self._kept.values()), {})
        return Validation(tuple(self._kept), {name: tuple(row[name] for row in self._kept.values()) for name in names})

    def _keep(self, step: int) -> None:
        training = self._module.training
        self._module.eval()
        with torch.no_grad(), preserve_torch_stream(next(self._module.parameters()).device):
            self._kept[step] = {name: value.item() for name, value in self._measure().items()}
        self._module.train(training)
