"""Finds the operation that makes NaN or infinity from finite numbers, in a loss or in its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from playground.core.problem import BatchTensors, Problem
from playground.core.tape import short_name
from playground.core.user_frames import CodePlace, find_user_line

ARITHMETIC_OPERATIONS = frozenset(
    ("add", "sub", "rsub", "mul", "div", "rdiv", "truediv", "rtruediv", "pow", "rpow", "clamp")
)
"""Operations whose plain numbers are operands; in other operations they are axes and the like."""

FILLING_OPERATIONS = frozenset(("masked_fill", "where", "fill", "full", "full_like"))
"""Operations that put given numbers into a tensor, infinities on purpose: as masks of a softmax."""

MAX_POLE_ARGUMENT = 10.0
"""An infinity computed from smaller numbers is a pole, such as log(0); one from larger numbers is an overflow."""


@dataclass(frozen=True)
class NonfiniteSource:
    """The operation that made the first number that is not finite.

    :param operation: its name, `sqrt`.
    :param backward: whether it was its derivative, given a finite incoming gradient.
    :param value: the result: NaN or an infinity.
    :param arguments: its numbers at the first such entry; empty if entries do not correspond.
    :param then: the operation that turned the infinity into NaN; empty for none.
    :param place: the line of the program that called it, or `then` where an infinity was put in on purpose.
    """

    operation: str
    backward: bool
    value: float
    arguments: tuple[float, ...] = ()
    then: str = ""
    place: CodePlace | None = field(default=None, compare=False)

    @property
    def overflow(self) -> bool:
        """Whether it is an infinity because its operands were large."""
        large = not self.arguments or max(map(abs, self.arguments)) >= MAX_POLE_ARGUMENT
        return math.isinf(self.value) and large and 0.0 not in self.arguments

    @property
    def at(self) -> str:
        """The operands as text: `0 and 0`."""
        return " and ".join(f"{number:.4g}" for number in self.arguments)

    def __str__(self) -> str:
        """`sqrt of -1 gives nan`, or `the backward of sqrt at 0 gives inf`."""
        given = f" {'at' if self.backward else 'of'} {self.at}" if self.arguments else ""
        then = f", which {self.then} turns into nan" if self.then else ""
        return f"{'the backward of ' if self.backward else ''}{self.operation}{given} gives {self.value}{then}"


def find_source(problem: Problem, parameters: Mapping[str, Tensor], batch: BatchTensors) -> NonfiniteSource | None:
    """Return what made the loss or its gradient non-finite at these parameters; None if they are finite.

    The module is called with copies of the parameters and not changed.

    :param parameters: by name; those of the problem.
    :returns: None also if a parameter or the data are not finite themselves.
    """
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in parameters.items()}
    recorder = _CallRecorder()
    with recorder:
        loss = problem.loss(problem.forward(leaves), batch)
    if not bool(loss.isfinite()):
        return recorder.source_of(loss)
    return _backward_source(loss, list(leaves.values()), recorder) if loss.requires_grad else None


@dataclass(frozen=True, eq=False)
class _TorchCall:
    """One call of a torch function: its tensors, with whether each contained NaN or infinity before the call."""

    name: str
    inputs: tuple[tuple[Tensor, bool, bool], ...]
    numbers: tuple[Any, ...]
    output: Tensor
    place: CodePlace | None

    def source(
        self, mask: Tensor, value: float, backward: bool = False, then: _TorchCall | None = None
    ) -> NonfiniteSource:
        """Return it as the source of the first entry of a mask.

        :param then: the call that turned its infinity into NaN.
        """
        index = int(mask.flatten().nonzero()[0])
        found = tuple(_entries(self.numbers, mask.shape, index))
        name = "" if then is None else then.name
        place = self.place if then is None or self.name not in FILLING_OPERATIONS else then.place
        return NonfiniteSource(self.name, backward, value, found, name, place)


class _CallRecorder(TorchFunctionMode):
    """Records every call of a torch function, and which nodes of torch's graph belong to it."""

    def __init__(self) -> None:
        super().__init__()
        self._makers: dict[int, _TorchCall] = {}
        self._owners: dict[Any, _TorchCall] = {}
        self._kept: list[Any] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function and record its arguments and result."""
        numbers = tuple(_leaves((args, tuple((kwargs or {}).values()))))
        tensors = [item for item in numbers if isinstance(item, Tensor) and item.is_floating_point()]
        inputs = tuple((each, bool(each.isnan().any()), bool(each.isinf().any())) for each in tensors)
        name = short_name(func)
        operands = [item for item in numbers if isinstance(item, Tensor) or name in ARITHMETIC_OPERATIONS]
        copies = tuple(item.detach().clone() if isinstance(item, Tensor) else item for item in operands)
        result, place = func(*args, **(kwargs or {})), find_user_line()
        for output in _leaves(result):
            if isinstance(output, Tensor) and output.is_floating_point() and tensors:
                call = _TorchCall(name, inputs, copies, output, place)
                self._kept.append(output)  # keeps it alive, so that no other tensor gets its id
                self._makers[id(output)] = call
                self._own(output.grad_fn, call)
        return result

    def source_of(self, tensor: Tensor) -> NonfiniteSource | None:
        """Follow a non-finite value back to the call that made it from finite numbers."""
        then: _TorchCall | None = None
        want_nan = bool(tensor.isnan().any())
        seen: set[int] = set()
        while (call := self._makers.get(id(tensor))) is not None and id(call) not in seen:
            seen.add(id(call))
            nan = next((each for each, is_nan, _ in call.inputs if is_nan), None)
            infinite = next((each for each, _, is_inf in call.inputs if is_inf), None)
            follow = nan if want_nan and nan is not None else infinite if infinite is not None else nan
            if follow is None:
                value = call.output
                mask = value.isnan() if want_nan else value.isinf()
                if not bool(mask.any()):
                    return None
                return call.source(mask, value[mask].flatten()[0].item(), then=then)
            if want_nan and follow is not nan:
                then, want_nan = call, False
            tensor = follow
        if then is None:
            return None
        mask = then.output.isnan()  # the infinity came from outside, as a constant
        return then.source(mask, math.nan) if bool(mask.any()) else None

    def owner(self, node: Any) -> _TorchCall | None:
        """Return the call that made a node of the graph."""
        return self._owners.get(node)

    def _own(self, node: Any, call: _TorchCall) -> None:
        """Assign the new nodes behind a call's output to it: a function such as `normalize` makes several."""
        waiting = [node]
        while waiting:
            each = waiting.pop()
            if each is not None and each not in self._owners and not hasattr(each, "variable"):
                self._owners[each] = call
                waiting += [before for before, _ in each.next_functions]


