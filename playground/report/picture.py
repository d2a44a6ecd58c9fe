"""Results as an SVG picture of a terminal, for documents."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

from playground.figures.text import cut, make_printable
from playground.report.console import show
from playground.result import Batch

LINE_CHARACTERS = 90
"""Characters in a line."""

MAX_TITLE_CHARACTERS = 80
"""Characters of the window's title that are shown."""

FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
"""A font from the network; a picture in a document may not fetch one, and shows the reader's own instead."""


def picture(batch: Batch, title: str) -> str:
    """Return what would stand on a terminal, in a window.

    :param title: of the window.
    """
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        record=True,
        width=LINE_CHARACTERS,
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
    )
    show(batch, console)
    svg = console.export_svg(title=cut(make_printable(title), MAX_TITLE_CHARACTERS), unique_id="playground")
    return FONT_FACE.sub("", svg)


def write(results: Batch, path: Path) -> None:
    """Write the picture to a file, under the command that gives it."""
    command = shlex.join(["playground", "run", *(run.file for run in results.runs)])
    path.write_text(picture(results, command), encoding="utf-8")
