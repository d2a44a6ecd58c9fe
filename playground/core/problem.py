"""A problem: parameters and the loss to minimize."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from playground.core.definition import describe
from playground.core.functional import functional_call
from playground.core.seeding import make_generator, preserve_torch_stream
from playground.errors import ComponentError, Fault, ScenarioError, suggest_names

BatchTensors = tuple[Tensor, ...]
"""The tensors of one step, samples along the first axis; empty without data."""

Forward = Callable[..., Tensor]
"""A module, or the same module with other parameters."""


class Batches:
    """The data of each step, as a pure function of the step.

    :param data: all samples, along the first axis of every tensor.
    :param size: samples per step; None means all of them at every step, in their order.
    :param seed: each epoch is a permutation drawn from `(seed, epoch)`; its last batch may be smaller.
    :param ordered: take the samples in their own order in each epoch; the seed has no effect.
    :raises ScenarioError: `size` exceeds the number of samples, or there are none.
    """

    def __init__(self, data: BatchTensors = (), size: int | None = None, seed: int = 0, ordered: bool = False) -> None:
        self.data = data
        self.size = size
        self.ordered = ordered
        self._seed = seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)
        samples = len(data[0]) if data else 0
        if size is not None:
            if not data:
                raise ScenarioError(Fault("this task has no data to take batches of", ("batch_size",)))
            if size > samples:
                raise ScenarioError(Fault(f"batch_size {size} exceeds the {samples} samples", ("batch_size",)))
            self.per_epoch = -(-samples // size)

    @property
    def names(self) -> Sequence[str]:
        """The names of the tensors: `x` and `t`, or `x1`, `x2`, … if there are more or fewer."""
        return ["x", "t"] if len(self.data) == 2 else [f"x{index}" for index in range(1, len(self.data) + 1)]

    def with_seed(self, seed: int) -> Batches:
        """Return the batches of a run with another seed."""
        return Batches(self.data, self.size, seed, self.ordered)

    def at(self, step: int) -> BatchTensors:
        """Return the batch of a step."""
        if self.size is None:
            return self.data
        chosen = self.select_samples(step)
        return tuple(tensor[chosen] for tensor in self.data)

    def select_samples(self, step: int) -> Tensor:
        """Return the indices of the samples of a step, if batches have a size."""
        size = self.size or len(self.data[0])
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = self.order(epoch).to(self.data[0].device)
        return self._order[position * size : (position + 1) * size]

    def shapes(self) -> Iterator[BatchTensors]:
        """Yield one batch of each size that a step can have, from the first samples."""
        samples = len(self.data[0]) if self.data else 0
        sizes = {samples} if self.size is None else {self.size, samples % self.size or self.size}
        for size in sorted(sizes, reverse=True):
            yield tuple(tensor[:size] for tensor in self.data)

    def order(self, epoch: int) -> Tensor:
        """Return the permutation of all samples that an epoch takes its batches from."""
        if self.ordered:
            return torch.arange(len(self.data[0]))
        return torch.randperm(len(self.data[0]), generator=make_generator(self._seed, "batches", epoch))


@dataclass(frozen=True)
class Problem:
    """Parameters and a loss to minimize.

    :param module: owns the parameters.
    :param loss: the scalar to minimize, given the module (or the module with other parameters) and a batch.
    :param batches: the data.
    :param objective: the component that computes the loss, for messages; None if there is no single one.
    :param predictor: the part of the module whose output is the prediction; None for the module itself.
    """

    module: nn.Module
    loss: Callable[[Forward, BatchTensors], Tensor]
    batches: Batches = field(default_factory=Batches)
    objective: Any = None
    predictor: nn.Module | None = None

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The trainable parameters by name."""
        return {name: tensor for name, tensor in self.module.named_parameters() if tensor.requires_grad}

    def forward(self, parameters: Mapping[str, Tensor]) -> Forward:
        """Return the module with these parameters in place of its own."""
        return lambda *inputs, **keywords: functional_call(self.module, parameters, inputs, keywords)

    def probe(self) -> None:
        """Evaluate once over all data in evaluation mode, and once in training mode for each size of a batch.

        This detects mistakes before training. The run's random numbers are not affected, and neither are the buffers of
        a well-behaved module.

        :raises ComponentError: nothing can be trained, the loss is not a scalar, or it depends on no parameter.
        """
        require_parameters(self.module)
        self.module.eval()
        self._require_descent(self.batches.data)
        with preserve_torch_stream(next(self.module.parameters()).device), _restore_buffers(self.module):
            self.module.train()
            for batch in self.batches.shapes():
                loss = self._require_descent(batch)
                found = torch.autograd.grad(loss, list(self.parameters.values()), allow_unused=True)
                if all(gradient is None for gradient in found):
                    raise self._unreached(batch)
        self.module.eval()

    def _require_descent(self, batch: BatchTensors) -> Tensor:
        """Return the loss of a batch; see `require_differentiable`."""
        loss = require_number(self.loss(self.module, batch), self.objective)
        if not loss.requires_grad:
            raise self._unreached(batch)
        return loss

    def _unreached(self, batch: BatchTensors) -> ComponentError:
        """Return the error that no gradient reaches a parameter, and whether the module or the loss cuts it off."""
        outputs: list[Any] = []
        handle = self.module.register_forward_hook(lambda _, __, output: outputs.append(output))
        try:
            self.loss(self.module, batch)
        finally:
            handle.remove()
        ways = "by .item(), .detach(), .data, torch.tensor(...), numpy, no_grad or a comparison"
        if outputs and isinstance(outputs[-1], Tensor) and not outputs[-1].requires_grad:
            text = f"{describe(self.module)} uses no parameter, or cuts its output off from the graph {ways}"
            return ComponentError(Fault(f"nothing to descend: {text}", ("model",)))
        who = "it is" if self.objective is None else f"{describe(self.objective)} returns a number that is"
        return ComponentError(
            f"nothing to descend: the loss depends on no parameter; {who} cut off from the graph {ways}"
        )


