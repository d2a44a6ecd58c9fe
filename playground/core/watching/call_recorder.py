"""Records every call of a torch function during one step of somebody's loop, without keeping what it computes.

A call refers to tensors by number. Results are not kept: tensors are recognized by identity through weak references, so
that a validation pass between two steps needs no more memory than without the recorder. Tensors that come from outside
the step (parameters, data) are kept, because a replay begins with them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from playground.core.tape import short_name
from playground.core.user_frames import CodePlace, find_user_line

MAX_CALLS: Final = 20_000
"""The most calls of a step that are recorded; a step with more is not kept."""

_MUTATORS: Final = frozenset({"__setitem__", "__set__", "set_", "__delitem__"})

_EXITS: Final = frozenset({"item", "tolist", "numpy", "__float__", "__int__", "__array__"})

_IGNORED_PROPERTIES: Final = (torch.Tensor.grad, torch.Tensor.requires_grad)
"""Properties that hold what `backward` made, or what is known of a tensor anyway."""


class TensorRef(NamedTuple):
    """A tensor of the step, by number."""

    number: int


class TensorFacts(NamedTuple):
    """What is known of a tensor without its numbers.

    :param differentiable: whether a gradient passes through it: it requires one, and if a call of the step made it,
        that call is in torch's graph.
    """

    shape: tuple[int, ...]
    floating: bool
    differentiable: bool


class CallContext(NamedTuple):
    """The modes of torch in which a call was made."""

    grad_enabled: bool
    autocast: torch.dtype | None


@dataclass(frozen=True, eq=False)
class RecordedCall:
    """One call of a torch function.

    :param arguments: positional and keyword arguments, with a `TensorRef` in place of each tensor.
    :param outputs: the result, likewise; nothing for a call that makes plain numbers of a tensor.
    :param mutates: whether it changes an argument in place.
    :param rng_state: the state of torch's CPU generator before a call that drew from it; None for any other call.
    :param place: the line of the user's program.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, Mapping[str, Any]]
    outputs: Any
    context: CallContext
    mutates: bool
    rng_state: Tensor | None
    place: CodePlace | None

    @property
    def label(self) -> str:
        """The function as the program writes it: `.detach()`, `.data`, `torch.tensor`."""
        full = resolve_name(self.function) or self.name
        *path, last = full.split(".")
        if last == "__get__":
            return f".{path[-1]}"
        return f".{last}()" if path[-1:] in (["Tensor"], ["TensorBase"]) else full

    def inputs(self) -> Iterator[int]:
        """Yield the numbers of its tensors."""
        return find_refs(self.arguments)

    def results(self) -> Iterator[int]:
        """Yield the numbers of its results."""
        return find_refs(self.outputs)


class Leaf:
    """A tensor from outside the step.

    :ivar has_history: whether calls that were not seen computed it from something differentiable.
    :ivar copy: its numbers, if they had to be copied before a call changed them.
    """

    def __init__(self, tensor: Tensor, keep: bool) -> None:
        self._tensor: Callable[[], Tensor | None] = (lambda: tensor) if keep else weakref.ref(tensor)
        self._version = tensor._version
        self.has_history = tensor.grad_fn is not None
        self.copy: Tensor | None = None

    def freeze(self) -> None:
        """Copy the numbers, because the next call may change them."""
        tensor = self._tensor()
        if self.copy is None and tensor is not None and tensor._version == self._version:
            self.copy = copy_leaf(tensor)

    def value(self) -> Tensor | None:
        """Return a copy as the step saw it first; None if it is gone or was changed since."""
        self.freeze()
        return self.copy


def copy_leaf(tensor: Tensor) -> Tensor:
    """Return a copy without history that requires a gradient if the tensor does."""
    with torch._C.DisableTorchFunction():
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)


