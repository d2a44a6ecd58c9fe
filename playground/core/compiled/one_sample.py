"""The loss of one sample and its gradient as a program, and whether its sum over samples is the loss of a problem.

Most losses are a mean or a sum of what each sample contributes. A loop over samples then needs the program of one, so
its size does not depend on how many there are. Nothing says which losses are like that: batch normalization, losses of
pairs or a root of a mean are not. So it is tried, in double precision at random places, against plain PyTorch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.core.compiled.carried import SlotKey
from playground.core.compiled.errors import CannotCompileError, TooManyOperationsError
from playground.core.compiled.program import MAX_OPERATIONS, SAMPLE, SLOT, Program
from playground.core.compiled.symbolic_run import PARAMETER, DescentSpec, SymbolicRun
from playground.core.precision import double_by_default
from playground.core.problem import Batches, Problem
from playground.core.setting import one_thread

TRIED_PLACES = 3
"""The number of places, beside the problem's own parameters, at which sums are compared with the whole."""

SUM_TOLERANCE = 1e-12
"""The relative difference, in double precision, between a sum over samples and the whole that is rounding."""

WEIGHTS: Mapping[bool, Callable[[int], float]] = {True: lambda samples: 1 / samples, False: lambda _: 1.0}
"""The weight of each of so many samples, in a loss that is a mean or not."""


@dataclass(frozen=True, eq=False)
class SampleProgram:
    """What one sample contributes to the loss and to its gradient.

    :param program: its inputs are the parameters, `SLOT`, and the numbers of the sample, `SAMPLE` of row 0; the last
        tensor of the sample is its weight.
    :param parameters: the entries of all parameters, as keys of their inputs.
    :param places: for each data tensor, the numbers in a sample.
    :param loss: the value of the weighted loss, with the module in training mode.
    :param gradient: the values of its derivatives by `parameters`.
    :param full_loss: the value of the weighted loss, with the module in evaluation mode.
    :param is_mean: whether the weight is one over the number of samples, else 1.
    """

    program: Program
    parameters: tuple[SlotKey, ...]
    places: tuple[int, ...]
    loss: int
    gradient: tuple[int, ...]
    full_loss: int
    is_mean: bool = True

    @property
    def weight(self) -> tuple[Any, ...]:
        """The input that is the weight of the sample."""
        return SAMPLE, len(self.places), 0, 0

    @property
    def operations(self) -> int:
        """The operations of the loss and its gradient."""
        return self.program.size([self.loss, *self.gradient])


def record_sample(spec: DescentSpec) -> SampleProgram:
    """Record what one sample contributes, and find its weight.

    :param spec: what determines the steps of a run.
    :raises CannotCompileError: there are no samples, their contributions cannot be recorded, or the loss is no mean or
        sum of them.
    """
    data = spec.problem.batches.data
    if not data:
        raise CannotCompileError("there are no samples")
    run = SymbolicRun(replace(spec, problem=_weigh_one_sample(spec), clip=None, scheduled=False, data_change=True))
    loss, gradient = run.differentiate()
    keys = [((PARAMETER, name), entry) for name, shape in spec.shapes.items() for entry in range(shape.numel())]
    places = tuple(tensor[0].numel() for tensor in data)
    found = SampleProgram(run.program, tuple(keys), places, loss, tuple(gradient), run.full_loss())
    if found.operations > MAX_OPERATIONS:
        raise TooManyOperationsError(f"a sample has {found.operations:,} operations, more than {MAX_OPERATIONS:,}")
    return _find_weight(spec.problem, found)


def _weigh_one_sample(spec: DescentSpec) -> Problem:
    """Return a problem of the first sample, whose loss is multiplied by a weight that comes with the data."""
    problem = spec.problem
    one = tuple(tensor[:1] for tensor in problem.batches.data)

    def loss(forward: Any, batch: tuple[Tensor, ...]) -> Tensor:
        return problem.loss(forward, batch[:-1]) * batch[-1].reshape(())

    return replace(problem, loss=loss, batches=Batches((*one, torch.ones(1, dtype=spec.dtype))))


