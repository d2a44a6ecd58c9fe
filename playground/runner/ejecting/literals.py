"""Values as Python writes them, exactly."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError
from playground.figures.text import escape_unprintable

if TYPE_CHECKING:
    from torch import Tensor


def literal(value: Any) -> str:
    """Return a value as an expression.

    :raises PlaygroundError: it is no number, text, nor a container of such.
    """
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float):
        return _number_literal(value) if math.isfinite(value) else f'float("{value}")'
    if isinstance(value, str):
        return '"' + _escape_backslashes(value).replace('"', r"\"") + '"'
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    raise PlaygroundError(f"a {type(value).__name__} cannot be written out (accepted: numbers, texts, lists of them)")


def docstring_literal(text: str) -> str:
    """Return a text as a docstring, its lines kept; nothing in it ends the docstring.

    A line that begins with `#` is no line of code, but editors take `# %%` for the beginning of a cell, and run it.
    """
    lines = (_escape_backslashes(line).replace('"' * 3, r"\"" * 3) for line in text.split("\n"))
    lines = (re.sub(r"^(\s*)#", r"\1\\x23", line) for line in lines)
    return '"""' + "\n".join(lines) + '\n"""'


def _escape_backslashes(text: str) -> str:
    """Return a text whose backslashes are doubled and whose characters without a shape are Python escapes."""
    return escape_unprintable(text.replace("\\", r"\\"))


def _number_literal(value: float) -> str:
    """Return the shorter of `1000000.0` and `1e6`."""
    short = f"{value:g}".replace("e+0", "e")
    return short if "e" in short and float(short) == value else repr(value)


def tensor_literal(tensor: Tensor) -> str:
    """Return a tensor as an expression that makes it again, to the last bit."""
    values = tensor.detach().cpu()
    return f"torch.tensor({literal(shortest_numbers(values))}, dtype={tensor.dtype})"


def shortest_numbers(values: Tensor) -> Any:
    """Return a tensor's numbers, in single precision with no more digits than tell them from their neighbours."""
    import numpy as np
    import torch

    if values.dtype != torch.float32:
        return values.tolist()
    short = [float(str(np.float32(value))) for value in values.flatten().tolist()]
    again = torch.tensor(short, dtype=torch.float32)
    if not torch.equal(again, values.flatten()):
        return values.tolist()
    return torch.tensor(short, dtype=torch.float64).reshape(values.shape).tolist()
