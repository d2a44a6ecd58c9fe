"""The range of a model's predictions: the parameter-free operations at its end, and the least loss they allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from playground.core.lbfgs import minimize
from playground.core.problem import Problem
from playground.core.tape import short_name

MAX_NUMBERS = 4_000
"""The most predictions for which the least loss is searched."""


@dataclass(frozen=True, eq=False)
class _TailCall:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    input: Tensor
    output: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Apply the same operations to another input."""
        chosen = [z.clone() if each is self.input else _cast_like(each, z) for each in self.arguments]
        result: Tensor = self.function(*chosen, **self.keywords)
        return result


@dataclass(frozen=True)
class Tail:
    """The operations between a model's last parameter and its prediction.

    :param before: their input; `prediction` is their output.
    :param name: the last of them that changes numbers; empty if none does.
    """

    calls: tuple[_TailCall, ...]
    before: Tensor
    prediction: Tensor
    name: str

    def __call__(self, z: Tensor) -> Tensor:
        """Return the prediction for other inputs of the tail."""
        for call in self.calls:
            z = call(z)
        return z


def find_tail(problem: Problem) -> Tail | None:
    """Return the operations after the model's last weighted sum; None without data, or if the model returns no tensor.

    :param problem: with the parameters of interest; its module is called once, in its current mode.
    """
    recorder, data = _TailRecorder(), problem.batches.data
    if not data:
        return None
    with recorder:
        prediction = problem.module(data[0])
    if not isinstance(prediction, Tensor) or not prediction.requires_grad:
        return None
    calls: list[_TailCall] = []
    place = prediction
    for call in reversed(recorder.calls):
        if call.output is place:
            if call.input is None:
                break
            calls.insert(0, _TailCall(call.function, call.arguments, call.keywords, call.input, call.output))
            place = call.input
    name = next((short_name(each.function) for each in reversed(calls) if _changes_numbers(each)), "")
    return Tail(tuple(calls), place.detach(), prediction.detach(), name)


def minimize_predictions(problem: Problem, predict: Callable[[Tensor], Tensor], start: Tensor) -> float:
    """Return the least loss over all data that a search finds for predictions `predict(z)` with free z.

    It starts from `start`, from 0, and from positive numbers, where a ReLU is not 0.

    :param predict: takes float64 numbers of the shape of the start.
    """
    data = tuple(each.double() if each.is_floating_point() else each for each in problem.batches.data)

    def loss(z: Tensor) -> Tensor:
        return problem.loss(lambda *_: predict(z.view(start.shape)), data)

    own = start.detach().double().flatten()
    drawn = torch.rand(len(own), generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(own)
    return min(minimize(loss, place)[0] for place in (own, torch.zeros_like(own), drawn + 0.1))


@dataclass(frozen=True, eq=False)
class _RecordedCall:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    input: Tensor | None
    output: Tensor


class _TailRecorder(TorchFunctionMode):
    """Records calls that have exactly one tensor operand, which is not a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_RecordedCall] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, and record the call if it made one tensor."""
        kwargs = kwargs or {}
        tracked = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor) and each.requires_grad]
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and torch.is_grad_enabled():
            single = len(tracked) == 1 and not isinstance(tracked[0], nn.Parameter) and tracked[0] is not result
            nested = any(isinstance(each, tuple | list) and any(isinstance(e, Tensor) for e in each) for each in args)
            ordinary = single and not nested and any(each is tracked[0] for each in args)
            self.calls.append(_RecordedCall(func, args, kwargs, tracked[0] if ordinary else None, result))
        return result


def _changes_numbers(call: _TailCall) -> bool:
    """Whether an operation changes numbers, not only their shape or order."""
    before, after = call.input.detach().flatten().sort().values, call.output.detach().flatten().sort().values
    return before.shape != after.shape or not torch.equal(before, after)


def _cast_like(item: Any, z: Tensor) -> Any:
    return item.to(z) if isinstance(item, Tensor) and item.is_floating_point() else item


@dataclass(frozen=True)
class Floors:
    """The least loss of free predictions.

    :param free: of any numbers.
    :param within: of the numbers that the model's last operation can produce.
    :param constant: of one such prediction for all samples.
    """

    tail: Tail
    free: float
    within: float
    constant: float


def find_floors(problem: Problem) -> Floors | None:
    """Return the least losses of free predictions; None if there are none, or too many.

    :param problem: with its module in the mode to examine.
    """
    found = find_tail(problem)
    if found is None or found.prediction.numel() > MAX_NUMBERS or found.prediction.dim() not in (1, 2):
        return None
    same = found.before.double().mean(0, keepdim=True)
    within = minimize_predictions(problem, found, found.before)
    constant = minimize_predictions(problem, lambda z: found(z.expand_as(found.before)), same)
    free = within
    if found.name:
        with suppress(RuntimeError):  # some losses refuse numbers outside the range: then `within` is the answer
            free = minimize_predictions(problem, lambda z: z, found.prediction)
    return Floors(found, min(free, within), within, constant)
