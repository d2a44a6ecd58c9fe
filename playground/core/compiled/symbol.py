"""A tensor without numbers that records how each of its entries is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor

from playground.core.compiled.errors import CannotCompileError

if TYPE_CHECKING:
    from playground.core.compiled.recorder import ProgramRecorder

ACTIVE_RECORDERS: list[ProgramRecorder] = []
"""The recorders at work, the current one last: a symbol asks it for numbers."""


class Symbol(Tensor):
    """Stands for a tensor of one run while its step is recorded.

    A symbol has a shape, strides and a dtype, and autograd treats it like any tensor. It has no numbers, because they
    would differ between runs: where Python code asks for one, it gets a `SymbolicNumber`.

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

    # Where Python code asks for numbers

    def item(self) -> Any:
        """Return the only entry as a number of Python."""
        return _recorder().read_number(self)

    def tolist(self) -> Any:
        """Return the entries as nested lists of numbers of Python."""
        return self.item() if self.dim() == 0 else [each.tolist() for each in self]

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return int(self.item())

    def numpy(self, *, force: bool = False) -> NoReturn:
        """Refuse: numpy's operations are not recorded."""
        raise CannotCompileError("numpy computes with a tensor of the run")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        self.numpy()

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"<symbol {tuple(self.shape)}>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self.detach().clone()

    @property
    def data(self) -> Any:
        """The same entries, cut off from the graph."""
        return torch.Tensor.data.__get__(self)  # type: ignore[attr-defined]

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, Symbol):
            raise CannotCompileError(".data is set to a tensor that is not part of the step")
        if value.shape != self.shape or value.dtype != self.dtype:
            raise CannotCompileError(".data is set to a tensor of another shape or dtype")
        self.ids = value.ids


def _recorder() -> ProgramRecorder:
    if not ACTIVE_RECORDERS:
        raise CannotCompileError("a number is read outside the recorded step")
    return ACTIVE_RECORDERS[-1]
