"""`playground list`: list the names that a scenario may use."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.completion import complete_kind
from playground.cli.context import echo, load_plugins, print_note
from playground.errors import ExitCode, PlaygroundError, suggest_names

if TYPE_CHECKING:
    from playground.plugins.registry import Component

INDENT = "  "

DEFAULT_WIDTH = 100
"""Characters in a line of names when standard output is not a terminal."""


def list_components(
    context: typer.Context,
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help="List this kind alone: task, model, loss, optimizer, schedule, function, dataset, reporter, executor, "
            "operation, diagnosis, loop_diagnosis, suite.",
            autocompletion=complete_kind,
        ),
    ] = None,
) -> None:
    """List components by kind, with a line about each.

    Components of third-party plugins show the plugin's name.
    """
    from playground.plugins.registry import KINDS

    registry = load_plugins(context).registry
    if kind is not None and kind not in KINDS:
        print_note(f"unknown kind {kind!r}{suggest_names(kind, KINDS)}")
        raise typer.Exit(ExitCode.INVALID)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, each in enumerate([kind] if kind else KINDS):
        echo(f"\n{each}" if number else each)
        for line in _lines([registry.get(each, name) for name in registry.names(each)], width):
            echo(line)


def _lines(components: list[Component], width: int | None) -> Iterator[str]:
    """Yield a line for each component that has a summary, then the names of the others, many in a line.

    :param width: characters in a line of the terminal; None leaves lines whole.
    """
    from playground.figures.text import cut_text

    summaries = {_label(component): _summary(component) for component in components}
    described = {label: summary for label, summary in summaries.items() if summary}
    longest = max(map(len, described), default=0)
    for label, summary in described.items():
        line = f"{INDENT}{label.ljust(longest)}  {summary}"
        yield cut_text(line, width) if width else line
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
