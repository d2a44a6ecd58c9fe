"""Cuts the calls that a loss was computed from out of everything that a step did."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from playground.core.user_frames import repeat_line
from playground.core.watching.call_recorder import CallRecorder, RecordedCall, TensorFacts, TensorRef, find_refs


@dataclass(frozen=True, eq=False)
class BackwardCall:
    """A call of `backward`.

    :param loss: the number of the tensor that it was called on.
    :param weight: the gradient that was sent back, for a tensor that is not one number; None for 1.
    :param position: how many calls were made before it.
    """

    loss: int
    weight: Tensor | None
    position: int


@dataclass(frozen=True, eq=False)
class RecordedProgram:
    """The calls of one step that its loss depends on.

    :param leaves: copies of the tensors from outside that these calls use, by number.
    :param parameters: the numbers of the parameters among them, by name.
    :param data: the numbers of the model's inputs among them, then those of other data with as many samples.
    :param prediction: the number of the model's output; None if it has none, or several.
    :param losses: what `backward` was called on; the loss of the step is their sum.
    :param changing: the numbers of leaves that the calls change in place, as running means.
    :param facts: of each tensor, by number.
    """

    calls: tuple[RecordedCall, ...]
    leaves: Mapping[int, Tensor]
    parameters: Mapping[str, int]
    data: tuple[int, ...]
    prediction: int | None
    losses: tuple[BackwardCall, ...]
    changing: frozenset[int]
    facts: Sequence[TensorFacts] = field(repr=False)

    def run(self, given: Mapping[int, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Make the calls.

        :param given: tensors in place of some leaves, by number.
        :returns: the loss and the prediction.
        """
        values = {**self.leaves, **given}
        values |= {index: values[index].clone() for index in self.changing}
        for call in self.calls:
            _make_call(call, values)
        first, *others = (_weigh(values[each.loss], each.weight) for each in self.losses)
        loss = functools.reduce(operator.add, others, first)
        return loss, values.get(self.prediction) if self.prediction is not None else None


class UnrepeatableStepError(Exception):
    """A step cannot be made into a program; the message says why."""


def cut_program(
    recorder: CallRecorder,
    losses: Sequence[BackwardCall],
    parameters: Mapping[str, Tensor],
    inputs: Sequence[Tensor],
    prediction: Tensor | None,
) -> RecordedProgram:
    """Return the program of what was recorded.

    :param losses: what `backward` was called on, in order; at least one.
    :param parameters: of the model, by name.
    :param inputs: of the model.
    :raises UnrepeatableStepError: the step made too many calls, or a tensor that it used is gone or was changed.
    """
    if recorder.overflowed:
        raise UnrepeatableStepError(f"it makes {len(recorder.calls):,} calls of torch or more")
    calls = _select_calls(recorder.calls[: losses[-1].position], {each.loss for each in losses})
    made = {index for call in calls for index in call.results()}
    used = {index for call in calls for index in call.inputs()} | {each.loss for each in losses}
    leaves = _copy_leaves(recorder, used)
    missing = used - made - leaves.keys()
    if missing:
        raise UnrepeatableStepError("it uses tensors that were computed before it")
    named = {name: found for name, each in parameters.items() if (found := recorder.find(each)) in leaves}
    numbers = [found for each in inputs if (found := recorder.find(each)) in leaves]
    return RecordedProgram(
        calls=tuple(calls),
        leaves=leaves,
        parameters={name: index for name, index in named.items() if index is not None},
        data=tuple(_find_data(leaves, [each for each in numbers if each is not None], set(named.values()), made)),
        prediction=None if prediction is None else recorder.find(prediction),
        losses=tuple(losses),
        changing=frozenset(_find_changing(recorder, calls) & leaves.keys()),
        facts=recorder.facts,
    )


