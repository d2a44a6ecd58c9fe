"""Many runs at once: one tensor axis in front of every parameter, and the same loop.

A replica is one run in the batch. It has its own start, its own hyperparameters and its own order of mini-batches, the
very ones it would have alone. Losses are summed only to take one backward pass: the derivative of the sum by a
replica's own parameters is that of its own loss, so a replica that is not finite touches no other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.func import vmap

from playground.engine.gradients import Clip
from playground.engine.problem import Batch, Batches, Problem
from playground.engine.steppers import OptimizerFactory, Schedule
from playground.engine.update import Hyperparameter, State, UpdateRule

Parameters = dict[str, Tensor]
"""Parameters of all replicas by name, each of shape `(replicas, *shape)`."""


class CannotBatchError(Exception):
    """These runs cannot descend together; the message says why."""


def stacked(problems: Sequence[Mapping[str, Tensor]]) -> Parameters:
    """Put the parameters of many runs into one tensor for each name.

    :param problems: the initial parameters of each run by name.
    """
    return {name: torch.stack([each[name].detach() for each in problems]) for name in problems[0]}


class ReplicaBatches:
    """The data of each step for every replica, in the order that the replica's own seed gives.

    :param one: the batches of a run alone, for the data and the size.
    :param seeds: of every replica.
    """

    def __init__(self, one: Batches, seeds: Sequence[int]) -> None:
        self.data = one.data
        self._size = one.size
        unique = sorted(set(seeds))
        self._orders = [Batches(one.data, one.size, seed) for seed in unique] if one.size is not None else []
        position = {seed: index for index, seed in enumerate(unique)}
        self._which = torch.tensor([position[seed] for seed in seeds])

    @property
    def axis(self) -> int | None:
        """The replica axis of what `at` returns; None when all replicas share it."""
        return None if self._size is None else 0

    def at(self, step: int) -> Batch:
        """Return the batch of a step: one for all, or tensors of shape `(replicas, samples, ...)`."""
        if self._size is None:
            return self.data
        chosen = torch.stack([order.chosen(step) for order in self._orders])[self._which]
        return tuple(tensor[chosen] for tensor in self.data)

    def keep(self, chosen: Tensor) -> None:
        """Go on with these replicas only."""
        self._which = self._which[chosen]


class Replicas(ABC):
    """Evaluates a problem with every replica's parameters together; subclasses move them.

    :param problem: of any one run: all share its module, loss and data.
    :param parameters: initial ones of all replicas.
    :param seeds: of every replica, for the order of its mini-batches.
    :param clip: limits on each replica's own gradient.
    :raises CannotBatchError: the module or the loss cannot be mapped over replicas.
    """

    def __init__(
        self, problem: Problem, parameters: Parameters, seeds: Sequence[int], clip: Clip | None = None
    ) -> None:
        self.problem = problem
        self.parameters = parameters
        self.final = {name: tensor.clone() for name, tensor in parameters.items()}
        self._settled = torch.zeros(len(seeds), dtype=torch.bool)
        self.gradients: Parameters = {}
        self.losses = torch.empty(0)
        self._places = torch.arange(len(seeds))
        self._batches = ReplicaBatches(problem.batches, seeds)
        self._clip = clip
        problem.module.train()
        self._losses = vmap(self._loss, in_dims=(0, self._batches.axis))
        self._full_losses = vmap(self._loss, in_dims=(0, None))
        self._try()

    def _loss(self, parameters: Parameters, batch: Batch) -> Tensor:
        return self.problem.loss(self.problem.forward(parameters), batch)

    def _try(self) -> None:
        """Evaluate the first replicas once, so that what cannot be mapped is known before anything moves."""
        few = {name: tensor[:2] for name, tensor in self.parameters.items()}
        before = {name: tensor.clone() for name, tensor in self.problem.module.named_buffers()}
        try:
            self._full_losses(few, self._batches.data)
        except Exception as error:  # vmap refuses in many ways
            raise CannotBatchError(str(error).strip().splitlines()[0]) from error
        after = dict(self.problem.module.named_buffers())
        if any(not torch.equal(tensor, after[name]) for name, tensor in before.items()):
            raise CannotBatchError("the module keeps running statistics, which replicas would share")

    def evaluate(self, step: int) -> Tensor:
        """Run forward and backward for all replicas; return their losses before the update, shape `(replicas,)`."""
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in self.parameters.items()}
        losses = self._losses(leaves, self._batches.at(step))
        found = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True)
        self.gradients = {name: gradient for name, gradient in zip(leaves, found, strict=True) if gradient is not None}
        if self._clip is not None:
            self.gradients = vmap(self._clip_one)(self.gradients)
        self.losses = losses.detach()
        return self.losses.double()

    def _clip_one(self, gradients: Parameters) -> Parameters:
        clipped = self._clip(list(gradients.values())) if self._clip else list(gradients.values())
        return {name: tensor for name, tensor in zip(gradients, clipped, strict=True) if tensor is not None}

    def gradient_norm(self) -> Tensor:
        """Return the Euclidean norm of each replica's gradient, shape `(replicas,)`."""
        squares = [gradient.square().flatten(1).sum(1) for gradient in self.gradients.values()]
        return torch.stack(squares).sum(0).sqrt().double()

    @abstractmethod
    def update(self, step: int) -> None:
        """Move every replica's parameters."""

    def settle(self, chosen: Tensor) -> None:
        """Take the parameters of these replicas as they are now for final, while the others go on.

        :param chosen: positions among the replicas that still take part.
        """
        places = self._places[chosen]
        self._settled[places] = True
        for name, tensor in self.parameters.items():
            self.final[name][places.to(tensor.device)] = tensor.detach()[chosen.to(tensor.device)]

    def keep(self, chosen: Tensor) -> bool:
        """Go on with these replicas only, if that is possible; return whether it was."""
        return False

    def finish(self) -> Tensor:
        """Return the loss of every replica's final parameters over all data, with the module in evaluation mode."""
        self.settle((~self._settled[self._places]).nonzero().squeeze(1))
        self.problem.module.eval()
        with torch.no_grad():
            return self._full_losses(self.final, self._batches.data).double()


