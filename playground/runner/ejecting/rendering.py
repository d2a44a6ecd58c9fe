"""A program as a script and as a notebook."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from playground.errors import PlaygroundError, suggestion
from playground.runner.ejecting.program import Program

LINE = 120
"""Characters in a line."""


def renderer(name: str) -> Callable[[Program], str]:
    """Return what makes a text of a program.

    :raises PlaygroundError: no such form.
    """
    forms = {"script": script, "notebook": notebook}
    if name not in forms:
        raise PlaygroundError(f"--as: unknown form {name!r}{suggestion(name, forms)}")
    return forms[name]


def script(program: Program) -> str:
    """Return one file, in cells that editors know by `# %%`."""
    cells = [f"# %% {cell.heading}\n{cell.code}" for cell in program.cells]
    return formatted("\n\n\n".join([f'"""{program.title}\n"""', *cells]) + "\n")


def notebook(program: Program) -> str:
    """Return a notebook, format 4.5: the script's cells, each under its heading."""
    head, *cells = script(program).split("# %% ")
    title = head.strip().strip('"').strip()
    made = [_cell("markdown", 0, "# " + title)]
    for cell in cells:
        heading, _, code = cell.partition("\n")
        made += [_cell("markdown", len(made), f"## {heading.strip()}"), _cell("code", len(made) + 1, code.strip())]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    document = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, number: int, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def formatted(text: str) -> str:
    """Return a program laid out by ruff, where ruff is installed; as it is elsewhere."""
    ruff = shutil.which("ruff") or _beside()
    if ruff is None:
        return text
    options = ["--isolated", f"--line-length={LINE}", "--target-version=py311", "-"]
    done = subprocess.run([ruff, "format", *options], input=text, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else text


def _beside() -> str | None:
    """Return the ruff that is installed beside us, whether or not the environment is active."""
    try:
        from ruff import find_ruff_bin  # type: ignore[import-not-found, import-untyped, unused-ignore]

        return str(find_ruff_bin())
    except (ImportError, FileNotFoundError):
        return None
