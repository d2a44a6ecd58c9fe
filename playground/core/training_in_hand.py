"""A model, a loss, a batch and an optimizer as the user holds them, copied into a problem and a stepper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from playground.core.batch_in_hand import BatchInHand
from playground.core.definition import describe
from playground.core.isolated_copies import IsolatedCopies
from playground.core.problem import BatchTensors, Forward, Problem, describe_type, require_number, require_parameters
from playground.core.stepper_in_hand import StepperInHand, keep_modes
from playground.core.steppers import OneRun, OptimizerFactory, RestingStepper, RuleStepper
from playground.core.torch_compiler import without_torch_compiler
from playground.core.update import UpdateRule
from playground.errors import ComponentError

OptimizerInHand = torch.optim.Optimizer | UpdateRule | OptimizerFactory | None
"""An optimizer with its state, an update rule, a function that makes an optimizer of parameters, or none."""

REENTRANT_CHECKPOINT = "CheckpointFunctionBackward"
"""The name of the node of a reentrant checkpoint in autograd's graph."""

RuleFinder = Callable[[torch.optim.Optimizer], UpdateRule | None]
"""Finds the update rule that equals an optimizer."""


@dataclass(frozen=True, kw_only=True)
class TrainingInHand:
    """Copies of a user's objects.

    :param stepper: evaluates and updates the copies.
    :param optimizer: the copied optimizer, or what the stepper moves by; None if nothing moves.
    """

    stepper: OneRun
    optimizer: torch.optim.Optimizer | UpdateRule | None


