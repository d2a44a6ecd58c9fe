"""The names of the optimizer classes of the installed torch, without importing torch."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path


def optimizer_names() -> tuple[str, ...]:
    """Return the names of the optimizer classes in `torch.optim`, sorted.

    They are read from the source of `torch/optim/__init__.py`, because importing torch takes seconds. Capitalised names
    that it imports from its own modules are classes, and all of them except the base class are optimizers.

    :returns: `("ASGD", "Adadelta", ...)`; empty if torch is not installed or its source cannot be read.
    """
    spec = importlib.util.find_spec("torch")  # for a top-level package, this finds it without running it
    if spec is None or spec.origin is None:
        return ()
    try:
        source = (Path(spec.origin).parent / "optim" / "__init__.py").read_text(encoding="utf-8")
        imports = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    except (OSError, ValueError, SyntaxError):
        return ()
    found = {alias.asname or alias.name for node in imports if _is_own(node) for alias in node.names}
    return tuple(sorted(name for name in found - {"Optimizer"} if name[0].isupper()))


def _is_own(node: ast.ImportFrom) -> bool:
    """Tell whether an import is from a module of `torch.optim` itself: absolute, or relative with one dot."""
    return (node.level == 0 and (node.module or "").startswith("torch.optim.")) or node.level == 1
