"""`playground suite`: list the problems of a suite, and freeze its targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.common_options import Jobs
from playground.cli.compare import CORES, show_compare_progress
from playground.cli.completion import complete_suite
from playground.cli.context import echo, exit_on_errors, load_plugins, print_note
from playground.cli.help_pages import PlainCommand
from playground.cli.shared_options import SharedOptionsGroup
from playground.errors import ExitCode
from playground.report.writing import write_whole

if TYPE_CHECKING:
    from playground.runner.comparing.suites import Suite

suite_app = typer.Typer(
    cls=SharedOptionsGroup,
    help="List the problems of a suite, or freeze its targets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SuiteName = Annotated[
    str,
    typer.Argument(metavar="NAME|FILE", help="A suite, or its file.", autocompletion=complete_suite),
]


@suite_app.command("list", cls=PlainCommand)
def list_problems(context: typer.Context, name: SuiteName = "core") -> None:
    """List the problems of a suite: family, what each probes, budget and least loss."""
    from playground.runner.comparing.suites import find_suite, load_suite

    plugins = load_plugins(context)
    with exit_on_errors(context):
        suite = load_suite(find_suite(name, plugins), frozen=False)
    rows = [
        (
            problem.name,
            problem.entry.family,
            problem.entry.probe,
            f"{problem.scenario.steps:,}",
            f"{problem.least:.6g}",
            "" if problem.entry.headline else "outside the verdict",
            "" if problem.entry.tier == "quick" else "on request",
        )
        for problem in suite.problems.values()
    ]
    table = [("problem", "family", "probe", "steps", "least loss", "", ""), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    echo(f"\n{_describe_size(suite)}; {suite.file}")


@suite_app.command("freeze", cls=PlainCommand)
def freeze(
    context: typer.Context,
    name: SuiteName,
    jobs: Jobs = CORES,
) -> None:
    """Choose the targets of every problem by a fixed pool of tuned optimizers, and write them beside the suite.

    Problems that do not tell optimizers apart are named and get no targets: leave them out of the suite.
    """
    from playground.core.interrupts import treat_termination_as_interrupt
    from playground.runner.comparing.freezing import format_targets, freeze_suite
    from playground.runner.comparing.measuring import CompareProgress
    from playground.runner.comparing.suites import find_suite, load_suite, targets_path

    treat_termination_as_interrupt()
    plugins = load_plugins(context)
    progress = CompareProgress()
    with exit_on_errors(context):
        suite = load_suite(find_suite(name, plugins), frozen=False)
        with show_compare_progress(progress, quiet=False):
            outcome = freeze_suite(suite, plugins, Path.cwd(), jobs, progress)
        text = format_targets(outcome)
        write_whole(targets_path(suite.file), lambda beside: beside.write_text(text, encoding="utf-8"))
    echo(f"{targets_path(suite.file)}: targets of {len(outcome.targets)} problems")
    for problem, reason in outcome.refusals.items():
        print_note(f"{problem}: no targets: {reason}")
    raise typer.Exit(ExitCode.INVALID if outcome.refusals else ExitCode.PASSED)


def _describe_size(suite: Suite) -> str:
    counted = sum(problem.entry.headline for problem in suite.problems.values())
    return f"{len(suite.problems)} problems, {counted} of them in {len(suite.families)} families count in a verdict"
