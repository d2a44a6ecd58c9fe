"""The short forms of a component: `optimizer: adam` for `optimizer: {name: adam}`, and a formula for a function."""

from __future__ import annotations

import re
from typing import Any

COMPONENT_KINDS = ("dataset", "model", "loss", "optimizer", "schedule", "function")
"""The kinds that a scenario names at its top level, apart from its task."""

_NAME = re.compile(r"[A-Za-z_][\w.]*")


def expand_shorthand(kind: str, value: Any) -> Any:
    """Return the mapping that a text stands for; return any other value unchanged.

    For a function, a text that is not a name is a formula: `(2*x + 10)**2` means
    `{name: expression, formula: "(2*x + 10)**2"}`.
    """
    if not isinstance(value, str):
        return value
    if kind == "function" and value and not _NAME.fullmatch(value):
        return {"name": "expression", "formula": value}
    return {"name": value}
