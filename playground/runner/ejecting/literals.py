"""Writes values as Python expressions that give exactly the same values."""

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

    :raises PlaygroundError: it is neither a number, a text, a boolean or None, nor a container of these.
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
    """Return a text as a docstring with the same lines; quotes in the text do not end it.

    A `#` at the beginning of a line is escaped, because editors take a line `# %%` for a new cell and run what follows.
    """
    lines = (_escape_backslashes(line).replace('"' * 3, r"\"" * 3) for line in text.split("\n"))
    lines = (re.sub(r"^(\s*)#", r"\1\\x23", line) for line in lines)
    return '"""' + "\n".join(lines) + '\n"""'


def _escape_backslashes(text: str) -> str:
    """Return a text with doubled backslashes, and with unprintable characters as Python escapes."""
    return escape_unprintable(text.replace("\\", r"\\"))


def _number_literal(value: float) -> str:
    """Return the shorter of `1000000.0` and `1e6`."""
    short = f"{value:g}".replace("e+0", "e")
    return short if "e" in short and float(short) == value else repr(value)


def tensor_literal(tensor: Tensor) -> str:
    """Return an expression that builds an equal tensor, to the bit."""
    values = tensor.detach().cpu()
    return f"torch.tensor({literal(shortest_numbers(values))}, dtype={tensor.dtype})"


def shortest_numbers(values: Tensor) -> Any:
    """Return a tensor's numbers as nested lists; of float32, with the fewest digits that give the same float32."""
    import numpy as np
    import torch

    if values.dtype != torch.float32:
        return values.tolist()
    short = [float(str(np.float32(value))) for value in values.flatten().tolist()]
    again = torch.tensor(short, dtype=torch.float32)
    if not torch.equal(again, values.flatten()):
        return values.tolist()
    return torch.tensor(short, dtype=torch.float64).reshape(values.shape).tolist()
