"""The base class of all replicas: evaluates a problem for all of them at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import vmap

from playground.core import gradients
from playground.core.gradients import Clip
from playground.core.problem import BatchTensors, Problem
from playground.core.replicas.batches import ReplicaBatches

Parameters = dict[str, Tensor]
"""Parameters of all replicas by name, each of shape `(replicas, *shape)`."""

NO_GRADIENT = -1.0
"""Marks a missing gradient in a tensor of sizes, which are never negative."""


class CannotBatchError(Exception):
    """These runs cannot be computed in one batch; the message says why."""


class DisagreementError(CannotBatchError):
    """A batch gives other numbers than the same runs one by one: an operation is batched wrongly."""


class Replicas(ABC):
    """Evaluates a problem with the parameters of all replicas at once; subclasses update them.

    :param problem: of any one run; all runs share its module, loss and data.
    :param parameters: initial ones of all replicas; not modified.
    :param seeds: of every replica, for the order of its mini-batches.
    :param clip: limits on each replica's own gradient.
    :raises CannotBatchError: the module or the loss cannot be mapped over replicas.
    """

    def __init__(
        self, problem: Problem, parameters: Parameters, seeds: Sequence[int], clip: Clip | None = None
    ) -> None:
        self.problem = problem
        self.parameters = dict(parameters)
        self.final = {name: tensor.clone() for name, tensor in parameters.items()}
        self.losses = torch.empty(0)
        self.gradients: Parameters = {}
        self.steepest = {name: torch.full((len(seeds),), NO_GRADIENT, dtype=torch.float64) for name in parameters}
        """The largest entry of each parameter's gradient at the end of each replica, by name, on the CPU."""
        self.places = torch.arange(len(seeds))
        """The original indices of the replicas that are still active."""
        self._settled = torch.zeros(len(seeds), dtype=torch.bool)
        self._clip = clip
        self._batches = ReplicaBatches(problem.batches, seeds)
        self._batch_losses = vmap(self._loss, in_dims=(0, self._batches.axis))
        self._full_losses = vmap(self._loss, in_dims=(0, None))
        problem.module.train()
        self._try()

    def _loss(self, parameters: Parameters, batch: BatchTensors) -> Tensor:
        return self.problem.loss(self.problem.forward(parameters), batch)

    def _try(self) -> None:
        """Evaluate the first replicas once, to detect what cannot be batched before any update."""
        few = {name: tensor[:2] for name, tensor in self.parameters.items()}
        before = {name: tensor.clone() for name, tensor in self.problem.module.named_buffers()}
        losses = self._evaluate_batch(few, self._batches.data, full=True)
        if losses.shape != losses[:2].flatten().shape:
            raise CannotBatchError(f"the loss of a run must be a single number, got shape {tuple(losses.shape[1:])}")
        after = dict(self.problem.module.named_buffers())
        if any(not torch.equal(tensor, after[name]) for name, tensor in before.items()):
            raise CannotBatchError("the module keeps running statistics, which replicas would share")

    def _evaluate_batch(self, parameters: Parameters, batch: BatchTensors, full: bool) -> Tensor:
        """Return each replica's loss, on all data or on batches.

        :raises CannotBatchError: the module or the loss cannot be mapped over replicas.
        """
        try:
            return (self._full_losses if full else self._batch_losses)(parameters, batch)
        except Exception as error:  # vmap refuses in many ways, and a loss that reads its numbers may raise anything
            raise CannotBatchError(str(error).strip().partition("\n")[0]) from error

    def evaluate(self, step: int) -> Tensor:
        """Run forward and backward for all replicas; return their losses before the update, shape `(replicas,)`.

        The losses are summed for a single backward pass. The derivative of the sum by a replica's parameters is that of
        its own loss, so a replica that is not finite does not affect the others.
        """
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in self.parameters.items()}
        losses = self._evaluate_batch(leaves, self._batches.at(step), full=False)
        found = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True)
        self.gradients = {name: gradient for name, gradient in zip(leaves, found, strict=True) if gradient is not None}
        if self._clip is not None:
            self.gradients = vmap(self._clip_gradients)(self.gradients)
        self.losses = losses.detach()
        return self.losses.double()

    def _clip_gradients(self, gradients: Parameters) -> Parameters:
        """Return the clipped gradients of one replica."""
        clipped = self._clip(list(gradients.values())) if self._clip else gradients.values()
        return {name: gradient for name, gradient in zip(gradients, clipped, strict=True) if gradient is not None}

    def gradient_norm(self) -> Tensor:
        """Return the Euclidean norm of each replica's whole gradient, shape `(replicas,)`."""
        return vmap(gradients.norm)(list(self.gradients.values())).double()

    @abstractmethod
    def update(self, step: int) -> None:
        """Update every replica's parameters."""

    def settle(self, chosen: Tensor) -> None:
        """Record the current parameters of these replicas as final; the others continue.

        :param chosen: indices among the active replicas.
        """
        if not len(chosen):
            return
        places = self.places[chosen]
        self._settled[places] = True
        for name, tensor in self.parameters.items():
            self.final[name][places.to(tensor.device)] = tensor.detach()[chosen.to(tensor.device)]
        for name, gradient in self.gradients.items():
            sizes = gradient[chosen.to(gradient.device)].abs().reshape(len(chosen), -1).amax(1)
            self.steepest[name][places] = sizes.double().cpu()

    def keep(self, chosen: Tensor) -> bool:
        """Continue with these replicas only, if that is possible; return whether it was."""
        return False

    def full_loss(self) -> Tensor:
        """Return the loss of every active replica over all data; the module is in evaluation mode meanwhile."""
        losses = self._evaluate_all(self.parameters)
        self.problem.module.train()
        return losses

    def finish(self) -> Tensor:
        """Return the loss of every replica's final parameters over all data, with the module in evaluation mode."""
        self.settle((~self._settled[self.places]).nonzero().squeeze(1))
        return self._evaluate_all(self.final)

    def _evaluate_all(self, parameters: Parameters) -> Tensor:
        self.problem.module.eval()
        with torch.no_grad():
            return self._evaluate_batch(parameters, self._batches.data, full=True).double()


class RestingReplicas(Replicas):
    """Does not update anything: only evaluates all replicas where they are."""

    def update(self, step: int) -> None:
        """Leave the parameters unchanged."""
