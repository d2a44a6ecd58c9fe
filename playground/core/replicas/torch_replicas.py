"""Replicas that a `torch.optim.Optimizer` moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from playground.core.gradients import Clip, copy_gradient
from playground.core.problem import Problem
from playground.core.replicas.base import CannotBatchError, Parameters, Replicas
from playground.core.steppers import OptimizerFactory, Schedule
from playground.core.torch_compiler import without_torch_compiler

ELEMENTWISE_OPTIMIZERS: tuple[type[torch.optim.Optimizer], ...] = (
    torch.optim.ASGD,
    torch.optim.Adadelta,
    torch.optim.Adagrad,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.SGD,
)
"""Optimizers of torch whose update of a number depends only on its own gradient and the group's hyperparameters."""


class TorchReplicas(Replicas):
    """Updates all replicas by `torch.optim` optimizers, through parameters that are views of the stacked ones.

    An elementwise optimizer serves all replicas, with one parameter group per stretch of equal hyperparameters. Any
    other optimizer has one instance per replica. So has one that switches between training and evaluation, because
    replicas that end at different steps switch at different steps.

    :param factories: for each replica, the factory of its optimizer; replicas with equal hyperparameters share the
        object.
    :param elementwise: whether each number is updated by its own gradient alone.
    :param schedule: factor on each group's own learning rate; None for a constant rate.
    """

    def __init__(
        self,
        problem: Problem,
        parameters: Parameters,
        seeds: Sequence[int],
        factories: Sequence[OptimizerFactory],
        elementwise: bool,
        schedule: Schedule | None = None,
        clip: Clip | None = None,
    ) -> None:
        super().__init__(problem, {name: tensor.clone() for name, tensor in parameters.items()}, seeds, clip)
        self._schedule = schedule
        self._views: list[tuple[Tensor, str, int | slice]] = []
        with without_torch_compiler():
            self._stacked = elementwise and not _has_modes(factories[0]([torch.zeros(1, requires_grad=True)]))
            places = find_stretches(factories) if self._stacked else range(len(factories))
            optimizers = [self._optimizer(place, factories) for place in places]
        self._optimizers = [merge_optimizers(optimizers)] if self._stacked else optimizers
        self._rates = [[group["lr"] for group in each.param_groups] for each in self._optimizers] if schedule else []
        for optimizer in self._optimizers:
            _set_mode(optimizer, "train")

    def _optimizer(self, place: int | slice, factories: Sequence[OptimizerFactory]) -> torch.optim.Optimizer:
        """Create the optimizer of one replica, which sees single-run shapes, or of a stretch of replicas."""
        views = []
        for name, tensor in self.parameters.items():
            view = tensor[place].detach().requires_grad_()  # shares memory with the stacked tensor
            self._views.append((view, name, place))
            views.append(view)
        return factories[place.start if isinstance(place, slice) else place](views)

    def update(self, step: int) -> None:
        """Make one step of every optimizer whose replica is not settled.

        :raises CannotBatchError: an optimizer evaluates its closure by itself, which a batch cannot provide.
        """
        if self._schedule is not None:
            self._set_rates(self._schedule(step))
        for view, name, place in self._views:
            gradient = self.gradients.get(name)
            view.grad = None if gradient is None else copy_gradient(gradient[place], view)
        with without_torch_compiler():
            if self._stacked:
                self._optimizers[0].step()
                return
            for index in (~self._settled).nonzero().squeeze(1).tolist():
                self._optimizers[index].step(_closure(self.losses[index]))
        if any(view.data_ptr() != self.parameters[name][place].data_ptr() for view, name, place in self._views):
            raise CannotBatchError("the optimizer replaces its parameters by other tensors")

    def _set_rates(self, factor: float) -> None:
        for optimizer, rates in zip(self._optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def settle(self, chosen: Tensor) -> None:
        """Settle replicas; schedule-free optimizers first switch to their averaged parameters."""
        if not self._stacked:
            for index in chosen.tolist():
                _set_mode(self._optimizers[index], "eval")
        super().settle(chosen)


def find_stretches(factories: Sequence[OptimizerFactory]) -> Iterator[slice]:
    """Split the replicas where the factory changes, so that each stretch shares one set of hyperparameters."""
    start = 0
    for _, same in groupby(factories, key=id):
        stop = start + len(list(same))
        yield slice(start, stop)
        start = stop


def merge_optimizers(optimizers: Sequence[torch.optim.Optimizer]) -> torch.optim.Optimizer:
    """Return the first optimizer with the parameter groups of all."""
    first, *others = optimizers
    for other in others:
        for group in other.param_groups:
            first.add_param_group(group)
    return first


def _closure(loss: Tensor) -> Callable[[], float]:
    """Return a closure that returns the known loss and refuses to evaluate another."""
    known = [loss]

    def closure() -> float:
        if not known:
            raise CannotBatchError("the optimizer evaluates the loss by itself within a step")
        return known.pop()  # type: ignore[return-value]

    return closure


def _has_modes(optimizer: torch.optim.Optimizer) -> bool:
    return callable(getattr(optimizer, "eval", None))


def _set_mode(optimizer: torch.optim.Optimizer, mode: str) -> None:
    """Call `train` or `eval` where it exists."""
    if callable(switch := getattr(optimizer, mode, None)):
        switch()
