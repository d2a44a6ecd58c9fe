"""The page of a run for people who program: in a notebook, or as a file."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from playground.figures.text import make_printable
from playground.report.explanation.explained import FRAME_STYLE
from playground.report.html.page import index_of_one, main_content, page_shell
from playground.report.html.run_part import run_part
from playground.report.writing import write_whole
from playground.result import Run

SANDBOX: Final = "allow-scripts"
"""The page's script runs, but has nothing to do with the notebook: neither its content nor what the browser keeps."""

PART = "part0"


@dataclass(frozen=True, repr=False)
class LivePage:
    """The page of a run; a notebook shows it in a frame.

    :param title: of the page.
    :param page: the page itself, as HTML.
    :param note: why the page may show another run than the one that it was asked for; empty if it does not.
    """

    title: str
    page: str
    note: str = ""

    def html(self) -> str:
        """Return the self-contained page: it loads nothing from the network."""
        return self.page

    def save(self, path: str | Path) -> None:
        """Write the page.

        :raises PlaygroundError: the file cannot be written; an old file is then kept.
        """
        write_whole(Path(path), lambda beside: beside.write_text(self.page, encoding="utf-8"))

    def __repr__(self) -> str:
        """Return the title, the size and the note on one line."""
        note = f"; {self.note}" if self.note else ""
        return make_printable(f"<LivePage {self.title}, {len(self.page) / 1e6:.1f} MB{note}>")

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, so that its style and the notebook's leave each other alone."""
        title = escape(make_printable(f"{self.title}, live"))
        return (
            f'<iframe title="{title}" sandbox="{SANDBOX}" allow="clipboard-write" style="{FRAME_STYLE}" '
            f'srcdoc="{escape(self.page)}"></iframe>'
        )


def make_live_page(run: Run, note: str = "") -> LivePage:
    """Return the page of one run.

    :param note: is shown above the run.
    """
    part = run_part(PART, run)
    index = index_of_one(part, (note,) if note else ())
    page = page_shell(run.scenario, main_content([part], index), {PART: part["data"]})
    return LivePage(run.scenario, page, note)