class RuleReplicas(Replicas):
    """Moves all replicas by one update rule, whose hyperparameters may differ from replica to replica.

    :param rule: one rule for all, with a tensor of shape `(replicas,)` for every hyperparameter that differs.
    :param schedule: factor on the learning rate; None for a constant rate.
    """

    def __init__(
        self,
        problem: Problem,
        parameters: Parameters,
        seeds: Sequence[int],
        rule: UpdateRule,
        schedule: Schedule | None = None,
        clip: Clip | None = None,
    ) -> None:
        super().__init__(problem, parameters, seeds, clip)
        self._rule = rule
        self._schedule = schedule
        self._states: dict[str, State] = {
            name: self._rules[tensor.dim()].init(tensor) for name, tensor in parameters.items()
        }

    @cached_property
    def _rules(self) -> dict[int, UpdateRule]:
        """The rule for parameters of each number of dimensions, its tensors shaped to broadcast against them."""
        return {tensor.dim(): shaped(self._rule, tensor) for tensor in self.parameters.values()}

    def update(self, step: int) -> None:
        """Move every replica's parameters; nothing is modified in place."""
        factor = 1.0 if self._schedule is None else self._schedule(step)
        with torch.no_grad():
            for name, gradient in self.gradients.items():
                parameter = self.parameters[name]
                rule = self._rules[parameter.dim()]
                lr: Hyperparameter = rule.lr if self._schedule is None else rule.lr * factor
                self.parameters[name], self._states[name] = rule.update(
                    parameter, gradient, self._states[name], step, lr
                )

    def keep(self, chosen: Tensor) -> bool:
        """Go on with these replicas only: their parameters, state, hyperparameters and batches."""
        self._places = self._places[chosen]
        self.parameters = {name: tensor[chosen] for name, tensor in self.parameters.items()}
        self._states = {
            name: {symbol: tensor[chosen] for symbol, tensor in state.items()} for name, state in self._states.items()
        }
        self._rule = replace(
            self._rule,
            **{name: tensor[chosen] for name, tensor in tensor_fields(self._rule).items()},  # type: ignore[type-var]
        )
        del self._rules
        self._batches.keep(chosen)
        return True