class CallRecorder(TorchFunctionMode):
    """Records calls while it is active.

    A watcher uses one recorder for all its steps: functions that `torch.compile` runs are compiled once more for each
    mode that is active around them.

    :param buffers: tensors that layers change without saying so, such as running means; copied at once.
    :param device: the type of device whose autocast is recorded.
    :ivar calls: in order.
    :ivar facts: of each tensor, by number.
    :ivar leaves: the tensors from outside, by number.
    :ivar buffers: how many of the first numbers belong to buffers.
    :ivar overflowed: whether there were more than `MAX_CALLS`.
    """

    def __init__(self, buffers: Iterable[Tensor] = (), device: str = "cpu") -> None:
        super().__init__()
        self.reset(buffers, device)

    def reset(self, buffers: Iterable[Tensor] = (), device: str = "cpu") -> None:
        """Begin a new step; what was recorded of earlier ones stays with them."""
        self.calls: list[RecordedCall] = []
        self.facts: list[TensorFacts] = []
        self.leaves: dict[int, Leaf] = {}
        self.overflowed = False
        self._device = device
        self._known: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._paused = 0
        for buffer in buffers:
            self.leaves[self.number_of(buffer)].freeze()
        self.buffers = len(self.facts)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, and record the call if it returned or changed a tensor."""
        if torch.compiler.is_compiling():
            return func(*args, **(kwargs or {}))
        return self.record(func, args, kwargs or {})

    def record(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call a function, and record the call; nothing that it calls itself is recorded."""
        if self._paused or self.overflowed or getattr(function, "__self__", None) in _IGNORED_PROPERTIES:
            return function(*args, **kwargs)
        mutates = _is_mutator(function, kwargs)
        arguments = (self._refer(args), self._refer(dict(kwargs)))
        if mutates:
            for index in find_refs(arguments):
                if index in self.leaves:
                    self.leaves[index].freeze()
        dice = torch.get_rng_state()
        context = CallContext(torch.is_grad_enabled(), _autocast_dtype(self._device))
        self._paused += 1
        try:
            result = function(*args, **kwargs)
        finally:
            self._paused -= 1
        if mutates:
            self._note_shapes((args, kwargs))
        outputs = self._refer(result, made_here=True)
        if mutates or next(find_refs(outputs), None) is not None or _is_exit(function):
            drew = dice if not torch.equal(dice, torch.get_rng_state()) else None
            place = find_user_line()
            name = short_name(function)
            self.calls.append(RecordedCall(name, function, arguments, outputs, context, mutates, drew, place))
            self.overflowed = len(self.calls) >= MAX_CALLS
        return result

    def pause(self) -> None:
        """Record nothing until `resume`."""
        self._paused += 1

    def resume(self) -> None:
        """Record again."""
        self._paused -= 1

    def find(self, tensor: Tensor) -> int | None:
        """Return the number of a tensor; None if the step has not seen it."""
        known = self._known.get(id(tensor))
        if known is None or known[0]() is not tensor:
            return None
        # `set_` of a storage, by which tensors arrive from other processes and files, passes by every mode
        return known[1] if self.facts[known[1]].shape == tuple(tensor.shape) else None

    def number_of(self, tensor: Tensor, made_here: bool = False) -> int:
        """Return the number of a tensor; one that is new comes from outside unless a call of this step made it."""
        found = self.find(tensor)
        if found is not None:
            return found
        index = len(self.facts)
        with torch._C.DisableTorchFunction():
            differentiable = tensor.requires_grad and (not made_here or tensor.grad_fn is not None)
            self.facts.append(TensorFacts(tuple(tensor.shape), tensor.is_floating_point(), differentiable))
            if not made_here:
                self.leaves[index] = Leaf(tensor, keep=torch.is_grad_enabled())
        self._known[id(tensor)] = (weakref.ref(tensor), index)
        return index

    def _note_shapes(self, item: Any) -> None:
        """Note the shapes of arguments after a call that may have changed them."""
        if isinstance(item, Tensor):
            known = self._known.get(id(item))
            if known is not None and known[0]() is item:
                self.facts[known[1]] = self.facts[known[1]]._replace(shape=tuple(item.shape))
        elif isinstance(item, tuple | list):
            for each in item:
                self._note_shapes(each)
        elif isinstance(item, Mapping):
            self._note_shapes(tuple(item.values()))

    def _refer(self, item: Any, made_here: bool = False) -> Any:
        """Return nested arguments with a `TensorRef` in place of each tensor."""
        if isinstance(item, Tensor):
            return TensorRef(self.number_of(item, made_here))
        if isinstance(item, tuple) and type(item) is not torch.Size:
            return tuple(self._refer(each, made_here) for each in item)
        if type(item) is list:
            return [self._refer(each, made_here) for each in item]
        if type(item) is dict:
            return {key: self._refer(each, made_here) for key, each in item.items()}
        if type(item) is slice:
            return slice(*(self._refer(each) for each in (item.start, item.stop, item.step)))
        return item


def find_refs(item: Any) -> Iterator[int]:
    """Yield the numbers of the tensors in nested arguments."""
    if isinstance(item, TensorRef):
        yield item.number
    elif isinstance(item, tuple | list):
        for each in item:
            yield from find_refs(each)
    elif isinstance(item, dict):
        for each in item.values():
            yield from find_refs(each)
    elif isinstance(item, slice):
        yield from find_refs((item.start, item.stop, item.step))


def _is_exit(function: Callable[..., Any]) -> bool:
    """Tell whether a function makes plain numbers of a tensor."""
    return getattr(function, "__name__", "") in _EXITS


def _is_mutator(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> bool:
    name = getattr(function, "__name__", "")
    in_place = name.endswith("_") and not name.endswith("__")
    augmented = name.startswith("__i") and name.endswith("__") and name not in ("__invert__", "__index__", "__int__")
    return in_place or augmented or name in _MUTATORS or kwargs.get("out") is not None or bool(kwargs.get("inplace"))


def _autocast_dtype(device: str) -> torch.dtype | None:
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
