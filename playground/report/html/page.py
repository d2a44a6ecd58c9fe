"""Assembles the page: inlines its files and the data for its script."""

from __future__ import annotations

import base64
import hashlib
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

SCRIPTS = (
    "numbers",
    "colours",
    "charts",
    "overlay",
    "numbers_table",
    "scrubber",
    "explained",
    "sweeps",
    "comparisons",
    "machine",
    "work",
    "descent",
    "rows",
    "axes",
    "samples",
    "maps",
    "handles",
    "judging",
    "sharing",
    "controls",
    "live",
    "python_numbers",
    "explained_live",
    "page",
)
"""The files of the page's script, in the order in which they are joined to one."""

SCRIPT_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
"""Characters that could end a script or begin a comment inside one; JSON contains them only in strings."""


def html_page(
    parts: Sequence[Mapping[str, Any]], index: Mapping[str, Any], has_charts: bool = True, language: str = "en"
) -> str:
    """Return the page.

    :param parts: one for each run and sweep: `id`, `template`, the template's values, and the script's data under
        `data`.
    :param index: the overview above the parts.
    :param has_charts: whether the page has plotly.
    :param language: of the content.
    """
    data = {part["id"]: part["data"] for part in parts}
    content = main_content(parts, index)
    return page_shell(str(index["title"]), content, data, has_charts=has_charts, language=language)


def index_of_one(part: Mapping[str, Any], notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the overview of a page with one part, which is none.

    :param notes: sentences above the part.
    """
    return {
        "title": part["title"],
        "alone": True,
        "listed": [part],
        "errors": [],
        "interrupted": False,
        "notes": notes,
    }


def main_content(parts: Sequence[Mapping[str, Any]], index: Mapping[str, Any]) -> str:
    """Return what the page's main element contains; see `html_page`."""
    return _environment().get_template("main.html").render(parts=parts, **index)


def page_shell(
    title: str,
    content: str,
    data: Mapping[str, Any],
    connect: str = "'none'",
    follows: bool = False,
    has_charts: bool = True,
    language: str = "en",
) -> str:
    """Return a page around a content.

    :param content: of the main element, as HTML.
    :param data: for the script, of each part by its name.
    :param connect: which addresses the script may ask, as the source of a content security policy.
    :param follows: whether the page shows what `playground live` sends it.
    :param has_charts: whether the page has plotly.
    :param language: of the content.
    """
    from markupsafe import Markup

    scripts = {"SCRIPT": page_script((*SCRIPTS, "follow") if follows else SCRIPTS)}
    if has_charts:
        scripts["PLOTLY"] = _plotly()
    inlined = {"STYLE": _text("page.css") + BODY_STYLE, "DATA": as_json(data), **scripts}
    policy = content_policy(tuple(scripts.values()), connect)
    template = _environment().get_template("page.html")
    shown = template.render(
        title=title,
        content=Markup(content),
        policy=policy,
        versions=versions(),
        follows=follows,
        has_charts=has_charts,
        language=language,
    )
    first, *others = shown.split("@@INLINE-")  # only the template has these marks; scenario texts are escaped
    filled = (inlined[name] + rest for name, _, rest in (other.partition("@@") for other in others))
    return "".join((first, *filled))


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def content_policy(scripts: Sequence[str], connect: str) -> str:
    """Return a content security policy: these scripts and WebAssembly run, and nothing is loaded.

    Source: https://www.w3.org/TR/CSP3/.

    :param scripts: the texts of the script elements.
    :param connect: which addresses the scripts may ask.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(("'wasm-unsafe-eval'", *(f"'sha256-{digest}'" for digest in digests)))
    rules = {
        "default-src": "'none'",
        "script-src": allowed,
        "style-src": "'unsafe-inline'",  # plotly and the charts set styles of their elements
        "img-src": "data: blob:",
        "connect-src": connect,
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def page_script(names: Sequence[str] = SCRIPTS) -> str:
    """Return the script of the page: its files in one scope of their own."""
    return "\n".join(('"use strict";', "(() => {", *(_text(f"scripts/{name}.js") for name in names), "})();"))


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
    return files(PACKAGE).joinpath("templates", *name.split("/")).read_text(encoding="utf-8")


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
