"""Writes results as an SVG picture of a terminal, for documents."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

from playground.figures.text import cut_text, make_printable
from playground.report.console import show
from playground.result import Batch

LINE_CHARACTERS = 90
"""Characters in a line."""

MAX_TITLE_CHARACTERS = 80
"""Maximum number of characters of the window's title."""

FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
"""A font from the network; removed, because a picture in a document must not load one. Viewers use their own font."""


def picture(batch: Batch, title: str) -> str:
    """Return the terminal output as a picture of a window.

    :param title: the window's title.
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
    svg = console.export_svg(title=cut_text(make_printable(title), MAX_TITLE_CHARACTERS), unique_id="playground")
    return FONT_FACE.sub("", svg)


def write(results: Batch, path: Path) -> None:
    """Write the picture to a file, with the command that creates it as its title."""
    command = shlex.join(["playground", "run", *(run.file for run in results.runs)])
    path.write_text(picture(results, command), encoding="utf-8")
