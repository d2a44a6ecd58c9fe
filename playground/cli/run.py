"""`playground run`: run scenarios and judge their results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.choices import check_component
from playground.cli.common_options import (
    AsJson,
    Engine,
    Html,
    Jobs,
    Memory,
    NoLive,
    Overrides,
    Reports,
    ScenarioPaths,
    Seed,
    Steps,
)
from playground.cli.context import (
    exit_on_errors,
    load_plugins,
    parse_memory,
    print_note,
    split_pairs,
    write_document,
)
from playground.cli.exit_codes import choose_exit_code, choose_plugin_exit_code
from playground.cli.github import show_on_github
from playground.cli.writing import require_free
from playground.errors import ExitCode
from playground.report.writing import write_whole
from playground.result import Batch

if TYPE_CHECKING:
    from playground.core.descent import DescentTrace
    from playground.plugins.manager import Plugins
    from playground.runner.batch.batch import BatchProgress, FinishedBatch
    from playground.runner.single.record_options import RecordOptions


MAX_LISTED_FILES = 5
"""Files that one message lists."""


def run(
    context: typer.Context,
    paths: ScenarioPaths,
    overrides: Overrides = None,
    seed: Seed = None,
    steps: Steps = None,
    jobs: Jobs = 1,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop after the first scenario that does not pass.")
    ] = False,
    engine: Engine = "auto",
    memory: Memory = None,
    as_json: AsJson = False,
    junit_xml: Annotated[Path | None, typer.Option("--junit-xml", metavar="FILE", help="Write JUnit XML.")] = None,
    html: Html = None,
    reports: Reports = None,
    no_live: NoLive = False,
) -> None:
    """Run scenarios and check their expectations.

    Exit codes: 0 if all passed; 1 if an expectation failed or a run went wrong; 2 if a scenario or the command line is
    invalid; 3 if a plugin failed and --strict-plugins was given; 130 if interrupted.
    """
    from playground.runner.batch.batch import BatchProgress, run_batch
    from playground.runner.loading.overrides import Changes
    from playground.runner.loading.scenario_files import find_scenarios

    plugins = load_plugins(context)
    known = plugins.failures
    with exit_on_errors(context):
        changes = Changes(split_pairs(overrides or [], "--set"), seed, steps, parse_memory(memory))
        writers = find_writers(plugins, reports, junit=junit_xml, html=html)
        record = choose_recorded(writers, live=not no_live)
    files, missing = find_scenarios(paths)
    progress = BatchProgress(len(files))
    with _show_progress(progress, quiet=as_json), exit_on_errors(context):
        finished = run_batch(files, changes, plugins, jobs, fail_fast, progress, record, engine)
    batch = finished.batch
    batch = replace(batch, errors=(*missing, *batch.errors))
    print_results(batch, as_json)
    print_unused_options(finished.unused)
    codes = [choose_exit_code(batch), _print_failures(context, finished, known)]
    codes += [write_report(context, write, batch, path) for write, path in writers]
    raise typer.Exit(max(codes))


def print_unused_options(unused: Mapping[str, Sequence[Path]]) -> None:
    """Print the options that had no effect on some files, because their tasks have no such key."""
    for option, files in unused.items():
        shown = ", ".join(map(str, files[:MAX_LISTED_FILES])) + (", …" if len(files) > MAX_LISTED_FILES else "")
        print_note(f"{option}: not used where the task has no such key: {shown}")


Writers = list[tuple[Any, Path]]
"""Reporters, each with its output file."""


def find_writers(plugins: Plugins, reports: list[str] | None, **short_forms: Path | None) -> Writers:
    """Find the reporters before anything runs, so that a misspelt name costs no time.

    :param reports: values of `--report`: `NAME=FILE`.
    :param short_forms: files of reporters that have an option of their own, by reporter.
    """
    from playground.plugins.signature import build

    own = [(name, str(path)) for name, path in short_forms.items() if path is not None]
    given = split_pairs(reports or [], "--report")
    for name, _ in given:
        check_component("--report", "reporter", name, plugins)
    asked = [*given, *own]
    for _, path in asked:
        require_free(Path(path))
    return [(build(plugins.registry.get("reporter", name), {}, {}), Path(path)) for name, path in asked]


def choose_recorded(writers: Writers, live: bool = True) -> RecordOptions:
    """Return what to keep of each run: what reporters declare by their attributes `record`, `explanations` and `live`.

    :param live: whether pages may have the program of a descent.
    """
    from playground.runner.single.record_options import RecordOptions

    return RecordOptions(
        steps=max((getattr(write, "record", 0) for write, _ in writers), default=0),
        explanations=any(getattr(write, "explanations", False) for write, _ in writers),
        live=live and any(getattr(write, "live", False) for write, _ in writers),
    )


def write_report(context: typer.Context, write: Any, batch: Batch, path: Path) -> ExitCode:
    """Write a report and return the exit code, so that a failure does not stop the other reports."""
    try:
        with exit_on_errors(context):
            write_whole(path, lambda beside: write(batch, beside))
    except typer.Exit as end:
        return ExitCode(end.exit_code)
    return ExitCode.PASSED


@contextmanager
def _show_progress(progress: BatchProgress, quiet: bool) -> Iterator[None]:
    """Show a progress bar on standard error while the batch runs, if standard error is a terminal."""
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


def print_results(batch: Batch, as_json: bool) -> None:
    """Print results to standard output, and errors to standard error."""
    from playground.report.console import open_console, show, show_errors

    if as_json:
        from playground.report.document import batch_document

        write_document(batch_document(batch) + "\n")
    elif batch.judged or len(batch.invalid) > 1:
        show(batch, open_console())
    for warning in (warning for run in batch.runs for warning in run.warnings):
        print_note(warning)
    show_errors(batch.errors, open_console(stderr=True))
    show_on_github(batch)


def _print_failures(context: typer.Context, finished: FinishedBatch, known: tuple[Any, ...]) -> ExitCode:
    """Print the plugins that failed while scenarios ran; with `--debug`, print tracebacks as well."""
    if context.obj.debug:
        for text in finished.tracebacks:
            print_note(text)
    failures = [failure for failure in finished.failures if failure not in known]
    for failure in failures:
        print_note(f"plugin {failure}")
    return choose_plugin_exit_code(failures, context.obj.strict)
