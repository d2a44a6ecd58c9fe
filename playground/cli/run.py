"""`playground run`: run scenarios, one or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.context import (
    Memory,
    check_engine,
    exit_code_of_failures,
    exit_on_errors,
    load_plugins,
    parse_memory,
    print_note,
    split_pairs,
    write_document,
)
from playground.cli.github import show_on_github
from playground.cli.writing import require_free, write_whole
from playground.errors import ExitCode
from playground.result import Batch, Verdict

if TYPE_CHECKING:
    from playground.core.descent import DescentTrace
    from playground.plugins.manager import Plugins
    from playground.runner.batch.batch import BatchProgress, FinishedBatch
    from playground.runner.single.record_options import RecordOptions


MAX_LISTED_FILES = 5
"""Files that one note names."""


def run(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Scenario files, or folders of them.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the scenario: optimizer.lr=0.1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Run from this seed.")] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Make at most this many steps.")] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Run this many scenarios side by side.")] = 1,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop after the first that does not pass.")] = False,
    engine: Annotated[
        str,
        typer.Option(
            help="What computes scenarios with a `sweep:`, as for `playground sweep`; one run is always plain."
        ),
    ] = "auto",
    memory: Memory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    junit_xml: Annotated[Path | None, typer.Option("--junit-xml", metavar="FILE", help="Write JUnit XML.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page to look at.")] = None,
    reports: Annotated[
        list[str] | None, typer.Option("--report", metavar="NAME=FILE", help="Write any reporter's output.")
    ] = None,
) -> None:
    """Run scenarios and judge them.

    Exit code: 0 all passed, 1 an expectation failed or a run went wrong, 2 a scenario or the command line is not
    valid, 3 a plugin failed under --strict-plugins, 130 interrupted.
    """
    from playground.runner.batch.batch import BatchProgress, run_batch
    from playground.runner.loading.overrides import Changes
    from playground.runner.loading.scenario_files import find_scenarios

    plugins = load_plugins(context)
    known = plugins.failures
    with exit_on_errors(context):
        check_engine(engine)
        changes = Changes(split_pairs(overrides or [], "--set"), seed, steps, parse_memory(memory))
        writers = find_writers(plugins, reports, junit=junit_xml, html=html)
        record = choose_recorded(writers)
    files, missing = find_scenarios(paths)
    progress = BatchProgress(len(files))
    with _show_progress(progress, quiet=as_json), exit_on_errors(context):
        finished = run_batch(files, changes, plugins, jobs, fail_fast, progress, record, engine)
    batch = finished.batch
    batch = replace(batch, errors=(*missing, *batch.errors))
    _print(batch, as_json)
    say_unused(finished.unused)
    codes = [exit_code(batch), _print_failures(context, finished, known)]
    codes += [write_report(context, write, batch, path) for write, path in writers]
    raise typer.Exit(max(codes))


def say_unused(unused: Mapping[str, Sequence[Path]]) -> None:
    """Say which options mean nothing to the tasks of some files, which did without them."""
    for option, files in unused.items():
        shown = ", ".join(map(str, files[:MAX_LISTED_FILES])) + (", …" if len(files) > MAX_LISTED_FILES else "")
        print_note(f"{option}: not used where the task has no such key: {shown}")


def exit_code(batch: Batch) -> ExitCode:
    """Return what the results say; of several troubles the largest counts."""
    if batch.interrupted:
        return ExitCode.INTERRUPTED
    if batch.errors:
        return ExitCode.INVALID
    failed = any(each.verdict is Verdict.FAILED for each in batch.results)
    return ExitCode.FAILED if failed else ExitCode.PASSED


Writers = list[tuple[Any, Path]]
"""Reporters, each with where it writes to."""


def find_writers(plugins: Plugins, reports: list[str] | None, **short_forms: Path | None) -> Writers:
    """Find the reporters before anything runs, so that a misspelt one costs no time.

    :param reports: as `--report` has them, `NAME=FILE`.
    :param short_forms: files by the reporter that has an option of its own.
    """
    from playground.plugins.signature import build

    own = [(name, str(path)) for name, path in short_forms.items() if path is not None]
    asked = [*split_pairs(reports or [], "--report"), *own]
    for _, path in asked:
        require_free(Path(path))
    return [(build(plugins.registry.get("reporter", name), {}, {}), Path(path)) for name, path in asked]


def choose_recorded(writers: Writers) -> RecordOptions:
    """Return what the reporters want to be kept of each run, as they say by attributes `record` and `explanations`."""
    from playground.runner.single.record_options import RecordOptions

    return RecordOptions(
        steps=max((getattr(write, "record", 0) for write, _ in writers), default=0),
        explanations=any(getattr(write, "explanations", False) for write, _ in writers),
    )


def write_report(context: typer.Context, write: Any, batch: Batch, path: Path) -> ExitCode:
    """Write a report; one that cannot be written keeps no other from being."""
    try:
        with exit_on_errors(context):
            write_whole(path, lambda beside: write(batch, beside))
    except typer.Exit as end:
        return ExitCode(end.exit_code)
    return ExitCode.PASSED


@contextmanager
def _show_progress(progress: BatchProgress, quiet: bool) -> Iterator[None]:
    """Show a bar while the batch runs, on standard error, when somebody is looking there."""
    if quiet:
        yield
        return
    from rich.console import Console

    from playground.report.progress import bar

    current: list[DescentTrace] = []

    @contextmanager
    def observe(descent: DescentTrace) -> Iterator[None]:
        current[:] = [descent]
        yield

    def read() -> tuple[str, int, int]:
        if progress.total == 1 and current:
            return progress.now, len(current[0].loss), current[0].budget
        return progress.now or "scenarios", progress.done, progress.total

    progress.observe = observe
    with bar(read, Console(stderr=True)):
        yield


def _print(batch: Batch, as_json: bool) -> None:
    """Print results to standard output, and what is wrong to standard error."""
    from playground.report.console import open_console, show, show_errors

    if as_json:
        from playground.report.document import document

        write_document(document(batch) + "\n")
    elif batch.results or len(batch.invalid) > 1:
        show(batch, open_console())
    for warning in (warning for run in batch.runs for warning in run.warnings):
        print_note(warning)
    show_errors(batch.errors, open_console(stderr=True))
    show_on_github(batch)


def _print_failures(context: typer.Context, finished: FinishedBatch, known: tuple[Any, ...]) -> ExitCode:
    """Say which plugins failed while scenarios ran, and with `--debug` what is behind errors."""
    if context.obj.debug:
        for text in finished.tracebacks:
            print_note(text)
    failures = [failure for failure in finished.failures if failure not in known]
    for failure in failures:
        print_note(f"plugin {failure}")
    return exit_code_of_failures(context, failures)