class ModelWithLoss(nn.Module):
    """A model with a loss that has parameters or buffers of its own.

    Its `forward` returns the loss, so that other tensors can take the place of those of both.
    """

    def __init__(self, model: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self.training = model.training

    def forward(self, compute: Callable[..., Tensor]) -> Tensor:
        """Return `compute(model, loss)`."""
        return compute(self.model, self.loss)


def copy_training(
    model: nn.Module, loss: Callable[..., Any] | None, data: Any, optimizer: OptimizerInHand, find_rule: RuleFinder
) -> TrainingInHand:
    """Copy a user's objects into a problem and a stepper; the originals are not changed.

    :param loss: computes the loss from the output and the targets; None if the model's output is the loss.
    :param data: one batch; see `BatchInHand`.
    :raises ComponentError: an object cannot be copied, or they do not fit each other.
    """
    copies = IsolatedCopies()
    problem = copy_problem(model, loss, BatchInHand(data), copies)
    if isinstance(optimizer, torch.optim.Optimizer):
        moved = copies.copy_optimizer(optimizer)
        _require_shared(problem, moved, model)
        return TrainingInHand(stepper=StepperInHand(problem, moved, find_rule(moved)), optimizer=moved)
    with keep_modes(problem.module):
        if optimizer is None:
            return TrainingInHand(stepper=RestingStepper(problem), optimizer=None)
        if isinstance(optimizer, UpdateRule):
            return TrainingInHand(stepper=RuleStepper(problem, optimizer), optimizer=optimizer)
        made = _construct(problem, optimizer)
    return TrainingInHand(stepper=StepperInHand(problem, made, find_rule(made)), optimizer=made)


def _construct(problem: Problem, factory: OptimizerFactory) -> torch.optim.Optimizer:
    """Return the optimizer that a factory makes of the problem's parameters.

    :raises ComponentError: it raises, or returns something else.
    """
    made_by = getattr(factory, "func", factory)  # of a partial
    name = getattr(made_by, "__name__", type(made_by).__name__)
    try:
        with without_torch_compiler():
            made = factory(list(problem.parameters.values()))
    except Exception as error:  # an optimizer may raise anything
        reason = " ".join(str(error).split())
        raise ComponentError(f"the optimizer {name} cannot be constructed: {reason}; pass an instance") from error
    if not isinstance(made, torch.optim.Optimizer):
        raise ComponentError(f"the optimizer: {name} returned {describe_type(made)}; expected a torch.optim.Optimizer")
    return made


def copy_problem(
    model: nn.Module, loss: Callable[..., Any] | None, batch: BatchInHand, copies: IsolatedCopies
) -> Problem:
    """Return a problem of copies of a model and a loss.

    :param loss: None if the model's output is the loss.
    :param copies: makes the copies.
    :raises ComponentError: an object cannot be copied, or the model has nothing to train.
    """
    _require_plain(model)
    ours = copies.copy_module(model)
    our_loss = None if loss is None else copies.copy_function(loss)
    _require_device(ours, batch.data)
    problem = _make_problem(ours, our_loss, batch, _Originals(model, loss))
    require_parameters(problem.module)
    return problem


def _make_problem(
    model: nn.Module, loss: Callable[..., Any] | None, batch: BatchInHand, originals: _Originals
) -> Problem:
    def compute(forward: Forward, compare: Callable[..., Any] | None, tensors: BatchTensors) -> Tensor:
        with originals.watch_once():
            output, targets = batch.call(forward, model, tensors)
            value = output if compare is None else compare(output, *targets)
        found = _require_loss(value, model, loss)
        if forward is model and torch.is_grad_enabled() and any(each.requires_grad for each in model.parameters()):
            _require_graph(found, output, model, loss)
        return found

    if isinstance(loss, nn.Module) and [*loss.parameters(), *loss.buffers()]:
        module = ModelWithLoss(model, loss)

        def whole(forward: Forward, tensors: BatchTensors) -> Tensor:
            return forward(lambda ours, compare: compute(ours, compare, tensors))

        return Problem(module, whole, batch, objective=loss, predictor=model)
    return Problem(model, lambda forward, tensors: compute(forward, loss, tensors), batch, objective=loss)


def _require_loss(value: Any, model: nn.Module, loss: Callable[..., Any] | None) -> Tensor:
    """Return the loss if it is one number.

    :raises ComponentError: it is not.
    """
    if loss is None and not (isinstance(value, Tensor) and value.dim() == 0):
        what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else describe_type(value)
        message = f"{describe(model)} returns {what}; without a loss, its output must be a single number: pass a loss"
        raise ComponentError(message)
    return require_number(value, model if loss is None else loss)


def _require_graph(value: Tensor, output: Any, model: nn.Module, loss: Callable[..., Any] | None) -> None:
    """Refuse a loss that no gradient can be taken of.

    :raises ComponentError: the message says what cuts it off from the parameters.
    """
    if value.requires_grad:
        if any(node.name() == REENTRANT_CHECKPOINT for node in _walk_graph(value)):
            raise ComponentError(
                f"{describe(model)} uses a reentrant checkpoint, whose gradients only backward() computes; "
                "pass use_reentrant=False to torch.utils.checkpoint.checkpoint"
            )
        return
    is_connected = any(isinstance(each, Tensor) and each.requires_grad for each in tree_leaves(output))
    who = describe(loss) if is_connected and loss is not None else describe(model)
    ways = "by .item(), .detach(), .data, torch.tensor(...), numpy, no_grad or a comparison"
    raise ComponentError(
        f"nothing to descend: the loss depends on no parameter; {who} uses none, or cuts the graph {ways}"
    )


def _walk_graph(value: Tensor) -> Iterator[Any]:
    """Yield the nodes of autograd's graph."""
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting.extend(following for following, _ in node.next_functions)
            yield node


class _Originals(TorchFunctionMode):
    """Refuses a loss that uses the original model, whose numbers its copy does not move."""

    def __init__(self, model: nn.Module, loss: Any) -> None:
        super().__init__()
        parts = [model, *([loss] if isinstance(loss, nn.Module) else [])]
        self._names = {id(tensor): name for part in parts for name, tensor in part.named_parameters()}
        self._loss = "the model" if loss is None else describe(loss)
        self._is_done = False

    def watch_once(self) -> AbstractContextManager[Any]:
        """Watch the first evaluation; the others compute the same."""
        was_done, self._is_done = self._is_done, True
        return nullcontext() if was_done else self

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, unless it takes a parameter of the originals."""
        for each in tree_leaves((args, kwargs or {})):
            if isinstance(each, Tensor) and (name := self._names.get(id(each))) is not None:
                raise ComponentError(
                    f"{self._loss} uses {name} of the model itself, which is not moved: explain moves a copy; "
                    "let the model return what the loss needs, such as (prediction, penalty)"
                )
        return func(*args, **(kwargs or {}))


def _require_plain(model: nn.Module) -> None:
    """Refuse a module whose parameters cannot be copied one by one.

    :raises ComponentError: it is scripted, or has parameters without a shape yet.
    """
    name = describe(type(model))
    if isinstance(model, torch.jit.ScriptModule):
        raise ComponentError(f"{name} is compiled by torch.jit; pass the nn.Module that it was made of")
    lazy = [key for key, tensor in model.named_parameters() if is_lazy(tensor)]
    if lazy:
        raise ComponentError(f"{name}: {lazy[0]} has no shape before the first batch; call the model once before")


def _require_device(model: nn.Module, tensors: Iterable[Tensor]) -> None:
    """Refuse a batch on a device that the model does not use."""
    devices = {str(tensor.device) for tensor in (*model.parameters(), *model.buffers())}
    if "meta" in devices:
        raise ComponentError(f"{describe(type(model))} is on the meta device, where parameters have no numbers")
    for tensor in tensors:
        if devices and tensor.dim() and str(tensor.device) not in devices:
            there = " and ".join(sorted(devices))
            raise ComponentError(f"data: the batch is on {tensor.device}, the model on {there}; move it with .to(...)")


def _require_shared(problem: Problem, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    """Refuse an optimizer that holds no parameter of the model."""
    ours = {id(tensor) for tensor in problem.parameters.values()}
    if not any(id(tensor) in ours for group in optimizer.param_groups for tensor in group["params"]):
        raise ComponentError(
            f"{type(optimizer).__name__} holds no parameter of {describe(type(model))}: it moves another model's; "
            "construct it with model.parameters()"
        )
