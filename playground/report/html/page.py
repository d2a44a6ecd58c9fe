"""Assembles the page: inlines its files and the data for its script."""

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
"""Characters that could end a script or begin a comment inside one; JSON contains them only in strings."""


def html_page(parts: Sequence[Mapping[str, Any]], index: Mapping[str, Any]) -> str:
    """Return the page.

    :param parts: one for each run and sweep: `id`, `template`, the template's values, and the script's data under
        `data`.
    :param index: the overview above the parts.
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
    first, *others = shown.split("@@INLINE-")  # only the template has these marks; scenario texts are escaped
    filled = (inlined[name] + rest for name, _, rest in (other.partition("@@") for other in others))
    return "".join((first, *filled))


def as_json(data: Any) -> str:
    """Return JSON that is safe inside a script element, in ASCII; fails on a number that is not finite."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).translate(SCRIPT_ESCAPES)


def versions() -> str:
    """Return the versions of the software that computed the numbers, if this process computed them."""
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
    """Return the template environment; it escapes every value, and makes it harmless for a terminal."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def escape_value(value: Any) -> Any:
        return value if isinstance(value, Markup) else make_printable(str(value)).replace("@@", "@\u200b@")

    loader = PackageLoader(PACKAGE, "templates")
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=escape_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
