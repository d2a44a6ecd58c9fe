"""Draws the initial parameters of many seeds without building a module for each.

Building a module takes many times as long as drawing its numbers. So three seeds build theirs while every operation is
recorded. If these are random draws from torch's stream, exact arithmetic and copies, and the same for all three, then
the other seeds repeat the draws, each from its own stream, and the arithmetic is done for all at once. The numbers of
the three seeds must come out to the last bit; otherwise nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from playground.core.problem import Problem
from playground.core.replicas.base import Parameters

MIN_DRAWN_SEEDS = 16
"""With fewer seeds, building their modules takes no longer than recording three of them."""

_EXACT = {
    *("copy_", "fill_", "zero_", "add_", "sub_", "mul_", "div_", "neg_"),
    *("add", "sub", "mul", "div", "neg", "clone", "_to_copy"),
}
"""Operations whose results do not depend on where an entry stands: they round each entry once, or not at all."""

_READS = {"_local_scalar_dense", "equal", "is_nonzero", "item"}
"""Operations by which Python reads a tensor, and may decide by it what to do next."""


@dataclass(frozen=True)
class _Place:
    """A tensor as a part of a recorded storage."""

    storage: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class _Step:
    """A recorded operation; tensors in recorded storages are places, other tensors stand for themselves."""

    operation: Any
    inputs: tuple[Any, ...]
    form: Any
    output: _Place
    draws: bool


class _CannotDrawError(Exception):
    """The initialisation is not one of draws and exact arithmetic."""


def _is_plain(values: Sequence[Any]) -> bool:
    """Tell whether a draw depends on torch's stream alone: on no tensor and on no generator of its own."""
    return not any(isinstance(value, Tensor | torch.Generator | _Place) for value in values)


