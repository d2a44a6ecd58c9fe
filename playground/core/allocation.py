"""How much memory is asked for, known before it is taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

PARAMETER_COPIES = 10
"""Of each parameter at the height of a step: itself, its final value, gradient, state, and what a rule is adding up."""

MIN_COUNTED_NUMBERS = 10_000_000
"""Numbers that an operation cannot exceed, by a crude bound, for its result not to be counted."""

MATRIX_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")
"""Products of matrices: the last two operands."""


class TooLargeError(Exception):
    """More memory would be taken than is allowed.

    :param numbers: how many numbers are asked for.
    :param needed: how many bytes that takes in all.
    """

    def __init__(self, numbers: int, needed: int) -> None:
        self.numbers, self.needed = numbers, needed
        super().__init__(f"{numbers:,} numbers, {needed:,} bytes")


class AllocationGuard(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers in new tensors, and ends what runs inside before they exceed a limit.

    Tensors made of nothing (`randn`, `empty`, ...) are counted by their size alone. Once they exceed the limit they are
    made on the meta device, which has no memory, so that what asks for them is counted to its end, as far as it goes.
    Of all other operations those are counted whose result may be large.

    :param limit: bytes.
    :param copies: that are made of each new tensor later on.
    """

    def __init__(self, limit: int, copies: int = 1) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.limit, self.copies = limit, copies
        self.numbers = self.bytes = 0
        self.suspended = False

    @property
    def exceeded(self) -> bool:
        """Whether more was asked for than is allowed."""
        return self.bytes > self.limit

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say no: a mode that skips it imports `torch._dynamo`, which takes two seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count what an operation makes, and let it run if that is allowed."""
        kwargs = kwargs or {}
        if self.suspended:
            return func(*args, **kwargs)
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if not operands:
            self._count(_factory_size(func, args), _dtype(kwargs).itemsize * self.copies)
            if self.exceeded and any(argument.name == "device" for argument in func._schema.arguments):
                fitting = {key: value for key, value in kwargs.items() if key != "generator"}
                return func(*args, **{**fitting, "device": "meta"})
        elif not (func.is_view or func._schema.is_mutable) and _max_result_numbers(func, operands, args) > min(
            MIN_COUNTED_NUMBERS, self.limit
        ):
            for made in _meta_results(func, args, kwargs):
                self._count(made.numel(), made.dtype.itemsize)
            if self.exceeded and not any(operand.is_meta for operand in operands):
                raise self.error()
        return func(*args, **kwargs)

    def error(self) -> TooLargeError:
        """Return the error for what was asked for."""
        return TooLargeError(self.numbers, self.bytes)

    def _count(self, numbers: int, each: int) -> None:
        self.numbers += numbers
        self.bytes += numbers * each


@contextmanager
def limit_allocation(limit: int, copies: int = 1) -> Iterator[AllocationGuard]:
    """Refuse to take more memory than this inside.

    :param limit: bytes.
    :param copies: that are made later on of what is made of nothing; of a model's parameters `COPIES`.
    :raises TooLargeError: more is asked for; it is not taken.
    """
    guard = AllocationGuard(limit, copies)
    try:
        with _suspend_outer_guard(guard), guard:
            yield guard
    except Exception as error:  # what is on the meta device has no values, and whatever needs them fails
        if guard.exceeded:
            raise guard.error() from error
        raise
    if guard.exceeded:
        raise guard.error()


@contextmanager
def _suspend_outer_guard(guard: AllocationGuard) -> Iterator[None]:
    """Let a guard around this one count nothing meanwhile: what is asked for here is blamed on this part alone."""
    token = _innermost.set(guard)
    outer = token.old_value
    suspended = isinstance(outer, AllocationGuard)
    try:
        if suspended:
            outer.suspended = True
        yield
    finally:
        if suspended:
            outer.suspended = False
        _innermost.reset(token)


_innermost: ContextVar[AllocationGuard] = ContextVar("innermost")


def _factory_size(func: Any, args: Sequence[Any]) -> int:
    """Return how many numbers an operation without operands makes."""
    name = func._schema.name.partition("::")[2]
    numbers = [float(each) for each in args if isinstance(each, int | float)]
    if name == "arange":
        start, end, step = {1: (0.0, *numbers, 1.0), 2: (*numbers, 1.0)}.get(len(numbers), tuple(numbers[:3]))
        return max(0, math.ceil((end - start) / step)) if step else 0
    if name in ("linspace", "logspace"):
        return int(numbers[2]) if len(numbers) > 2 else 0
    if args and isinstance(args[0], list | tuple):
        return math.prod(args[0])
    if name == "eye":
        return int(numbers[0] * numbers[-1])
    return int(numbers[0]) if name == "randperm" else 1


def _dtype(kwargs: Mapping[str, Any]) -> torch.dtype:
    return kwargs.get("dtype") or torch.get_default_dtype()


def _max_result_numbers(func: Any, operands: Sequence[Tensor], args: Any) -> int:
    """Return a number that the size of a result cannot exceed, at little cost."""
    if func._schema.name.partition("::")[2] in MATRIX_PRODUCTS:
        left, right = operands[-2:]
        return left.shape[:-1].numel() * right.shape[-1]
    counts = math.prod(leaf for leaf in tree_leaves(args) if isinstance(leaf, int) and leaf > 1)
    sizes = [max(1, operand.numel()) for operand in operands]
    try:
        shape: torch.Size = torch.broadcast_shapes(*(operand.shape for operand in operands))  # type: ignore[no-untyped-call]
        return counts * (sum(sizes) + shape.numel())
    except RuntimeError:
        return counts * math.prod(sizes)


def _meta_results(func: Callable[..., Any], args: Any, kwargs: Any) -> list[Tensor]:
    """Return what an operation would make, without memory; nothing where only its values can say."""

    def without_memory(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        return torch.empty_strided(leaf.size(), leaf.stride(), dtype=leaf.dtype, device="meta")

    try:
        kwargs = {key: value for key, value in kwargs.items() if key not in ("device", "generator")}
        made = func(*tree_map(without_memory, args), **tree_map(without_memory, kwargs))
    except Exception:  # its result depends on values
        return []
    return [leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor)]
