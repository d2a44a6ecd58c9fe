"""Renders a program as a script or as a notebook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
from collections.abc import Callable
from typing import Any

from playground.errors import PlaygroundError, suggest_names
from playground.figures.text import escape_markdown, make_printable
from playground.runner.ejecting.literals import docstring_literal
from playground.runner.ejecting.program import EjectedProgram

LINE_LENGTH = 120
"""Maximum characters in a line of the program."""


def find_renderer(name: str) -> Callable[[EjectedProgram], str]:
    """Return the function that renders a program.

    :param name: `script` or `notebook`.
    :raises PlaygroundError: there is no such form.
    """
    forms = {"script": render_script, "notebook": render_notebook}
    if name not in forms:
        raise PlaygroundError(f"--as: unknown form {name!r}{suggest_names(name, forms)}")
    return forms[name]


def render_script(program: EjectedProgram) -> str:
    """Return a Python file in which `# %%` marks the cells for editors."""
    title = docstring_literal("\n\n".join([program.title, textwrap.fill(program.note, 100)]))
    cells = [f"# %% {make_printable(cell.heading)}\n{cell.code}" for cell in program.cells]
    return format_program("\n\n\n".join([title, *cells]) + "\n")


def render_notebook(program: EjectedProgram) -> str:
    """Return a notebook, format 4.5: the cells of the script, each below its heading.

    The cells come from the program, not from its text: a text of the scenario could look like the mark of a cell.
    """
    made = [_notebook_cell("markdown", 0, f"# {escape_markdown(program.title)}\n\n{program.note}")]
    for cell in program.cells:
        heading = f"## {escape_markdown(cell.heading)}"
        made += [
            _notebook_cell("markdown", len(made), heading),
            _notebook_cell("code", len(made) + 1, cell.code.strip()),
        ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    document = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return format_program(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "program.ipynb")


def _notebook_cell(kind: str, number: int, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": re.findall(r"[^\n]*\n|[^\n]+", text),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def format_program(text: str, name: str = "program.py") -> str:
    """Return a program formatted by ruff; unchanged if ruff is not installed.

    :param name: a file name, whose suffix says whether the text is a script or a notebook.
    """
    ruff = shutil.which("ruff") or _find_ruff()
    if ruff is None:
        return text
    options = ["--isolated", f"--line-length={LINE_LENGTH}", "--target-version=py311", f"--stdin-filename={name}", "-"]
    done = subprocess.run([ruff, "format", *options], input=text, capture_output=True, encoding="utf-8", check=False)
    return done.stdout if done.returncode == 0 else text


def _find_ruff() -> str | None:
    """Return the ruff of this Python environment, which is on the path only if the environment is active."""
    try:
        from ruff import find_ruff_bin  # type: ignore[import-not-found, import-untyped, unused-ignore]

        return str(find_ruff_bin())
    except (ImportError, FileNotFoundError):
        return None
