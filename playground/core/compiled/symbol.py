"""A tensor without numbers that records how each of its entries is computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from playground.core.compiled.errors import CannotCompileError


class Symbol(Tensor):
    """Stands for a tensor of one run while its step is recorded.

    A symbol has a shape, strides and a dtype, and autograd treats it like any tensor. Reading its numbers is refused:
    they do not exist, and they would differ between runs.

    :param ids: int64; for each entry, the index of its value in the program. Views share `ids` as tensors share
        storage.
    :param dtype: the dtype that torch sees.
    """

    ids: Tensor

    @staticmethod
    def __new__(cls: type[Symbol], ids: Tensor, dtype: torch.dtype) -> Symbol:
        """Make a tensor without storage."""
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
        """Raise: outside a recording there is no program to write an operation to."""
        raise CannotCompileError(f"torch's operation {func} outside the recorded step")
