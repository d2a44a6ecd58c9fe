"""The page as a whole: what is inlined, and the data that its script reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from playground.figures.text import make_printable
from playground.report.html.explained import BODY_STYLE

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "playground.report.html"

SCRIPT_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
"""Characters that could end a script or begin a comment inside one; in JSON they only occur in texts."""


def page(parts: Sequence[Mapping[str, Any]], index: Mapping[str, Any]) -> str:
    """Return the page.

    :param parts: one for each run and sweep: `id`, `template`, what the template shows, and under `data` what the
        script reads.
    :param index: what stands above them.
    """
    from plotly.offline import get_plotlyjs

    data = {part["id"]: part["data"] for part in parts}
    shown = _environment().get_template("page.html").render(parts=parts, **index, versions=versions())
    inlined = {
        "STYLE": _text("page.css") + BODY_STYLE,
        "PLOTLY": get_plotlyjs(),
        "SCRIPT": _text("page.js"),
        "DATA": as_json(data),
    }
    first, *others = shown.split("@@INLINE-")  # the template's own marks; a text of a scenario has them escaped
    filled = (inlined[name] + rest for name, _, rest in (other.partition("@@") for other in others))
    return "".join((first, *filled))


def as_json(data: Any) -> str:
    """Return JSON that is safe inside a script element, in ASCII; a number that is not finite is a mistake here."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).translate(SCRIPT_ESCAPES)


def versions() -> str:
    """Return with what the numbers were computed, if they were computed here and now."""
    found = []
    for name in ("gradient-playground", "torch", "plotly"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


@cache
def _text(name: str) -> str:
    return files(PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    """Return the templates; everything that is put into one is escaped, and nothing in it acts on a terminal."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        return value if isinstance(value, Markup) else make_printable(str(value)).replace("@@", "@\u200b@")

    loader = PackageLoader(PACKAGE, "templates")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, finalize=shown, trim_blocks=True, lstrip_blocks=True
    )
