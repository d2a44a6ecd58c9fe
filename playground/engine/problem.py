"""A problem: parameters and what they are to make small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from playground.engine.seeding import generator
from playground.errors import ComponentError, Fault, ScenarioError, suggestion

Batch = tuple[Tensor, ...]
"""The tensors of one step, samples along the first axis; empty where there are no data."""

Forward = Callable[..., Tensor]
"""A module, or the same module with other parameters in place of its own."""


class Batches:
    """The data of each step, as a pure function of the step.

    :param data: all samples, along the first axis of every tensor.
    :param size: samples per step; None gives all of them at every step, in their order.
    :param seed: each epoch is a permutation drawn from `(seed, epoch)`; its last batch may be smaller.
    :raises ScenarioError: `size` exceeds the number of samples, or there are none.
    """

    def __init__(self, data: Batch = (), size: int | None = None, seed: int = 0) -> None:
        self.data = data
        self.size = size
        self._seed = seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)
        samples = len(data[0]) if data else 0
        if size is not None:
            if not data:
                raise ScenarioError(Fault("batch_size: this task has no data to take batches of", ("batch_size",)))
            if size > samples:
                raise ScenarioError(Fault(f"batch_size {size} exceeds the {samples} samples", ("batch_size",)))
            self.per_epoch = -(-samples // size)

    def at(self, step: int) -> Batch:
        """Return the batch of a step."""
        if self.size is None:
            return self.data
        chosen = self.chosen(step)
        return tuple(tensor[chosen] for tensor in self.data)

    def chosen(self, step: int) -> Tensor:
        """Return the indices of the samples of a step, where batches have a size."""
        size = self.size or len(self.data[0])
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = self.order(epoch).to(self.data[0].device)
        return self._order[position * size : (position + 1) * size]

    def order(self, epoch: int) -> Tensor:
        """Return the permutation of all samples that an epoch takes its batches from."""
        return torch.randperm(len(self.data[0]), generator=generator(self._seed, "batches", epoch))


@dataclass(frozen=True)
class Problem:
    """What goes downhill.

    :param module: owns the parameters.
    :param loss: the scalar to make small, given the module (or a stand-in with other parameters) and a batch.
    :param batches: the data.
    """

    module: nn.Module
    loss: Callable[[Forward, Batch], Tensor]
    batches: Batches = field(default_factory=Batches)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The parameters that descend, by name."""
        return {name: tensor for name, tensor in self.module.named_parameters() if tensor.requires_grad}

    def forward(self, parameters: Mapping[str, Tensor]) -> Forward:
        """Return the module with these parameters in place of its own."""
        return lambda *inputs: functional_call(self.module, dict(parameters), inputs)

    def probe(self) -> None:
        """Evaluate once over all data, in evaluation mode, so that a mistake is told before anything is trained.

        Draws no random numbers and changes no buffer of a well-behaved module.

        :raises ComponentError: the loss is not a scalar, or no parameter can change it.
        """
        self.module.eval()
        checked(self.loss(self.module, self.batches.data))


def checked(loss: Tensor) -> Tensor:
    """Return the loss if one can go down it.

    :raises ComponentError: it is not a scalar, or no parameter can change it.
    """
    if loss.dim() != 0:
        raise ComponentError(f"the loss must be a single number (a 0-d tensor), got shape {tuple(loss.shape)}")
    if not loss.requires_grad:
        raise ComponentError(
            "nothing to descend: the loss does not depend on any parameter through differentiable operations"
        )
    return loss


def assign(module: nn.Module, values: Mapping[str, Any]) -> None:
    """Set parameters by name; the others keep their initial values.

    :param values: numbers or nested lists, of exactly the parameter's shape.
    :raises ScenarioError: an unknown name or another shape.
    """
    parameters = dict(module.named_parameters())
    faults = []
    for name, value in values.items():
        if name not in parameters:
            faults.append(Fault(f"unknown parameter {name!r}{suggestion(name, parameters)}", (name,)))
            continue
        parameter = parameters[name]
        try:
            tensor = torch.tensor(value, dtype=parameter.dtype)
        except (TypeError, ValueError):
            faults.append(Fault(f"{name}: expected numbers, got {value!r}", (name,)))
            continue
        if tensor.shape != parameter.shape:
            faults.append(Fault(f"{name}: expected shape {tuple(parameter.shape)}, got {tuple(tensor.shape)}", (name,)))
            continue
        with torch.no_grad():
            parameter.copy_(tensor)
    if faults:
        raise ScenarioError(*faults)
