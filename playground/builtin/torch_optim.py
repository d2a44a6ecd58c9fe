"""The optimizer classes of the installed torch, by name, without importing torch."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path


def optimizer_names() -> tuple[str, ...]:
    """Return the names of the optimizer classes that `torch.optim` offers, sorted.

    They are read from the source of `torch/optim/__init__.py`: importing torch takes seconds, which a list of names is
    not worth. What it imports from its own modules under a capitalised name is a class, and all of these but the base
    class are optimizers.

    :returns: `("ASGD", "Adadelta", ...)`; empty where torch is not installed or its source cannot be read.
    """
    spec = importlib.util.find_spec("torch")  # of a top-level package: finds it, runs nothing
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
