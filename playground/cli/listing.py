"""`playground list`: the names that a scenario may use, each with what it is."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.context import echo, load_plugins, print_note
from playground.errors import ExitCode, PlaygroundError, suggestion

if TYPE_CHECKING:
    from playground.plugins.registry import Component

INDENT = "  "

DEFAULT_WIDTH = 100
"""Characters of a line of names where there is no terminal that has a width."""


def list_components(
    context: typer.Context,
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="Only this kind: optimizer, model, ...")] = None,
) -> None:
    """List the registered components by kind, with a line about each; those of other plugins show the plugin."""
    from playground.plugins.registry import KINDS

    registry = load_plugins(context).registry
    if kind is not None and kind not in KINDS:
        print_note(f"unknown kind {kind!r}{suggestion(kind, KINDS)}")
        raise typer.Exit(ExitCode.INVALID)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, each in enumerate([kind] if kind else KINDS):
        echo(f"\n{each}" if number else each)
        for line in _lines([registry.get(each, name) for name in registry.names(each)], width):
            echo(line)


def _lines(components: list[Component], width: int | None) -> Iterator[str]:
    """Yield a line for each component that has a summary, then the names of the others, many in a line.

    :param width: of the terminal; lines are not cut where there is none.
    """
    from playground.figures.text import cut

    summaries = {_label(component): _summary(component) for component in components}
    described = {label: summary for label, summary in summaries.items() if summary}
    longest = max(map(len, described), default=0)
    for label, summary in described.items():
        line = f"{INDENT}{label.ljust(longest)}  {summary}"
        yield cut(line, width) if width else line
    names = [label for label in summaries if label not in described]
    yield from textwrap.wrap(
        ", ".join(names),
        width or DEFAULT_WIDTH,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _label(component: Component) -> str:
    plugin = component.origin.plugin
    return component.name if plugin == "builtin" else f"{component.name}  ({plugin})"


def _summary(component: Component) -> str:
    from playground.figures.text import make_printable
    from playground.plugins.static_docs import component_summary

    try:
        return make_printable(component_summary(component))
    except PlaygroundError:  # `show` says what is wrong with it
        return ""