def _select_calls(calls: Sequence[RecordedCall], losses: set[int]) -> list[RecordedCall]:
    """Return the calls that these results depend on, directly or through a tensor that is changed in place.

    A view shares its memory with its base, so what a changed tensor was computed from is kept as well.
    """
    needed, kept = set(losses), []
    changed = {index for call in calls if call.mutates for index in call.inputs()}
    for call in reversed(calls):
        touches = call.mutates and not needed.isdisjoint(call.inputs())
        feeds_change = bool(changed) and not changed.isdisjoint(call.results())
        if touches or feeds_change or not needed.isdisjoint(call.results()):
            needed.update(call.inputs())
            kept.append(call)
    return kept[::-1]


def _copy_leaves(recorder: CallRecorder, used: set[int]) -> dict[int, Tensor]:
    found = {}
    for index in sorted(used & recorder.leaves.keys()):
        value = recorder.leaves[index].value()
        if recorder.leaves[index].has_history:
            why = "it uses a tensor that was computed before it, or by calls that cannot be seen (a compiled function)"
            raise UnrepeatableStepError(why)
        if value is None:
            raise UnrepeatableStepError("a tensor that it used was changed in place, or is gone")
        found[index] = value
    return found


def _find_changing(recorder: CallRecorder, calls: Sequence[RecordedCall]) -> set[int]:
    """Return the buffers, and what calls change in place."""
    return set(range(recorder.buffers)) | {index for call in calls if call.mutates for index in call.inputs()}


def _find_data(leaves: Mapping[int, Tensor], inputs: Sequence[int], parameters: set[Any], made: set[int]) -> list[int]:
    """Return the model's inputs, and the other leaves that have a row for each sample, as targets do."""
    first = [each for each in inputs if leaves[each].dim() and not leaves[each].requires_grad]
    if not first:
        return []
    samples = len(leaves[first[0]])
    first = [each for each in first if len(leaves[each]) == samples]
    others = [
        index
        for index, leaf in leaves.items()
        if index not in (*first, *parameters) and leaf.dim() and len(leaf) == samples and not leaf.requires_grad
    ]
    return [*first, *others] if len(others) <= 1 else first


def _make_call(call: RecordedCall, values: dict[int, Tensor]) -> None:
    """Make a call with the tensors of the replay, and keep its results under their numbers."""
    args, kwargs = _fill(call.arguments, values)
    if call.rng_state is not None:
        torch.set_rng_state(call.rng_state)
    dtype = call.context.autocast
    with ExitStack() as modes:  # entered only where needed: a derivative check makes some ten thousand calls
        modes.enter_context(repeat_line(call.place))
        if call.context.grad_enabled != torch.is_grad_enabled():
            modes.enter_context(torch.set_grad_enabled(call.context.grad_enabled))
        if dtype is not None:
            device = next((each.device.type for each in values.values()), "cpu")
            modes.enter_context(torch.autocast(device, dtype=dtype, cache_enabled=False))
        result = call.function(*args, **kwargs)
    _bind(call.outputs, result, values)


def _fill(item: Any, values: Mapping[int, Tensor]) -> Any:
    if isinstance(item, TensorRef):
        return values[item.number]
    if isinstance(item, tuple):
        return tuple(_fill(each, values) for each in item)
    if isinstance(item, list):
        return [_fill(each, values) for each in item]
    if isinstance(item, dict):
        return {key: _fill(each, values) for key, each in item.items()}
    if isinstance(item, slice) and next(find_refs(item), None) is not None:
        return slice(*(_fill(each, values) for each in (item.start, item.stop, item.step)))
    return item


def _bind(outputs: Any, result: Any, values: dict[int, Tensor]) -> None:
    if isinstance(outputs, TensorRef):
        values[outputs.number] = result
    elif isinstance(outputs, tuple | list):
        for each, made in zip(outputs, result, strict=True):
            _bind(each, made, values)
    elif isinstance(outputs, dict):
        for key, each in outputs.items():
            _bind(each, result[key], values)


def _weigh(loss: Tensor, weight: Tensor | None) -> Tensor:
    if weight is not None:
        return (loss * weight).sum()
    return loss if loss.dim() == 0 else loss.reshape(())
