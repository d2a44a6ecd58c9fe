"""The style of all figures: size in inches, colours for colour-blind readers, embedded fonts, no title."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib.style
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from playground.figures.text import make_printable

SERIES_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The colours of Okabe and Ito, strongest first."""

LINE_STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

FIGURE_INCHES = 5.0
"""Width of a figure, in inches."""

FIGURE_ASPECT = 0.68
"""Height of a figure divided by its width."""

CAPTION_POINTS = 6.0
"""Size of the caption, in points."""

MATPLOTLIB_STYLE: Any = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.borderpad": 0.3,
    "lines.linewidth": 1.4,
    "axes.prop_cycle": cycler(color=SERIES_COLOURS),
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "playground",
}


class Picture(Figure):
    """A figure that a notebook displays without pyplot."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        with use_style():
            self.savefig(stream, format="png", dpi=150)
        return stream.getvalue()


@dataclass(frozen=True)
class Drawing:
    """A figure and its animation.

    :param show: draws one of the frames; without a call the figure shows the whole run.
    :param frames: the number of frames; 0 if the figure has no animation.
    """

    figure: Picture
    show: Callable[[int], None] = field(default=lambda frame: None)
    frames: int = 0


@contextmanager
def use_style() -> Iterator[None]:
    """Use playground's style, whatever the user's matplotlibrc says; letters missing in all fonts become boxes."""
    with matplotlib.style.context(["default", MATPLOTLIB_STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        yield


def missing_letters(figure: Figure) -> str:
    """Return the letters in a figure that its font lacks, each once; boxes replace them."""
    texts = {text.get_text() for text in figure.findobj(Text)}
    font = get_font(findfont(FontProperties(family=matplotlib.rcParamsDefault["font.family"])))
    return "".join(
        sorted({each for text in texts for each in text if each.isprintable() and not _has_letter(font, each)})
    )


def _has_letter(font: FT2Font, letter: str) -> bool:
    return font.get_char_index(ord(letter)) != 0


def page(width: float, caption: str, aspect: float = FIGURE_ASPECT) -> Picture:
    """Return an empty figure with a caption in small type below.

    :param width: in inches.
    :param aspect: height of the part above the caption, divided by the width.
    """
    characters = max(30, int(width * 72 / (CAPTION_POINTS * 0.52)))
    text = textwrap.fill(literal(caption), characters, break_on_hyphens=False)
    below = (text.count("\n") + 1) * 1.3 * CAPTION_POINTS / 72
    figure = Picture(figsize=(width, width * aspect + below))
    FigureCanvasAgg(figure)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=CAPTION_POINTS, color="#555555", linespacing=1.3)
    return figure


def plain_axes(width: float, caption: str, x: str, y: str, aspect: float = FIGURE_ASPECT) -> tuple[Picture, Axes]:
    """Return a figure with one pair of named axes."""
    figure = page(width, caption, aspect)
    axes = figure.subplots()
    axes.set_xlabel(literal(x))
    axes.set_ylabel(literal(y))
    return figure, axes


def legend_above(figure: Picture, axes: Axes) -> None:
    """Put the legend above the axes, where it covers nothing, in as many columns as fit the width."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        characters = figure.get_figwidth() * 72 / (MATPLOTLIB_STYLE["legend.fontsize"] * 0.6)
        columns = max(1, int(characters / (max(map(len, labels)) + 6)))
        look = {"handletextpad": 0.4, "columnspacing": 1.2, "borderpad": 0.0, "borderaxespad": 0.2}
        figure.legend(handles, labels, loc="outside upper left", ncols=min(columns, len(labels)), **look)


def literal(text: str) -> str:
    """Return a scenario's text on one line; matplotlib does not read its dollar signs as formulas."""
    return make_printable(text).replace("$", r"\$")


def add_step_label(axes: Axes) -> Callable[[int], None]:
    """Return a function that writes the current step above the axes."""
    text = axes.text(1, 1.01, "", transform=axes.transAxes, ha="right", va="bottom", fontsize=8)
    return lambda step: text.set_text(f"step {step:,}")