def tensor_fields(rule: UpdateRule) -> dict[str, Tensor]:
    """Return the hyperparameters that differ from replica to replica."""
    values = {field.name: getattr(rule, field.name) for field in fields(rule)}  # type: ignore[arg-type]
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def shaped(rule: UpdateRule, parameter: Tensor) -> UpdateRule:
    """Return the rule with its tensors in the parameter's dtype and shaped to broadcast against it."""
    shape = (-1, *[1] * (parameter.dim() - 1))
    changes = {name: value.to(parameter).reshape(shape) for name, value in tensor_fields(rule).items()}
    return replace(rule, **changes) if changes else rule  # type: ignore[type-var]


ELEMENTWISE = tuple(
    getattr(torch.optim, name)
    for name in (
        "ASGD",
        "Adadelta",
        "Adagrad",
        "Adam",
        "AdamW",
        "Adamax",
        "NAdam",
        "RAdam",
        "RMSprop",
        "Rprop",
        "SGD",
    )
)
"""Optimizers of torch that move each number by its own gradient alone, given a parameter group's hyperparameters."""


class TorchReplicas(Replicas):
    """Moves all replicas by `torch.optim` optimizers, through parameters that are views of the stacked ones.

    An elementwise optimizer serves all replicas with one parameter group for each distinct set of hyperparameters; any
    other has one instance per replica.

    :param factories: for each replica what makes its optimizer; replicas with equal hyperparameters share the object.
    :raises CannotBatchError: as for any replicas.
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
        super().__init__(problem, parameters, seeds, clip)
        self._schedule = schedule
        self._elementwise = elementwise
        self._views: list[tuple[Tensor, str, int | slice]] = []
        cuts = runs_of_equal(factories) if elementwise else [slice(i, i + 1) for i in range(len(factories))]
        self._optimizers = [self._optimizer(factories[cut.start], cut, elementwise) for cut in cuts]
        if elementwise:
            self._optimizers = [merged(self._optimizers)]
        self._rates = [[group["lr"] for group in each.param_groups] for each in self._optimizers if schedule]

    def _optimizer(self, factory: OptimizerFactory, cut: slice, elementwise: bool) -> torch.optim.Optimizer:
        """Make one optimizer for the replicas of a cut, which sees each parameter in the shape a run alone has it in."""
        index: int | slice = cut if elementwise else cut.start
        views = []
        for name, tensor in self.parameters.items():
            view = tensor[index].detach().requires_grad_()  # shares its numbers with the stacked tensor
            self._views.append((view, name, index))
            views.append(view)
        return factory(views)

    def update(self, step: int) -> None:
        """Make one step of every optimizer.

        :raises CannotBatchError: an optimizer evaluates its closure by itself, which needs a run of its own.
        """
        for view, name, index in self._views:
            gradient = self.gradients.get(name)
            view.grad = None if gradient is None else gradient[index]
        for rates, optimizer in zip(self._rates, self._optimizers, strict=False):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * self._schedule(step) if self._schedule else rate
        if self._elementwise:
            self._optimizers[0].step()
            return
        for optimizer, loss in zip(self._optimizers, self.losses, strict=True):
            optimizer.step(_closure([loss]))


def _closure(known: list[Tensor]) -> Callable[[], float]:
    """Return a closure that knows the loss already, and cannot work out another."""

    def closure() -> float:
        if not known:
            raise CannotBatchError("the optimizer evaluates the loss by itself within a step")
        return known.pop()  # type: ignore[return-value]

    return closure


def runs_of_equal(factories: Sequence[OptimizerFactory]) -> list[slice]:
    """Cut the replicas where the factory changes, so that each piece shares one set of hyperparameters."""
    starts = [i for i in range(len(factories)) if i == 0 or factories[i] is not factories[i - 1]]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(factories)], strict=True)]


def merged(optimizers: Sequence[torch.optim.Optimizer]) -> torch.optim.Optimizer:
    """Return the first optimizer with the parameter groups of all."""
    first, *others = optimizers
    for other in others:
        for group in other.param_groups:
            first.add_param_group(group)
    return first
