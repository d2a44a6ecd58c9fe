"""Finds sensitive runs: their results change when initial values change by one ulp.

Another order of operations rounds differently, so no other computation can reproduce such a run for long; a difference
then says nothing about either computation. Two twins in the same batch, one to either side, show whether a run is
sensitive. The agreement checks allow for the difference of twins, and tests compare engines by it.
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
"""The relative plus absolute difference that counts as rounding, for numbers of each precision."""


def find_sensitive(
    make: Callable[[Parameters, Tensor], Replicas], parameters: Parameters, budget: int, rules: StopRules
) -> Tensor:
    """Return which runs change by more than the tolerance, at the cost of computing three more of each.

    :param make: creates the stepper of replicas from their parameters and the index of the run of each replica.
    :param parameters: initial ones of the runs to examine.
    :param budget: the most updates to make.
    :param rules: when a run ends early.
    :returns: a mask, shape `(runs,)`.
    """
    count = len(next(iter(parameters.values())))
    stepper = make(append_twins(parameters), torch.arange(count).repeat(3))
    traces = TwinTraces(stepper, budget, rules, 3 * count)
    descend(stepper, traces)
    return traces.sensitive


def append_twins(parameters: Parameters) -> Parameters:
    """Append two twins of each replica: every number changed by one ulp, away from zero and towards it.

    A zero changes by the ulp of 1.

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

    :param stepper: moves them; made from what `with_twins` returned.
    """

    def __init__(self, stepper: Replicas, budget: int, rules: StopRules, count: int) -> None:
        super().__init__(stepper, budget, rules, count)
        self.parting = torch.full((count // 3,), budget + 1)
        """The step at which a run's loss first differs from a twin's.

        It is the last step if only the final parameters differ, and `budget + 1` if nothing does.
        """

    @property
    def sensitive(self) -> Tensor:
        """Whether each run and a twin of it differ before they end."""
        return self.parting <= self.budget

    def record(self, step: int, loss: Tensor, gradient_norm: Callable[[], Tensor]) -> bool:
        """Compare with the twins, then record as for other runs."""
        self._compare(self._of_all(loss), torch.tensor(step))
        return super().record(step, loss, gradient_norm)

    def finish(self, loss: Tensor, interrupted: bool) -> None:
        """Finish as for other runs, then compare with the twins."""
        super().finish(loss, interrupted)
        for numbers in (self.last, *self._stepper.final.values()):
            self._compare(numbers, self.steps[: len(self.parting)])

    def _compare(self, numbers: Tensor, step: Tensor) -> None:
        """Record which runs differ from their twins at a step; runs that have ended are NaN and count as equal."""
        mine, *twins = numbers.reshape(len(numbers), -1).chunk(3)
        tolerance = TOLERANCE_BY_DTYPE[next(iter(self._stepper.final.values())).dtype]
        for twin in twins:
            same = torch.isclose(twin, mine, rtol=tolerance, atol=tolerance, equal_nan=True).all(dim=1).cpu()
            self.parting = torch.where(same, self.parting, torch.minimum(self.parting, step))
