"""A tensor without numbers, of which is known how each entry comes about."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from playground.core.compiled.errors import CannotCompileError


class Symbol(Tensor):
    """Stands for a tensor of one run while its step is recorded.

    It has shape, strides and dtype, and autograd treats it like any tensor, but whoever asks for its numbers is
    refused: there are none, and another run would have others.

    :param ids: for each entry the value of the program that it is, int64; views share it, as tensors share storage.
    :param dtype: what torch takes the entries for.
    """

    ids: Tensor

    @staticmethod
    def __new__(cls: type[Symbol], ids: Tensor, dtype: torch.dtype) -> Symbol:
        """Make a tensor that has no storage."""
        symbol = torch.Tensor._make_wrapper_subclass(
            cls, ids.shape, strides=ids.stride(), storage_offset=ids.storage_offset(), dtype=dtype
        )
        symbol.ids = ids
        return symbol

    def __init__(self, ids: Tensor, dtype: torch.dtype) -> None:
        pass

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Refuse: outside of a recording there is nothing to write an operation down in."""
        raise CannotCompileError(f"{func} outside of the step")
