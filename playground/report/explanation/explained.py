"""An explained step for people who program: as text, page, LaTeX or JSON, in a file, in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from playground.errors import PlaygroundError
from playground.explanation import Explanation
from playground.figures.numbers import format_short
from playground.figures.text import make_printable
from playground.report.explanation.rendering import renderer
from playground.report.writing import write_whole

TEXT_WIDTH = 100
"""Characters in a line of plain text."""

FRAME_STYLE: Final = (
    "width:100%;height:36rem;min-height:12rem;resize:vertical;border:1px solid #8888;border-radius:6px;background:none"
)
FORMATS: Final = {".html": "html", ".tex": "latex", ".json": "json", ".txt": "text"}
"""The format of a file by its suffix."""


@dataclass(frozen=True, repr=False)
class ExplainedStep:
    """One explained step; a notebook displays its page.

    :param explanation: the numbers and sentences, as plain data without a language.
    """

    explanation: Explanation

    def text(self, language: str = "en", full: bool = False) -> str:
        """Return plain text.

        :param language: `en` or `id`.
        :param full: show a long explanation in full; by default, it is shortened.
        """
        return self._write("text", language, full)

    def html(self, language: str = "en") -> str:
        """Return a self-contained page: no script, nothing from the network.

        :param language: `en` or `id`.
        """
        return self._write("html", language)

    def latex(self, language: str = "en") -> str:
        """Return a LaTeX document.

        :param language: `en` or `id`.
        """
        return self._write("latex", language)

    def json(self) -> str:
        """Return the plain data as a JSON document."""
        return self._write("json", "en")

    def save(self, path: str | Path, language: str = "en") -> None:
        """Write a file; its suffix chooses the format: `.html`, `.tex`, `.json` or `.txt`.

        :param language: `en` or `id`.
        :raises PlaygroundError: the suffix is unknown, or the file cannot be written; an old file is then kept.
        """
        path = Path(path)
        form = FORMATS.get(path.suffix.lower())
        if form is None:
            what = f"unknown suffix {path.suffix!r}" if path.suffix else "no suffix"
            raise PlaygroundError(f"{path}: {what} (accepted: {', '.join(FORMATS)})")
        text = self._write(form, language, full=True) + "\n"
        write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        """Return what was explained, the step and the loss on one line."""
        told = self.explanation
        after = "" if told.loss_after is None else f" → {format_short(told.loss_after)}"
        return make_printable(
            f"<ExplainedStep {told.scenario}, step {told.step}: loss {format_short(told.loss)}{after}>"
        )

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, so that its style and the notebook's leave each other alone."""
        title = escape(make_printable(f"{self.explanation.scenario}, step {self.explanation.step}"))
        return (
            f'<iframe title="{title}" sandbox="allow-same-origin" style="{FRAME_STYLE}" srcdoc="{escape(self.html())}">'
            "</iframe>"
        )

    def _write(self, form: str, language: str, full: bool = True) -> str:
        render: Callable[[Explanation], str] = renderer(form, language, TEXT_WIDTH, full, "text(full=True)")
        return render(self.explanation)
