"""Measures held-out data on the way: a stepper around a stepper, used only where a task holds some out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from playground.core.descent import Stepper
from playground.core.seeding import preserve_torch_stream
from playground.core.traces import thin_steps
from playground.result import Validation

Measure = Callable[[], Mapping[str, Tensor]]
"""Measures the parameters as they are: a number for each name."""


class Validator:
    """Moves as the stepper inside does, and measures held-out data at some of the steps and at the end.

    At most 64 steps are measured, spaced evenly by ratio from the first: a run of any length costs as many forward
    passes more. The module is in evaluation mode meanwhile, and no random number of the run is used up.

    :param stepper: evaluates and moves.
    :param module: of the problem.
    :param budget: updates to make at most.
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
        """As the stepper inside; what is held out is measured before the update."""
        loss: float = self._stepper.evaluate(step)
        if step in self._wanted:
            self._keep(step)
        return loss

    def gradient_norm(self) -> float:
        """As the stepper inside."""
        norm: float = self._stepper.gradient_norm()
        return norm

    def update(self, step: int) -> None:
        """As the stepper inside."""
        self._stepper.update(step)
        self._updates = step + 1

    def finish(self) -> float:
        """As the stepper inside; the final parameters are measured after it."""
        loss: float = self._stepper.finish()
        self._keep(self._updates)
        return loss

    def validation(self) -> Validation:
        """Return what was measured, as plain data."""
        names = next(iter(self._kept.values()), {})
        return Validation(tuple(self._kept), {name: tuple(row[name] for row in self._kept.values()) for name in names})

    def _keep(self, step: int) -> None:
        training = self._module.training
        self._module.eval()
        with torch.no_grad(), preserve_torch_stream(next(self._module.parameters()).device):
            self._kept[step] = {name: value.item() for name, value in self._measure().items()}
        self._module.train(training)
