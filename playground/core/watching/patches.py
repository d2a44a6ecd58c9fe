"""Lets watchers hear of calls: of a model, `backward`, `zero_grad`, schedulers and AMP's scaler.

The functions are replaced while somebody listens, and restored when the last listener leaves.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler


class LoopListener(Protocol):
    """Hears of what a training loop does.

    :ivar model: whose calls it hears of.
    """

    model: nn.Module

    def note_forward(self, args: Any, kwargs: Any, output: Any) -> None:
        """Hear that the model was called."""

    def before_backward(self, losses: Sequence[Tensor], weights: Sequence[Tensor | None]) -> None:
        """Hear that a gradient will be computed."""

    def after_backward(self, losses: Sequence[Tensor], weights: Sequence[Tensor | None]) -> None:
        """Hear that it was computed."""

    def fail_backward(self, losses: Sequence[Tensor], error: Exception) -> None:
        """Hear that computing it raised an error."""

    def clear_gradients(self, owner: Any) -> None:
        """Hear that a module's or an optimizer's gradients were cleared."""

    def move_schedule(self, scheduler: Any) -> None:
        """Hear that a scheduler is about to change the learning rate."""

    def scale_loss(self, loss: Any, scaled: Any) -> None:
        """Hear that AMP's scaler multiplied a loss."""

    def unscale_gradients(self, optimizer: Any) -> None:
        """Hear that AMP's scaler takes care of an optimizer's gradients: by dividing them, or by making the step."""


_LISTENERS: Final[list[LoopListener]] = []
_ORIGINALS: Final[list[tuple[Any, str, Any]]] = []


class _Calls(threading.local):
    """How many calls of `backward` are active in a thread: `Tensor.backward` calls `torch.autograd.backward`."""

    depth = 0


_CALLS: Final = _Calls()


def add_listener(listener: LoopListener) -> None:
    """Call a listener from now on."""
    if not _LISTENERS:
        _install()
    _LISTENERS.append(listener)


def remove_listener(listener: LoopListener) -> None:
    """Call a listener no longer."""
    if listener in _LISTENERS:
        _LISTENERS.remove(listener)
        if not _LISTENERS:
            while _ORIGINALS:
                owner, name, original = _ORIGINALS.pop()
                setattr(owner, name, original)


def _install() -> None:
    _replace(nn.Module, "__call__", _wrap_module_call)
    _replace(torch.Tensor, "backward", _wrap_tensor_backward)
    _replace(torch.autograd, "backward", _wrap_autograd_backward)
    _replace(torch.optim.Optimizer, "zero_grad", _wrap_clearing)
    _replace(nn.Module, "zero_grad", _wrap_clearing)
    _replace(torch.amp.GradScaler, "scale", _wrap_scaling)
    _replace(torch.amp.GradScaler, "unscale_", _wrap_unscaling)
    _replace(torch.amp.GradScaler, "step", _wrap_unscaling)
    for scheduler in _scheduler_classes():
        _replace(scheduler, "step", _wrap_schedule)


def _replace(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    original = vars(owner)[name]
    _ORIGINALS.append((owner, name, original))
    setattr(owner, name, functools.wraps(original)(wrap(original)))


def _scheduler_classes() -> list[type]:
    """Return every class of schedulers that defines its own `step`."""
    found: list[type] = []
    waiting: list[type] = [LRScheduler]
    while waiting:
        each = waiting.pop()
        waiting += each.__subclasses__()
        if "step" in vars(each) and each not in found:
            found.append(each)
    return found


def _wrap_module_call(original: Any) -> Any:
    """Hear of calls without a hook, which copies of the model and files with it would contain."""

    def __call__(self: nn.Module, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        result = original(self, *args, **kwargs)
        if not torch.compiler.is_compiling():
            for listener in _LISTENERS:
                if listener.model is self:
                    listener.note_forward(args, kwargs, result)
        return result

    return __call__


def _wrap_tensor_backward(original: Any) -> Any:
    def backward(self: Tensor, gradient: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(self, gradient, *args, **kwargs)
        return _observe([self], [gradient], lambda: original(self, gradient, *args, **kwargs))

    return backward


def _wrap_autograd_backward(original: Any) -> Any:
    def backward(tensors: Any, grad_tensors: Any = None, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(tensors, grad_tensors, *args, **kwargs)
        losses = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        weights = [grad_tensors] if isinstance(grad_tensors, Tensor) else list(grad_tensors or [None] * len(losses))
        return _observe(losses, weights, lambda: original(tensors, grad_tensors, *args, **kwargs))

    return backward


def _observe(losses: Sequence[Any], weights: Sequence[Any], call: Callable[[], Any]) -> Any:
    if _CALLS.depth or not all(isinstance(each, Tensor) for each in losses):
        return call()
    _CALLS.depth += 1
    try:
        for listener in _LISTENERS:
            listener.before_backward(losses, weights)
        try:
            result = call()
        except Exception as error:
            for listener in _LISTENERS:
                listener.fail_backward(losses, error)
            raise
        for listener in _LISTENERS:
            listener.after_backward(losses, weights)
        return result
    finally:
        _CALLS.depth -= 1


def _wrap_clearing(original: Any) -> Any:
    def zero_grad(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if not torch.compiler.is_compiling():
            for listener in _LISTENERS:
                listener.clear_gradients(self)
        return result

    return zero_grad


def _wrap_schedule(original: Any) -> Any:
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        for listener in _LISTENERS:
            listener.move_schedule(self)
        return original(self, *args, **kwargs)

    return step


def _wrap_scaling(original: Any) -> Any:
    def scale(self: Any, outputs: Any) -> Any:
        result = original(self, outputs)
        for listener in _LISTENERS:
            listener.scale_loss(outputs, result)
        return result

    return scale


def _wrap_unscaling(original: Any) -> Any:
    def unscale(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        for listener in _LISTENERS:
            listener.unscale_gradients(optimizer)
        return original(self, optimizer, *args, **kwargs)

    return unscale