class _InitialisationRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations that make the parameters of a module.

    :ivar contents: the first content of each storage, flat.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[_Step] = []
        self.contents: list[Tensor] = []
        self._storages: dict[int, int] = {}
        self._alive: list[Tensor] = []  # so that no address is used twice
        self._drawn: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: a mode that skips dynamo imports `torch._dynamo`, which takes two seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._record(func, args, kwargs or {}, result)
        return result

    def place(self, tensor: Tensor) -> _Place | None:
        """Return where a tensor is; None if its storage is not recorded."""
        storage = self._storages.get(tensor.untyped_storage().data_ptr())
        if storage is None or not tensor.numel():
            return None
        return _Place(storage, tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset()))

    def _record(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        flat, form = tree_flatten((args, kwargs))
        name = func.overloadpacket.__name__
        inputs = tuple(self.place(each) or each if isinstance(each, Tensor) else each for each in flat)
        places = [each for each in inputs if isinstance(each, _Place)]
        tainted = any(each.storage in self._drawn for each in places)
        draws = torch.Tag.nondeterministic_seeded in func.tags
        if draws and (places[:1] != list(inputs[: len(places[:1])]) or not _is_plain(inputs[len(places[:1]) :])):
            raise _CannotDrawError(name)
        if tainted and name in _READS:
            raise _CannotDrawError(name)
        if not isinstance(result, Tensor):
            if tainted:
                raise _CannotDrawError(name)
            return
        output = self.place(result)
        if output is None and not draws and not any(isinstance(each, Tensor) for each in flat):
            self._add_storage(result, None if name.startswith("empty") else result)
            return
        changed = output is not None and func._schema.is_mutable
        if not (tainted or draws or changed):
            return
        if output is None:  # a new tensor
            self._add_storage(result, None)
            output = self.place(result)
        elif not changed:  # another view of a storage that is known
            return
        if not draws and (name not in _EXACT or "alpha" in kwargs):
            raise _CannotDrawError(name)
        if output is not None:
            self._drawn.add(output.storage)
            self.steps.append(_Step(func, inputs, form, output, draws))

    def _add_storage(self, tensor: Tensor, content: Tensor | None) -> None:
        whole = torch.as_strided(tensor.detach(), (tensor.untyped_storage().nbytes() // tensor.itemsize,), (1,), 0)
        self._alive.append(tensor)
        self._storages[tensor.untyped_storage().data_ptr()] = len(self.contents)
        self.contents.append(torch.empty_like(whole) if content is None else whole.clone())


def draw_together(
    problem_of: Callable[[int], Problem], seeds: Sequence[int]
) -> tuple[Parameters, tuple[Problem, Problem]] | None:
    """Return the initial parameters of each seed as one tensor per name, and two of the problems; None if it cannot.

    Everything happens on the CPU, and torch's global stream is left anywhere.

    :param problem_of: builds the problem of a seed.
    """
    known = (0, len(seeds) // 2, len(seeds) - 1)
    try:
        recorded = [_record_problem(problem_of, seeds[place]) for place in known]
    except _CannotDrawError:
        return None
    recorder, problem = recorded[0]
    if not all(_is_same(recorder, other) for other, _ in recorded[1:]):
        return None
    storages = _replay(recorder, seeds)
    found: Parameters = {}
    for name, tensor in problem.parameters.items():
        place = recorder.place(tensor)
        found[name] = tensor.detach().expand(len(seeds), *tensor.shape) if place is None else _view(storages, place)
    for row, (_, other) in zip(known, recorded, strict=True):
        if not all(_same_bits(found[name][row], tensor.detach()) for name, tensor in other.parameters.items()):
            return None
    return {name: tensor.contiguous() for name, tensor in found.items()}, (problem, recorded[1][1])


def _record_problem(problem_of: Callable[[int], Problem], seed: int) -> tuple[_InitialisationRecorder, Problem]:
    torch.default_generator.manual_seed(seed)
    with _InitialisationRecorder() as recorder:
        problem = problem_of(seed)
    return recorder, problem


def _replay(recorder: _InitialisationRecorder, seeds: Sequence[int]) -> list[Tensor]:
    """Repeat the draws of every seed and then the arithmetic of all; return the storages, a row for each seed."""
    count = len(seeds)
    storages = [content.repeat(count, 1) for content in recorder.contents]
    draws = [step for step in recorder.steps if step.draws]
    targets = []
    for step in draws:
        place = step.output
        fresh = torch.empty(count, storages[place.storage].shape[1], dtype=storages[place.storage].dtype)
        targets.append(_view([fresh], _Place(0, place.shape, place.stride, place.offset)))
    calls = [_bind(step) for step in draws]
    with torch.no_grad():
        for seed, *rows in zip(seeds, *(target.unbind(0) for target in targets), strict=True):
            torch.default_generator.manual_seed(seed)
            for call, row in zip(calls, rows, strict=True):
                call(row)
        drawn = iter(targets)
        for step in recorder.steps:
            output = _view(storages, step.output)
            if step.draws:
                output.copy_(next(drawn))
                continue
            dimensions = len(step.output.shape)
            inputs = [_batch(storages, each, dimensions) for each in step.inputs]
            args, kwargs = tree_unflatten(inputs, step.form)
            result = step.operation(*args, **kwargs)
            if not step.operation._schema.is_mutable:
                output.copy_(result)
    return storages


def _bind(step: _Step) -> Callable[[Tensor], Any]:
    """Return what draws numbers into a tensor."""
    args, kwargs = tree_unflatten(list(step.inputs), step.form)
    if not isinstance(step.inputs[0], _Place):  # it makes a new tensor
        return lambda row: row.copy_(step.operation(*args, **kwargs))
    method = getattr(torch.Tensor, step.operation.overloadpacket.__name__)
    return lambda row: method(row, *args[1:], **kwargs)


def _view(storages: Sequence[Tensor], place: _Place) -> Tensor:
    """Return a place of every seed's storage, shape `(seeds, *shape)`."""
    storage = storages[place.storage]
    return storage.as_strided((len(storage), *place.shape), (storage.shape[1], *place.stride), place.offset)


def _batch(storages: Sequence[Tensor], value: Any, dimensions: int) -> Any:
    """Return an input of an operation for all seeds; dimensions of size 1 let it broadcast as for one seed."""
    if not isinstance(value, _Place):
        return value
    found = _view(storages, value)
    return (
        found.reshape(len(found), *[1] * (dimensions - len(value.shape)), *value.shape)
        if len(value.shape) < dimensions
        else found
    )


def _is_same(first: _InitialisationRecorder, second: _InitialisationRecorder) -> bool:
    """Tell whether two seeds did the same, with the same constants."""
    if len(first.steps) != len(second.steps) or len(first.contents) != len(second.contents):
        return False
    pairs = zip(first.steps, second.steps, strict=True)
    return all(
        (a.operation, a.output, a.form) == (b.operation, b.output, b.form)
        and all(_is_equal(x, y) for x, y in zip(a.inputs, b.inputs, strict=True))
        for a, b in pairs
    )


def _is_equal(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return _same_bits(first, second)
    return bool(type(first) is type(second) and first == second)


def _same_bits(first: Tensor, second: Tensor) -> bool:
    same = first.shape == second.shape and first.dtype == second.dtype
    return same and torch.equal(*(each.reshape(-1).contiguous().view(torch.uint8) for each in (first, second)))
