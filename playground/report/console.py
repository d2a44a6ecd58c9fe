"""What people see in a terminal: one run in full, several as a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from playground.figures.text import without_commands
from playground.report import sweeps
from playground.report.layout import UNLIMITED_WIDTH, print_lines, print_wrapped, style_text, use_encoding
from playground.report.one_run import blocks, diagnosis_lines, ending
from playground.report.overview import labeler, remarks, summary, table
from playground.result import Batch, Run, ScenarioFault, Sweep

if TYPE_CHECKING:
    from rich.console import Console

INDENT = 2


def write(results: Batch, path: Path) -> None:
    """Write to a file what would stand on the terminal, without colours."""
    from rich.console import Console

    with path.open("w", encoding="utf-8") as file:
        console = Console(file=file, width=UNLIMITED_WIDTH, force_terminal=False)
        show(results, console)
        show_errors(results.errors, console)


def open_console(stderr: bool = False) -> Console:
    """Return standard output or standard error as wide as its terminal, or as COLUMNS says; else nothing is cut."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    known = stream.isatty() or os.environ.get("COLUMNS", "").isdigit()
    width = None if known else UNLIMITED_WIDTH
    if os.environ.get("GITHUB_ACTIONS"):
        return Console(file=cast("TextIO", WithoutCommands(stream)), highlight=False, width=width)
    return Console(stderr=stderr, highlight=False, width=width)


class WithoutCommands:
    """A stream whose lines GitHub's runner takes for text, also where a long line was broken before `::`.

    :param stream: what lines are written to, several at a time.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write whole lines."""
        return self._stream.write(without_commands(text))

    def __getattr__(self, name: str) -> Any:
        """Return whatever else a stream has."""
        return getattr(self._stream, name)


def show(batch: Batch, console: Console) -> None:
    """Print a batch: one run in full, several as a table with what failed below it.

    What is wrong with a file that is not valid is not told here; see `show_errors`.
    """
    with use_encoding(console):
        _show(batch, console)


def _show(batch: Batch, console: Console) -> None:
    if len(batch.results) == 1 and not batch.errors:
        for run in batch.runs:
            show_run(run, console)
        for sweep in batch.sweeps:
            show_sweep(sweep, console)
        return
    if batch.results or batch.invalid:
        print_lines(console, [*table(batch, console.width), style_text()])
    label = labeler(batch)
    told = [remark for each in batch.results for remark in remarks(each, label(each.scenario, each.file))]
    for remark in told:
        print_wrapped(console, remark, hang=9)
    print_lines(console, [*([style_text()] if told else []), summary(batch)])


def show_sweep(sweep: Sweep, console: Console) -> None:
    """Print a sweep: what was computed how, a line for each point, the best, and where the runs are."""
    with use_encoding(console):
        print_wrapped(console, style_text((sweep.scenario, "bold"), "  a sweep"))
        print_lines(console, [style_text()])
        for line in sweeps.head(sweep):
            print_wrapped(console, line, INDENT, hang=8)
        for lines in sweeps.blocks(sweep, console.width - INDENT):
            print_lines(console, [style_text()])
            print_lines(console, lines, INDENT)
        print_lines(console, [style_text()])
        for line in sweeps.ending(sweep):
            print_wrapped(console, line)


def show_errors(errors: Sequence[ScenarioFault], console: Console) -> None:
    """Print one line for each fault, beginning with a place that an editor can jump to."""
    with use_encoding(console):
        lines = [style_text(str(error)) for error in errors]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def show_run(run: Run, console: Console) -> None:
    """Print one run: what was trained with what, the loss, parameters, predictions, expectations, the verdict."""
    print_wrapped(console, style_text((run.scenario, "bold"), f"  {run.summary}"))
    for lines in blocks(run, console.width - INDENT):
        print_lines(console, [style_text()])
        print_lines(console, lines, INDENT)
    print_lines(console, [style_text()])
    verdict, *reasons = ending(run)
    print_wrapped(console, verdict)
    for line in (*reasons, *diagnosis_lines(run)):
        print_wrapped(console, line, INDENT)
