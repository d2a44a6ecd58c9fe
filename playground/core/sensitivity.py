"""Which runs are sensitive: their answer changes when their start moves by one unit in the last place.

No computation that orders its operations differently can follow such a run for long; a difference says nothing about
either computation. Two twins of a run in the same batch, one to either side, show whether it is sensitive. The
agreement checks allow for what a twin shows, and tests compare engines by it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from playground.core.descent import descend
from playground.core.replicas import Parameters, Replicas
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

TOLERANCE_BY_DTYPE = {torch.float32: 1e-5, torch.float64: 1e-10}
"""The relative plus absolute difference that is no change yet, of numbers computed in each precision."""


def find_sensitive(
    make: Callable[[Parameters, Tensor], Replicas], parameters: Parameters, budget: int, rules: StopRules
) -> Tensor:
    """Tell which runs' losses or final parameters change by more than the tolerance; costs three more of each run.

    :param make: makes the stepper of replicas from their parameters and from which of the runs each of them is.
    :param parameters: initial ones of the runs in question.
    :param budget: updates to make at most.
    :param rules: when a run ends early.
    :returns: of each run, shape `(runs,)`.
    """
    count = len(next(iter(parameters.values())))
    stepper = make(append_twins(parameters), torch.arange(count).repeat(3))
    traces = TwinTraces(stepper, budget, rules, 3 * count)
    descend(stepper, traces)
    return traces.sensitive


def append_twins(parameters: Parameters) -> Parameters:
    """Put two twins of each replica behind all: every number one unit in the last place further from zero, and nearer.

    A zero, which has no such unit, moves by that of 1.

    :param parameters: of n replicas.
    :returns: of 3 n replicas; replicas n + i and 2 n + i are the twins of replica i.
    """
    return {name: torch.cat([tensor, *_adjacent_floats(tensor)]) for name, tensor in parameters.items()}


def _adjacent_floats(tensor: Tensor) -> tuple[Tensor, Tensor]:
    unit = torch.finfo(tensor.dtype).eps
    further, nearer = torch.nextafter(tensor, 2 * tensor), torch.nextafter(tensor, torch.zeros_like(tensor))
    return torch.where(tensor == 0, unit, further), torch.where(tensor == 0, -unit, nearer)


class TwinTraces(ReplicaTraces):
    """Traces of runs and, behind them, of their twins, which note when a run and a twin of it part.

    :param stepper: moves them; made from what `append_twins` returned.
    """

    def __init__(self, stepper: Replicas, budget: int, rules: StopRules, count: int) -> None:
        super().__init__(stepper, budget, rules, count)
        self.parting = torch.full((count // 3,), budget + 1)
        """The step at which a run's loss was first another than a twin's: its last step where only the final
        parameters differ, and `budget + 1` where nothing does."""

    @property
    def sensitive(self) -> Tensor:
        """Whether each run and a twin of it parted before they ended."""
        return self.parting <= self.budget

    def record(self, step: int, loss: Tensor, gradient_norm: Callable[[], Tensor]) -> bool:
        """As for any runs."""
        self._compare(self._of_all(loss), torch.tensor(step))
        return super().record(step, loss, gradient_norm)

    def finish(self, loss: Tensor, interrupted: bool) -> None:
        """As for any runs."""
        super().finish(loss, interrupted)
        for numbers in (self.last, *self._stepper.final.values()):
            self._compare(numbers, self.steps[: len(self.parting)])

    def _compare(self, numbers: Tensor, step: Tensor) -> None:
        """Note which runs part from their twins at a step; those that have ended are all NaN, and equal."""
        mine, *twins = numbers.reshape(len(numbers), -1).chunk(3)
        tolerance = TOLERANCE_BY_DTYPE[next(iter(self._stepper.final.values())).dtype]
        for twin in twins:
            same = torch.isclose(twin, mine, rtol=tolerance, atol=tolerance, equal_nan=True).all(dim=1).cpu()
            self.parting = torch.where(same, self.parting, torch.minimum(self.parting, step))
