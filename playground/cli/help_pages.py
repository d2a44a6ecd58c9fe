"""Help pages: names instead of Python's types, and summaries that are never cut off."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand


class ReadableHelp:
    """A mixin for Typer's commands and groups."""

    def get_short_help_str(self, limit: int = 0) -> str:
        """Return the first sentence of the help text, whole: the list of commands wraps it where it is long."""
        first, _, _ = (getattr(self, "help", None) or "").partition("\n\n")
        sentence, stop, _ = " ".join(first.split()).partition(". ")
        return sentence + stop.rstrip()

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options; Typer would write the Python type of an argument beside its name."""
        parameters: list[Any] = self.get_params(ctx)  # type: ignore[attr-defined]
        arguments = [each for each in parameters if each.param_type_name == "argument"]
        options = [each for each in parameters if each.param_type_name == "option"]
        rows = {
            "Arguments": [(each.metavar, _describe(each, ctx)) for each in arguments],
            "Options": [(each.get_help_record(ctx)[0], _describe(each, ctx)) for each in options if not each.hidden],
        }
        for title, lines in rows.items():
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)


def _describe(parameter: Any, ctx: Any) -> str:
    """Return what help says about a parameter; bounds name its value: `[N>=0]` where Typer writes `[x>=0]`."""
    text: str = parameter.get_help_record(ctx)[1]
    return re.sub(r"\bx(?=[<>]=)|(?<=<=)x\b", parameter.metavar or "x", text)


class PlainCommand(ReadableHelp, TyperCommand):
    """A command with a readable help page."""
