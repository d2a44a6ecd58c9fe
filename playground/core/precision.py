"""The precision of tensors that nothing else determines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def double_by_default() -> Iterator[None]:
    """Let new tensors be in float64 in a `with` block, such as those that a function makes by `torch.ones`."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
