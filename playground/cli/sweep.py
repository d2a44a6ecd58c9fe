"""`playground sweep`: one scenario, many times at once."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.context import checked_engine, document_stream, errors, load_plugins, pairs
from playground.cli.github import show_on_github
from playground.cli.run import exit_code, found_writers, written
from playground.errors import Place, PlaygroundError
from playground.result import Batch

if TYPE_CHECKING:
    from playground.runner.sweeping.sweep import Progress
    from playground.scenario.model import Loaded

UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}


def sweep(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A scenario file.")],
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
    """Run a scenario many times at once, over values and seeds, and say what the numbers mean.

    What was computed before is not computed again: an interrupted sweep goes on where it stopped. Results are in
    .playground/results.sqlite below the working directory.
    """
    from playground.runner.sweeping.sweep import Options, Progress, run_sweep

    plugins = load_plugins(context)
    progress = Progress()
    with errors(context):
        writers = found_writers(plugins, reports, html=html)
    with _shown(progress, path.stem, quiet=as_json), errors(context):
        options = Options(
            engine=checked_engine(engine),
            jobs=jobs,
            executor=executor,
            executor_options=_values(executor_options or []),
            fresh=fresh,
            memory=_bytes(memory),
            sensitivity=sensitivity,
            command=shlex.join(["playground", *sys.argv[1:]]),
        )
        loaded = _loaded(path, overrides or [], over or [], seeds)
        found = run_sweep(loaded, plugins, options, progress)
    batch = Batch((), (), found.interrupted, found.seconds, (found,))
    if as_json:
        _print_runs(context, found.id)
    else:
        from playground.report.console import open_console, show

        show(batch, open_console())
    show_on_github(batch)
    raise typer.Exit(max([exit_code(batch), *(written(context, write, batch, path) for write, path in writers)]))


def _loaded(path: Path, overrides: list[str], over: list[str], seeds: int | None) -> Loaded:
    """Load the scenario with the axes of the command line in its sweep.

    :raises PlaygroundError: it is not valid, or nothing varies.
    """
    from playground.cli.axes import parse_over
    from playground.scenario.grid import with_axes
    from playground.scenario.model import load_scenario

    loaded = load_scenario(path, pairs(overrides, "--set"))
    if over or seeds is not None:
        loaded = with_axes(loaded, dict(map(parse_over, over)), seeds)
    if loaded.scenario.sweep is None:
        raise PlaygroundError(
            f"{path}: nothing to sweep over: give --over or --seeds, or write a `sweep:` into the file"
        )
    return loaded


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


def _bytes(text: str) -> int:
    """Read a size: `500MB`, `2GB`, or a number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?b?)", text.strip().lower())
    if not match or float(match[1]) <= 0:
        raise PlaygroundError(f"--memory {text}: expected a size such as 500MB or 2GB")
    unit = match[2] if match[2] in UNITS else f"{match[2]}b"
    return int(float(match[1]) * UNITS.get(unit, 1))


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


def _print_runs(context: typer.Context, sweep_id: str) -> None:
    from playground.runner.store import Store
    from playground.runner.store.exporting import write_json

    with errors(context), Store.open(Path.cwd(), create=False) as store, document_stream() as stream:
        write_json(stream, [(store.sweep(sweep_id), store.tally(sweep_id))], store.rows(sweep_id))
