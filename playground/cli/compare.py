"""`playground compare`: say whether an optimizer is better than others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.choices import choose
from playground.cli.common_options import AsJson, Html, Jobs, Reports
from playground.cli.completion import complete_optimizer, complete_suite
from playground.cli.context import exit_on_errors, load_plugins
from playground.cli.exit_codes import choose_exit_code
from playground.cli.run import find_writers, print_results, write_report
from playground.result import Batch

if TYPE_CHECKING:
    from playground.runner.comparing.measuring import CompareProgress


CORES = os.cpu_count() or 1
"""Processes by default: one per core."""


def _more_choices() -> tuple[str, ...]:
    from playground.runner.comparing.looks import MORE

    return MORE


def compare(
    context: typer.Context,
    optimizer: Annotated[
        str,
        typer.Argument(
            metavar="OPTIMIZER",
            help="The optimizer to judge: adam, or mine(beta=log:0.5:0.99) to tune more than lr.",
            autocompletion=complete_optimizer,
        ),
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="NAMES",
            help="Compare with these: adam,lion,torch.Muon; sgd,momentum,adam,adamw if not given.",
            autocompletion=complete_optimizer,
        ),
    ] = None,
    suite: Annotated[
        str,
        typer.Option("--suite", metavar="NAME|FILE", help="The suite of problems.", autocompletion=complete_suite),
    ] = "core",
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Judge every pair of the optimizers.")] = False,
    more: Annotated[
        str | None,
        choose(
            "--more",
            accepted=_more_choices,
            metavar="families|studies",
            help="Take the next look, with more of what the last verdict advised.",
        ),
    ] = None,
    studies: Annotated[
        int | None, typer.Option("--studies", metavar="N", min=2, max=1000, help="Tune and score in N studies.")
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="CLAIM", help="Exit with code 1 unless it is shown: 'better than adam'."),
    ] = None,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Measure how often the verdicts of this comparison are wrong.")
    ] = False,
    jobs: Jobs = CORES,
    as_json: AsJson = False,
    junit_xml: Annotated[Path | None, typer.Option("--junit-xml", metavar="FILE", help="Write JUnit XML.")] = None,
    html: Html = None,
    reports: Reports = None,
) -> None:
    """Judge an optimizer on a suite of problems, each optimizer tuned with the same budget.

    The verdict is better, worse, equivalent, or "cannot tell" with what would decide it. Runs are stored in
    .playground/compare.sqlite in the working directory and are not computed again.

    Exit codes: 0 if there is a verdict, also "cannot tell"; 1 if something expected is not shown; 2 if the command line
    is invalid; 130 if interrupted.
    """
    from playground.core.interrupts import treat_termination_as_interrupt
    from playground.runner.comparing.compare import CompareOptions, compare_optimizers
    from playground.runner.comparing.contestants import split_contestants
    from playground.runner.comparing.measuring import CompareProgress

    treat_termination_as_interrupt()
    plugins = load_plugins(context)
    progress = CompareProgress()
    with exit_on_errors(context):
        writers = find_writers(plugins, reports, junit=junit_xml, html=html)
        options = CompareOptions(
            against=[name for text in against or [] for name in split_contestants(text)],
            suite=suite,
            all_pairs=all_pairs,
            more=more,
            studies=studies,
            expect=expect or (),
            self_test=self_test,
            jobs=jobs,
        )
        with show_compare_progress(progress, quiet=as_json):
            found = compare_optimizers(optimizer, plugins, options, progress)
    batch = Batch((), interrupted=found.interrupted, seconds=sum(found.seconds.values()), comparisons=(found,))
    print_results(batch, as_json)
    codes = [write_report(context, write, batch, path) for write, path in writers]
    raise typer.Exit(max([choose_exit_code(batch), *codes]))


@contextmanager
def show_compare_progress(progress: CompareProgress, quiet: bool) -> Iterator[None]:
    """Show how many pairs of an optimizer and a problem are done, on standard error, if it is a terminal."""
    if quiet:
        yield
        return
    from rich.console import Console

    from playground.report.progress import bar

    with bar(lambda: (progress.now, progress.stored + progress.done, max(progress.total, 1)), Console(stderr=True)):
        yield