def _backward_source(loss: Tensor, leaves: list[Tensor], recorder: _CallRecorder) -> NonfiniteSource | None:
    """Return the first node that makes a non-finite gradient of a finite one."""
    found: list[NonfiniteSource] = []

    def watch(node: Any) -> Callable[[Any, Any], None]:
        def hook(made: Any, given: Any) -> None:
            if found or not all(each is None or bool(each.isfinite().all()) for each in given):
                return
            for gradient in made:
                if gradient is not None and not bool(gradient.isfinite().all()):
                    mask, call = ~gradient.isfinite(), recorder.owner(node)
                    value = gradient[mask].flatten()[0].item()
                    name = _node_name(node)
                    known = call is not None and not is_custom_function(node)
                    found.append(call.source(mask, value, True) if known else NonfiniteSource(name, True, value))  # type: ignore[union-attr]
                    return

        return hook

    handles = [node.register_hook(watch(node)) for node in graph_nodes(loss) if not hasattr(node, "variable")]
    try:
        torch.autograd.grad(loss, leaves, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def graph_nodes(tensor: Tensor) -> list[Any]:
    """Return every node of torch's graph behind a tensor."""
    seen: dict[Any, None] = {}
    waiting = [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen[node] = None
            waiting += [before for before, _ in node.next_functions]
    return list(seen)


def is_custom_function(node: Any) -> bool:
    """Whether a node is a `torch.autograd.Function` written in Python."""
    return isinstance(node, torch.autograd.function.BackwardCFunction)


def _node_name(node: Any) -> str:
    """`sqrt` for `SqrtBackward0`, `MySqrt` for `MySqrtBackward`."""
    name = str(node.name()).rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")
    return name if is_custom_function(node) else name.lower()


def _leaves(item: Any) -> Iterator[Any]:
    """Yield tensors and numbers in nested arguments, in order."""
    if isinstance(item, tuple | list):
        for each in item:
            yield from _leaves(each)
    elif isinstance(item, Tensor) or (isinstance(item, int | float) and not isinstance(item, bool)):
        yield item


def _entries(numbers: tuple[Any, ...], shape: torch.Size, index: int) -> Iterator[float]:
    """Yield the operands at one entry of a result of this shape; nothing if shapes do not correspond."""
    for each in numbers:
        if not isinstance(each, Tensor):
            yield float(each)
        elif each.dtype != torch.bool:
            try:
                yield each.broadcast_to(shape).flatten()[index].item()
            except RuntimeError:
                return
