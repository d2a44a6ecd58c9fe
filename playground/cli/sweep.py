"""`playground sweep`: one scenario, many times at once."""

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

from playground.cli.context import checked_engine, document_stream, errors, load_plugins, pairs, say
from playground.cli.github import show_on_github
from playground.cli.run import exit_code, found_writers, say_unused, written
from playground.errors import ExitCode, Place, PlaygroundError, StoreError
from playground.result import Batch

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins
    from playground.result import Invalid, Sweep
    from playground.runner.changes import Changes
    from playground.runner.sweeping.loading import Axes
    from playground.runner.sweeping.sweep import Options, Progress


def sweep(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Scenario files, or folders of them.")],
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over", metavar="KEY=VALUES", help="Vary a key: optimizer.lr=log:1e-4:1:20, model.hidden=[4],[8]."
        ),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Run every point from the seeds 0 to N - 1.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the scenario: steps=200.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Run every point from this seed.")] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Compute in this many processes.")] = 1,
    engine: Annotated[
        str,
        typer.Option(
            help="compiled: as one program; batched: as tensors; plain: one after the other. "
            "What one cannot do, the next does, and why is shown; auto also asks what is worth compiling."
        ),
    ] = "auto",
    executor: Annotated[
        str | None, typer.Option(help="Compute with this executor; see `playground list executor`.")
    ] = None,
    executor_options: Annotated[
        list[str] | None, typer.Option("--executor-option", metavar="KEY=VALUE", help="A parameter of the executor.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute again what is stored.")] = False,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="What one process may use for its runs.")] = "2GB",
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Mark runs whose answer changes when their start moves by a rounding; takes 4 times as long.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document with every run and nothing else.")
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page to look at.")] = None,
    reports: Annotated[
        list[str] | None, typer.Option("--report", metavar="NAME=FILE", help="Write any reporter's output.")
    ] = None,
) -> None:
    """Run scenarios many times at once, over values and seeds, and say what the numbers mean.

    What was computed before is not computed again: an interrupted sweep goes on where it stopped. Results are in
    .playground/results.sqlite below the working directory.
    """
    from playground.cli.axes import parse_over
    from playground.engine.interrupts import treat_termination_as_interrupt
    from playground.runner.changes import Changes
    from playground.runner.finding import find
    from playground.runner.memory import parse_size
    from playground.runner.sweeping.loading import Axes
    from playground.runner.sweeping.sweep import Options

    treat_termination_as_interrupt()
    plugins = load_plugins(context)
    with errors(context):
        writers = found_writers(plugins, reports, html=html)
        if seed is not None and seeds is not None:
            raise PlaygroundError(f"--seed {seed} --seeds {seeds}: give one of them")
        options = Options(
            engine=checked_engine(engine),
            jobs=jobs,
            executor=executor,
            executor_options=_values(executor_options or []),
            fresh=fresh,
            memory=parse_size(memory),
            sensitivity=sensitivity,
            command=shlex.join(["playground", *sys.argv[1:]]),
        )
        changes = Changes(pairs(overrides or [], "--set"), seed)
        axes = Axes(dict(map(parse_over, over or [])), seeds)
    files, missing = find(paths)
    swept = _sweep_all(context, files, partial(_load_and_run, changes, axes, plugins, options, len(files) > 1), as_json)
    batch = replace(swept.batch, errors=(*missing, *swept.batch.errors))
    if not (batch.sweeps or batch.errors):
        say("nothing to sweep over: give --over or --seeds, or write a `sweep:` into a file")
        raise typer.Exit(ExitCode.INVALID)
    if as_json and batch.sweeps:
        _print_runs(context, [each.id for each in batch.sweeps])
    _show(batch, as_json)
    say_unused(swept.unused)
    raise typer.Exit(max([exit_code(batch), *(written(context, write, batch, path) for write, path in writers)]))


@dataclass
class Swept:
    """The sweeps of several files, and the options that mean nothing to the tasks of some."""

    batch: Batch
    unused: dict[str, list[Path]] = field(default_factory=dict)


def _load_and_run(
    changes: Changes,
    axes: Axes,
    plugins: Plugins,
    options: Options,
    one_of_many: bool,
    file: Path,
    progress: Progress,
) -> tuple[Sweep | None, Sequence[str]]:
    """Run the sweep of one file, if it has one; return it with the options that were not used."""
    from playground.runner.sweeping.loading import load_sweep
    from playground.runner.sweeping.sweep import run_sweep

    found = load_sweep(file, changes, axes, plugins, one_of_many)
    if found.loaded is None:
        return None, found.unused
    return run_sweep(found.loaded, plugins, options, progress), found.unused


def _sweep_all(
    context: typer.Context,
    files: Sequence[Path],
    run: Callable[[Path, Progress], tuple[Sweep | None, Sequence[str]]],
    quiet: bool,
) -> Swept:
    """Run one sweep after the other; a file that is not valid keeps no other from being swept."""
    from playground.runner.answers import invalid_rows
    from playground.runner.sweeping.sweep import Progress

    start = time.perf_counter()
    sweeps: list[Sweep] = []
    faults: list[Invalid] = []
    unused: dict[str, list[Path]] = {}
    for file in files:
        progress = Progress()
        try:
            with _shown(progress, file.stem, quiet):
                found, options = run(file, progress)
        except PlaygroundError as error:
            if len(files) == 1 or isinstance(error, StoreError):  # no other file would do better
                with errors(context):
                    raise
            if context.obj.debug:
                say(traceback.format_exc())
            faults += invalid_rows(error, file)
            continue
        for option in options:
            unused.setdefault(option, []).append(file)
        if found is None:
            say(f"{file}: skipped, nothing to sweep over")
            continue
        sweeps.append(found)
        if found.interrupted:
            break
    interrupted = any(each.interrupted for each in sweeps)
    return Swept(Batch((), tuple(faults), interrupted, time.perf_counter() - start, tuple(sweeps)), unused)


def _show(batch: Batch, as_json: bool) -> None:
    """Print sweeps to standard output, of several each with a table of all below, and faults to standard error."""
    from playground.report.console import open_console, show, show_errors, show_sweep

    console = open_console()
    if not as_json and batch.sweeps:
        several = len(batch.sweeps) > 1 or bool(batch.errors)
        for each in batch.sweeps if several else ():
            show_sweep(each, console)
            console.print()
        show(batch, console)
    for warning in (warning for each in batch.sweeps for warning in each.warnings):
        say(warning)
    show_errors(batch.errors, open_console(stderr=True))
    show_on_github(batch)


def _values(texts: list[str]) -> dict[str, Any]:
    """Read `KEY=VALUE` with the value as YAML."""
    from playground.scenario.reader import read

    found = {}
    for key, text in pairs(texts, "--executor-option"):
        node = read(text, partial(_here, Place(f"--executor-option {key}={text}")))
        found[key] = node.data() if node else None
    return found


def _here(place: Place, line: int, column: int) -> Place:
    return place


@contextmanager
def _shown(progress: Progress, name: str, quiet: bool) -> Iterator[None]:
    """Show how many runs are done, on standard error, when somebody is looking there."""
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

    with errors(context), Store.open(Path.cwd(), create=False) as store, document_stream() as stream:
        runs = chain.from_iterable(map(store.rows, ids))
        write_json(stream, [(store.sweep(each), store.tally(each)) for each in ids], runs)
