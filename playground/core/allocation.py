"""Determines how much memory an operation needs before it is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

PARAMETER_COPIES = 10
"""Copies of each parameter in a step: itself, its final value, gradient, state and temporary results."""

MIN_COUNTED_NUMBERS = 10_000_000
"""An operation whose result cannot have more numbers, by a rough bound, is not counted."""

MATRIX_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")
"""Matrix products: their factors are the last two operands."""


class TooLargeError(Exception):
    """An operation would allocate more memory than allowed.

    :param numbers: how many numbers it needs.
    :param needed: the bytes they take in all.
    """

    def __init__(self, numbers: int, needed: int) -> None:
        self.numbers, self.needed = numbers, needed
        super().__init__(f"{numbers:,} numbers, {needed:,} bytes")


class AllocationGuard(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers in new tensors, and raises before they exceed a limit.

    For factories (`randn`, `empty`, ...) the requested size is counted. After the limit is exceeded, their tensors are
    made on the meta device, which has no memory, so that counting continues as far as the code runs. Of all other
    operations, those with possibly large results are counted.

    :param limit: bytes.
    :param copies: the number of copies made later of each new tensor.
    """

    def __init__(self, limit: int, copies: int = 1) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.limit, self.copies = limit, copies
        self.numbers = self.bytes = 0
        self.suspended = False

    @property
    def exceeded(self) -> bool:
        """Whether the limit was exceeded."""
        return self.bytes > self.limit

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: a mode that skips dynamo imports `torch._dynamo`, which takes two seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the result of an operation and run it if it is within the limit."""
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
        """Return the error for the requested memory."""
        return TooLargeError(self.numbers, self.bytes)

    def _count(self, numbers: int, each: int) -> None:
        self.numbers += numbers
        self.bytes += numbers * each


@contextmanager
def limit_allocation(limit: int, copies: int = 1) -> Iterator[AllocationGuard]:
    """Refuse to allocate more memory than this within a `with` block.

    :param limit: bytes.
    :param copies: the number of copies made later of a factory's tensor; for a model's parameters `PARAMETER_COPIES`.
    :raises TooLargeError: more is needed; it is not allocated.
    """
    guard = AllocationGuard(limit, copies)
    try:
        with _suspend_outer_guard(guard), guard:
            yield guard
    except Exception as error:  # tensors on the meta device have no values, so any operation that needs values fails
        if guard.exceeded:
            raise guard.error() from error
        raise
    if guard.exceeded:
        raise guard.error()


@contextmanager
def _suspend_outer_guard(guard: AllocationGuard) -> Iterator[None]:
    """Suspend an enclosing guard, so that memory needed here is attributed to this part alone."""
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
    """Return the number of elements that a factory without tensor operands creates."""
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
    """Return an upper bound on the number of elements of a result, computed cheaply."""
    if func._schema.name.partition("::")[2] in MATRIX_PRODUCTS:
        left, right = operands[-2:]
        return left.shape[:-1].numel() * right.shape[-1]
    counts = math.prod(leaf for leaf in tree_leaves(args) if isinstance(leaf, int) and leaf > 1)
    sizes = [max(1, operand.numel()) for operand in operands]
    try:
        shape = np.broadcast_shapes(*(operand.shape for operand in operands))  # torch's own imports sympy, for 1 s
        return counts * (sum(sizes) + math.prod(shape))
    except ValueError:
        return counts * math.prod(sizes)


def _meta_results(func: Callable[..., Any], args: Any, kwargs: Any) -> list[Tensor]:
    """Return the results of an operation on the meta device; empty if they depend on values."""

    def without_memory(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        return torch.empty_strided(leaf.size(), leaf.stride(), dtype=leaf.dtype, device="meta")

    try:
        kwargs = {key: value for key, value in kwargs.items() if key not in ("device", "generator")}
        made = func(*tree_map(without_memory, args), **tree_map(without_memory, kwargs))
    except Exception:  # the result depends on values
        return []
    return [leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor)]
