"""`playground sweep`: run scenarios many times, over values and seeds."""

from __future__ import annotations

import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
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
)
from playground.cli.completion import complete_axis, complete_executor, complete_executor_option
from playground.cli.context import (
    document_stream,
    exit_on_errors,
    load_plugins,
    parse_memory,
    print_note,
    split_pairs,
)
from playground.cli.exit_codes import choose_exit_code
from playground.cli.github import show_on_github
from playground.cli.run import choose_recorded, find_writers, print_unused_options, write_report
from playground.errors import ExitCode, Place, PlaygroundError, StoreError
from playground.result import Batch

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins
    from playground.result import ScenarioFault, Sweep
    from playground.runner.loading.overrides import Changes
    from playground.runner.single.record_options import RecordOptions
    from playground.runner.sweeping.loading import AxisOptions
    from playground.runner.sweeping.sweep import SweepOptions, SweepProgress


def sweep(
    context: typer.Context,
    paths: ScenarioPaths,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="KEY=VALUES",
            help="Vary a key: optimizer.lr=log:1e-4:1:20, model.hidden=[4],[8].",
            autocompletion=complete_axis,
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", min=1, help="Run every point with the seeds 0 to N - 1.")
    ] = None,
    overrides: Overrides = None,
    seed: Seed = None,
    jobs: Jobs = 1,
    engine: Engine = "auto",
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor",
            metavar="NAME",
            help="Compute with an executor of `playground list executor`.",
            autocompletion=complete_executor,
        ),
    ] = None,
    executor_options: Annotated[
        list[str] | None,
        typer.Option(
            "--executor-option",
            metavar="KEY=VALUE",
            help="Set a parameter of the executor.",
            autocompletion=complete_executor_option,
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute stored runs again.")] = False,
    memory: Memory = None,
    as_json: AsJson = False,
    html: Html = None,
    reports: Reports = None,
    no_live: NoLive = False,
) -> None:
    """Run scenarios many times, over values and seeds.

    Stored runs are not computed again, so an interrupted sweep resumes where it stopped. Results are stored in
    .playground/results.sqlite in the working directory.
    """
    from playground.cli.over_option import parse_over
    from playground.core.interrupts import treat_termination_as_interrupt
    from playground.runner.loading.overrides import Changes
    from playground.runner.loading.scenario_files import find_scenarios
    from playground.runner.single.memory import DEFAULT_MEMORY_BYTES
    from playground.runner.sweeping.loading import AxisOptions
    from playground.runner.sweeping.sweep import SweepOptions

    treat_termination_as_interrupt()
    plugins = load_plugins(context)
    with exit_on_errors(context):
        writers = find_writers(plugins, reports, html=html)
        record = choose_recorded(writers, live=not no_live)
        if seed is not None and seeds is not None:
            raise PlaygroundError(f"--seed {seed} --seeds {seeds}: give only one of them")
        if executor is not None:
            check_component("--executor", "executor", executor, plugins)
        options = SweepOptions(
            engine=engine,
            jobs=jobs,
            executor=executor,
            executor_options=_parse_values(executor_options or []),
            fresh=fresh,
            memory=parse_memory(memory) or DEFAULT_MEMORY_BYTES,
            command=shlex.join(["playground", *sys.argv[1:]]),
        )
        changes = Changes(split_pairs(overrides or [], "--set"), seed)
        axes = AxisOptions(dict(map(parse_over, over or [])), seeds)
    files, missing = find_scenarios(paths)
    swept = _sweep_all(
        context, files, partial(_load_and_run, changes, axes, plugins, options, record, len(files) > 1), as_json
    )
    batch = replace(swept.batch, errors=(*missing, *swept.batch.errors))
    if not (batch.sweeps or batch.errors):
        print_note("nothing to sweep over: give --over or --seeds, or add a `sweep:` section to a file")
        raise typer.Exit(ExitCode.INVALID)
    if as_json and batch.sweeps:
        _print_runs(context, [each.id for each in batch.sweeps])
    _show(batch, as_json)
    print_unused_options(swept.unused)
    raise typer.Exit(
        max([choose_exit_code(batch), *(write_report(context, write, batch, path) for write, path in writers)])
    )


@dataclass
class SweptFile:
    """The sweeps of several files, and the options that had no effect on some of them."""

    batch: Batch
    unused: dict[str, list[Path]] = field(default_factory=dict)


def _load_and_run(
    changes: Changes,
    axes: AxisOptions,
    plugins: Plugins,
    options: SweepOptions,
    record: RecordOptions,
    one_of_many: bool,
    file: Path,
    progress: SweepProgress,
) -> tuple[Sweep | None, Sequence[str]]:
    """Run the sweep of one file, if it has one; return it and the options that had no effect."""
    from playground.runner.sweeping.example import add_example
    from playground.runner.sweeping.loading import load_sweep
    from playground.runner.sweeping.sweep import run_sweep

    found = load_sweep(file, changes, axes, plugins, one_of_many)
    if found.loaded is None:
        return None, found.unused
    sweep = run_sweep(found.loaded, plugins, options, progress)
    return add_example(sweep, found.loaded, plugins, record), found.unused


def _sweep_all(
    context: typer.Context,
    files: Sequence[Path],
    run: Callable[[Path, SweepProgress], tuple[Sweep | None, Sequence[str]]],
    quiet: bool,
) -> SweptFile:
    """Run one sweep after the other; an invalid file does not stop the others."""
    from playground.runner.batch.file_result import fault_rows
    from playground.runner.sweeping.sweep import SweepProgress

    start = time.perf_counter()
    sweeps: list[Sweep] = []
    faults: list[ScenarioFault] = []
    unused: dict[str, list[Path]] = {}
    for file in files:
        progress = SweepProgress()
        try:
            with _show_progress(progress, file.stem, quiet):
                found, options = run(file, progress)
        except PlaygroundError as error:
            if len(files) == 1 or isinstance(error, StoreError):  # no other file would do better
                with exit_on_errors(context):
                    raise
            if context.obj.debug:
                print_note(traceback.format_exc())
            faults += fault_rows(error, file)
            continue
        for option in options:
            unused.setdefault(option, []).append(file)
        if found is None:
            print_note(f"{file}: skipped, nothing to sweep over")
            continue
        sweeps.append(found)
        if found.interrupted:
            break
    interrupted = any(each.interrupted for each in sweeps)
    return SweptFile(Batch((), tuple(faults), interrupted, time.perf_counter() - start, tuple(sweeps)), unused)


def _show(batch: Batch, as_json: bool) -> None:
    """Print sweeps to standard output, several of them with a table of all at the end, and faults to standard error."""
    from playground.report.console import open_console, show, show_errors, show_sweep

    console = open_console()
    if not as_json and batch.sweeps:
        several = len(batch.sweeps) > 1 or bool(batch.errors)
        for each in batch.sweeps if several else ():
            show_sweep(each, console)
            console.print()
        show(batch, console)
    for warning in (warning for each in batch.sweeps for warning in each.warnings):
        print_note(warning)
    show_errors(batch.errors, open_console(stderr=True))
    show_on_github(batch)


def _parse_values(texts: list[str]) -> dict[str, Any]:
    """Parse `KEY=VALUE` texts; values are YAML."""
    from playground.scenario.reader import read_yaml

    found = {}
    for key, text in split_pairs(texts, "--executor-option"):
        node = read_yaml(text, partial(_keep_place, Place(f"--executor-option {key}={text}")))
        found[key] = node.data() if node else None
    return found


def _keep_place(place: Place, line: int, column: int) -> Place:
    return place


@contextmanager
def _show_progress(progress: SweepProgress, name: str, quiet: bool) -> Iterator[None]:
    """Show the number of finished runs on standard error, if standard error is a terminal."""
    if quiet:
        yield
        return
    from rich.console import Console

    from playground.report.progress import bar

    with bar(lambda: (name, int(progress.share), max(progress.total, 1)), Console(stderr=True), 0.5):
        yield


def _print_runs(context: typer.Context, ids: Sequence[str]) -> None:
    from playground.runner.store import Store
    from playground.runner.store.exporting import write_json

    with exit_on_errors(context), Store.open(Path.cwd(), create=False) as store, document_stream() as stream:
        runs = chain.from_iterable(map(store.rows, ids))
        write_json(stream, [(store.sweep(each), store.tally(each)) for each in ids], runs)
