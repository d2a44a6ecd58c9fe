"""Prints results in a terminal: one run in full, several runs as a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from playground.figures.text import without_commands
from playground.report import sweeps
from playground.report.comparing import show_comparison
from playground.report.layout import UNLIMITED_WIDTH, print_lines, print_wrapped, style_text, use_encoding
from playground.report.one_run import diagnosis_lines, ending, run_blocks
from playground.report.overview import count_verdicts, labeler, overview_remarks, overview_table
from playground.result import Batch, Run, ScenarioFault, Sweep

if TYPE_CHECKING:
    from rich.console import Console

INDENT = 2


def write(results: Batch, path: Path) -> None:
    """Write the terminal output to a file, without colours."""
    from rich.console import Console

    with path.open("w", encoding="utf-8") as file:
        console = Console(file=file, width=UNLIMITED_WIDTH, force_terminal=False)
        show(results, console)
        show_errors(results.errors, console)


def open_console(stderr: bool = False) -> Console:
    """Open standard output or standard error, as wide as its terminal or COLUMNS; otherwise lines are not cut."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    known = stream.isatty() or os.environ.get("COLUMNS", "").isdigit()
    width = None if known else UNLIMITED_WIDTH
    if os.environ.get("GITHUB_ACTIONS"):
        return Console(file=cast("TextIO", WithoutCommands(stream)), highlight=False, width=width)
    return Console(stderr=stderr, highlight=False, width=width)


class WithoutCommands:
    """A stream whose lines GitHub's runner never interprets as commands, even if a long line is wrapped before `::`.

    :param stream: receives the lines, several at a time.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write whole lines."""
        return self._stream.write(without_commands(text))

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        return getattr(self._stream, name)


def show(batch: Batch, console: Console) -> None:
    """Print a batch: one run in full; several runs as a table, followed by the failures.

    Does not print the faults of files that are not valid; see `show_errors`.
    """
    with use_encoding(console):
        _show(batch, console)


def _show(batch: Batch, console: Console) -> None:
    if len(batch.judged) == 1 and not batch.errors:
        for run in batch.runs:
            show_run(run, console)
        for sweep in batch.sweeps:
            show_sweep(sweep, console)
        for comparison in batch.comparisons:
            show_comparison(comparison, console)
        return
    for comparison in batch.comparisons:
        show_comparison(comparison, console)
        print_lines(console, [style_text()])
    if batch.judged or batch.invalid:
        print_lines(console, [*overview_table(batch, console.width), style_text()])
    label = labeler(batch)
    remarks = [remark for each in batch.judged for remark in overview_remarks(each, label(each.scenario, each.file))]
    for remark in remarks:
        print_wrapped(console, remark, hang=9)
    print_lines(console, [*([style_text()] if remarks else []), count_verdicts(batch)])


def show_sweep(sweep: Sweep, console: Console) -> None:
    """Print a sweep: how it was computed, a line for each point, the best settings, and the location of the runs."""
    with use_encoding(console):
        print_wrapped(console, style_text((sweep.scenario, "bold"), "  a sweep"))
        print_lines(console, [style_text()])
        for line in sweeps.sweep_head(sweep):
            print_wrapped(console, line, INDENT, hang=8)
        for lines in sweeps.sweep_blocks(sweep, console.width - INDENT):
            print_lines(console, [style_text()])
            print_lines(console, lines, INDENT)
        print_lines(console, [style_text()])
        for line in sweeps.ending(sweep):
            print_wrapped(console, line)


def show_errors(errors: Sequence[ScenarioFault], console: Console) -> None:
    """Print one line for each fault; it begins with a place in a format that editors can open."""
    with use_encoding(console):
        lines = [style_text(str(error)) for error in errors]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def show_run(run: Run, console: Console) -> None:
    """Print one run: setup, loss, parameters, predictions, expectations, verdict."""
    print_wrapped(console, style_text((run.scenario, "bold"), f"  {run.summary}"))
    for lines in run_blocks(run, console.width - INDENT):
        print_lines(console, [style_text()])
        print_lines(console, lines, INDENT)
    print_lines(console, [style_text()])
    verdict, *reasons = ending(run)
    print_wrapped(console, verdict)
    for line in (*reasons, *diagnosis_lines(run)):
        print_wrapped(console, line, INDENT)