def require_module(made: Any, factory: Any) -> nn.Module:
    """Return a model factory's result if it is a module of real numbers.

    :param factory: for messages.
    :raises ComponentError: it is not a module, or has complex parameters or buffers, which a conversion would truncate.
    """
    if not isinstance(made, nn.Module):
        what = f"the class {made.__name__}" if isinstance(made, type) else describe_type(made)
        raise ComponentError(Fault(f"{describe(factory)} returned {what}; expected an nn.Module", ("model",)))
    for name, tensor in (*made.named_parameters(), *made.named_buffers()):
        if tensor.is_complex():
            message = f"{describe(factory)} has {name} of {tensor.dtype}; expected real numbers"
            raise ComponentError(Fault(message, ("model",)))
    return made


def require_parameters(module: nn.Module) -> None:
    """Refuse a module without trainable parameters.

    :raises ComponentError: it has no parameters, or all of them are frozen.
    """
    parameters = list(module.parameters())
    if any(parameter.requires_grad for parameter in parameters):
        return
    name = describe(module)
    if parameters:
        frozen = f"all {len(parameters)} parameters of {name} are frozen (requires_grad=False)"
        raise ComponentError(Fault(f"nothing to descend: {frozen}", ("model",)))
    hidden = next((f"; {found.reason}" for each in module.modules() for found in find_hidden_parameters(each)), "")
    raise ComponentError(Fault(f"nothing to descend: {name} has no parameters{hidden}", ("model",)))


class HiddenParameters(NamedTuple):
    """Parameters that a module uses and PyTorch does not know of.

    :param reason: the attribute that hides them, and what it must be.
    """

    reason: str
    tensors: tuple[Tensor, ...]


def find_hidden_parameters(module: nn.Module) -> Iterator[HiddenParameters]:
    """Yield the attributes of a module that hide layers or parameters from PyTorch."""
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, Tensor):
            if value.requires_grad:
                yield HiddenParameters(f"self.{name} is a tensor, which must be an nn.Parameter", (value,))
        elif isinstance(value, list | tuple | dict) and value:
            items = list(value.values()) if isinstance(value, dict) else list(value)
            kind, right = type(value).__name__, "Dict" if isinstance(value, dict) else "List"
            if all(isinstance(each, nn.Module) for each in items):
                tensors = tuple(tensor for each in items for tensor in each.parameters())
                yield HiddenParameters(f"self.{name} is a {kind} of layers, which must be an nn.Module{right}", tensors)
            elif all(isinstance(each, nn.Parameter) for each in items):
                reason = f"self.{name} is a {kind} of parameters, which must be an nn.Parameter{right}"
                yield HiddenParameters(reason, tuple(items))


@contextmanager
def _restore_buffers(module: nn.Module) -> Iterator[None]:
    """Restore a module's buffers at the end of a `with` block."""
    before = {name: buffer.detach().clone() for name, buffer in module.named_buffers()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                if name in before and not torch.equal(buffer, before[name]):
                    buffer.copy_(before[name])


def require_number(value: Any, component: Any = None, what: str = "the loss") -> Tensor:
    """Return a component's result if it is one real number in a tensor.

    :param component: what computed it; None if there is no single one.
    :param what: what it is, for messages.
    :raises ComponentError: it is not.
    """
    if isinstance(value, Tensor) and value.dim() == 0 and value.is_floating_point():
        return value
    maker = "" if component is None else f" from {describe(component)}"
    if not isinstance(value, Tensor):
        raise ComponentError(f"{what} must be a single number (a 0-d tensor), got {describe_type(value)}{maker}")
    if value.dim() != 0:
        raise ComponentError(f"{what} must be a single number (a 0-d tensor), got shape {tuple(value.shape)}{maker}")
    raise ComponentError(f"{what} must be a floating-point number, got {value.dtype}{maker}")


def require_differentiable(loss: Tensor) -> Tensor:
    """Return the loss if it can be minimized.

    :raises ComponentError: it is not a scalar, or depends on no parameter.
    """
    require_number(loss)
    if not loss.requires_grad:
        raise ComponentError(
            "nothing to descend: the loss does not depend on any parameter through differentiable operations"
        )
    return loss


def describe_type(value: Any) -> str:
    """Describe an object that was returned in place of a tensor: `None`, `a tuple of 2`, `a numpy.ndarray`."""
    if value is None:
        return "None"
    if isinstance(value, tuple | list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    module = type(value).__module__
    return f"a {type(value).__qualname__}" if module == "builtins" else f"a {module}.{type(value).__qualname__}"


def assign(module: nn.Module, values: Mapping[str, Any]) -> None:
    """Set parameters by name; the others keep their initial values. A tied parameter has several names.

    :param values: numbers or nested lists, of exactly the parameter's shape.
    :raises ScenarioError: an unknown name, a wrong shape, or two values for one parameter.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    faults = []
    names: dict[int, str] = {}
    for name, value in values.items():
        if name not in parameters:
            faults.append(Fault(f"unknown parameter {name!r}{suggest_names(name, parameters)}", (name,)))
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
        first = names.setdefault(id(parameter), name)
        if first != name and value != values[first]:
            faults.append(Fault(f"{name}: is the same parameter as {first}, which has another value", (name,)))
            continue
        with torch.no_grad():
            parameter.copy_(tensor)
    if faults:
        raise ScenarioError(*faults)