def _find_weight(problem: Problem, sample: SampleProgram) -> SampleProgram:
    """Return the program with the weight that makes its sum the loss.

    :raises CannotCompileError: none does.
    """
    try:
        with one_thread(), double_by_default():
            wholes = [whole for whole in _compute_wholes(problem) if whole.is_finite()]
    except Exception as error:  # the module or the loss may refuse other batches, or double precision
        raise CannotCompileError(f"the loss of some samples: {str(error).strip().partition(chr(10))[0]}") from error
    for is_mean in WEIGHTS:
        found = replace(sample, is_mean=is_mean)
        if wholes and all(whole.is_sum_of(found) for whole in wholes):
            return found
    raise CannotCompileError("the loss is no mean and no sum of losses of single samples")


@dataclass(frozen=True, eq=False)
class _Whole:
    """The loss of some samples at a place and its gradient, as plain PyTorch computes them.

    :param numbers: the parameters, all entries.
    :param batch: the samples.
    :param found: the loss in training mode, the loss in evaluation mode, and the gradient.
    """

    numbers: np.ndarray[Any, Any]
    batch: tuple[Tensor, ...]
    found: np.ndarray[Any, Any]

    def is_finite(self) -> bool:
        """Tell whether the numbers say anything."""
        return bool(np.isfinite(self.found).all())

    def is_sum_of(self, sample: SampleProgram) -> bool:
        """Tell whether these are the sums of what the samples contribute."""
        count = len(self.batch[0])
        inputs: dict[Any, Any] = {(SLOT, *key): each for key, each in zip(sample.parameters, self.numbers, strict=True)}
        inputs[sample.weight] = WEIGHTS[sample.is_mean](count)
        for which, tensor in enumerate(self.batch):
            for place, column in enumerate(tensor.reshape(count, -1).double().numpy().T):
                inputs[SAMPLE, which, 0, place] = column
        wanted = [sample.loss, sample.full_loss, *sample.gradient]
        rows = [np.broadcast_to(each, (count,)) for each in sample.program.evaluate(wanted, inputs)]
        away = np.abs(np.array([row.sum() for row in rows]) - self.found)
        allowed = SUM_TOLERANCE * (1 + np.abs(self.found) + np.array([np.abs(row).sum() for row in rows]))
        return bool((away <= allowed).all())


def _compute_wholes(problem: Problem) -> Iterator[_Whole]:
    """Compute the loss and its gradient at random places, for all samples and for some."""
    data = tuple(tensor.double() if tensor.is_floating_point() else tensor for tensor in problem.batches.data)
    module = copy.deepcopy(problem.module).double()
    whole = replace(problem, module=module, batches=Batches(data))
    generator = torch.Generator().manual_seed(0)
    parameters = list(whole.parameters.values())
    own = [parameter.detach().clone() for parameter in parameters]
    count = len(data[0])
    for place in range(1 + TRIED_PLACES):
        with torch.no_grad():
            for parameter, before in zip(parameters, own, strict=True):
                away = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(before + 0.5 * away if place else before)
        for size in dict.fromkeys((count, 1 + (count - 1) * place // (1 + TRIED_PLACES))):
            chosen = torch.randperm(count, generator=generator)[:size]
            yield _compute_whole(whole, parameters, tuple(tensor[chosen] for tensor in data))


def _compute_whole(problem: Problem, parameters: list[Tensor], batch: tuple[Tensor, ...]) -> _Whole:
    problem.module.eval()
    with torch.no_grad():
        full = problem.loss(problem.module, batch)
    problem.module.train()
    loss = problem.loss(problem.module, batch)
    gradient = torch.autograd.grad(loss, parameters)
    numbers, found = ([each.detach().reshape(-1) for each in row] for row in (parameters, (loss, full, *gradient)))
    return _Whole(torch.cat(numbers).numpy().copy(), batch, torch.cat(found).numpy())
