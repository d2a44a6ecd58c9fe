"""Operations of torch on lists of tensors, which optimizers use: each is the same operation on every tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

METHOD_BY_NAME = {"maximum": "clamp_min", "minimum": "clamp_max"}
"""Methods that take a number where the operation of that name takes a tensor."""


def compute_each(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor] | None:
    """Do an operation on lists of tensors one tensor at a time.

    :param name: of the operation: `_foreach_add_`.
    :param args: lists with one entry for each tensor, or what all tensors share.
    :returns: the results; None for an operation in place.
    """
    method = name.removeprefix("_foreach_")
    count = next(len(each) for each in args if _is_list(each))
    found = [_compute_one(method, i, args, kwargs) for i in range(count)]
    return None if name.endswith("_") else found


def _compute_one(method: str, i: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    first, *rest = (_entry(each, i) for each in args)
    options = {key: _entry(each, i) for key, each in kwargs.items()}
    base = method.removesuffix("_")
    if base in ("addcmul", "addcdiv"):
        factors = [*rest[2:], *options.values()]
        options = {"value": _entry_of_tensor(factors[0], i)} if factors else {}
        rest = rest[:2]
    if base == "norm":
        found: Tensor = torch.linalg.vector_norm(first, *rest, **options)
    elif not isinstance(first, Tensor):  # a power of a number
        found = first ** rest[0]
    else:
        if base in METHOD_BY_NAME and not isinstance(rest[0], Tensor):
            base = METHOD_BY_NAME[base]
        if method.endswith("_") and hasattr(first, f"{base}_"):
            found = getattr(first, f"{base}_")(*rest, **options)
        else:
            found = getattr(first, base)(*rest, **options)
            found = first.copy_(found) if method.endswith("_") else found
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _entry(value: Any, i: int) -> Any:
    return value[i] if _is_list(value) else value


def _entry_of_tensor(value: Any, i: int) -> Any:
    """Return a number of a tensor that holds one for each tensor of the list."""
    return value[i].item() if isinstance(value, Tensor) else value
