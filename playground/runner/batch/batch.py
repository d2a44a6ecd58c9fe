"""Runs many scenario files; a file that fails does not stop the others."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

from playground.plugins.manager import LoadFailure, Plugins, load_plugins
from playground.plugins.signature import build
from playground.result import Batch
from playground.runner.batch.file_result import FileResult, lost_file_result, run_file
from playground.runner.loading.overrides import Changes
from playground.runner.processes.parallel import run_parallel
from playground.runner.single.record_options import RECORD_NOTHING, RecordOptions
from playground.runner.single.running import Observer

FileResults = Generator[tuple[Path, FileResult], None, None]

FileRunner = Callable[..., FileResult]
"""`run_file` with all arguments except the file, plugins and observer."""


@dataclass
class BatchProgress:
    """The progress of a batch, which a display reads while it runs."""

    total: int
    done: int = 0
    now: str = ""
    observe: Observer = field(default=nullcontext)


@dataclass(frozen=True)
class FinishedBatch:
    """A batch, with details for the person who ran it.

    :param failures: plugins that failed in any process, each once.
    :param tracebacks: of the exceptions behind errors.
    :param unused: options that did not apply, each with the files whose tasks do not take them.
    """

    batch: Batch
    failures: tuple[LoadFailure, ...]
    tracebacks: tuple[str, ...]
    unused: Mapping[str, Sequence[Path]] = field(default_factory=dict)


def run_batch(
    files: Sequence[Path],
    changes: Changes,
    plugins: Plugins,
    jobs: int = 1,
    fail_fast: bool = False,
    progress: BatchProgress | None = None,
    record: RecordOptions = RECORD_NOTHING,
    engine: str = "auto",
) -> FinishedBatch:
    """Run scenario files one by one or in several processes. Output of plugins goes to standard error.

    :param jobs: number of processes; 1 runs everything in this process.
    :param fail_fast: stop after the first file that does not pass.
    :param record: what to keep of each run besides its result.
    :param engine: the engine for the runs of a sweep.
    """
    start = time.perf_counter()
    progress = progress or BatchProgress(len(files))
    results: dict[Path, FileResult] = {}
    run_one_file = partial(run_file, changes=changes, record=record, engine=engine, one_of_many=len(files) > 1)
    run = (
        _run_in_processes(files, changes, plugins, jobs, run_one_file)
        if jobs > 1
        else _run_serially(files, plugins, progress, run_one_file)
    )
    interrupted = False
    try:
        for file, result in run:
            results[file] = result
            progress.done += 1
            interrupted = result.interrupted
            if interrupted or (fail_fast and not result.passed):
                break
    except KeyboardInterrupt:
        interrupted = True
    finally:
        run.close()
    unused: dict[str, list[Path]] = {}
    for file, result in results.items():
        for option in result.unused:
            unused.setdefault(option, []).append(file)
    ordered = [results[file] for file in files if file in results]
    return replace(_collect_results(ordered, interrupted, time.perf_counter() - start), unused=unused)


def _collect_results(results: Sequence[FileResult], interrupted: bool, seconds: float) -> FinishedBatch:
    runs = tuple(result.run for result in results if result.run)
    errors = tuple(error for result in results for error in result.errors)
    return FinishedBatch(
        Batch(
            runs,
            errors,
            interrupted,
            seconds,
            tuple(result.sweep for result in results if result.sweep),
            tuple(result.comparison for result in results if result.comparison),
        ),
        tuple(dict.fromkeys(failure for result in results for failure in result.failures)),
        tuple(result.traceback for result in results if result.traceback),
    )


def _run_serially(
    files: Sequence[Path], plugins: Plugins, progress: BatchProgress, run_one_file: FileRunner
) -> FileResults:
    for file in files:
        progress.now = file.stem
        with redirect_stdout(sys.stderr):
            result = run_one_file(file, plugins=plugins, observe=progress.observe)
        yield file, result


def _run_in_processes(
    files: Sequence[Path], changes: Changes, plugins: Plugins, jobs: int, run_one_file: FileRunner
) -> FileResults:
    component = plugins.registry.get("executor", "processes")
    work = partial(_run_in_worker, run_one_file=run_one_file, recipe=json.dumps(plugins.recipe))

    def pool(workers: int) -> AbstractContextManager[Executor]:
        made: AbstractContextManager[Executor] = build(component, {"workers": workers}, {})
        return made

    for file, result in run_parallel(files, work, pool, jobs):
        yield file, lost_file_result(file, changes) if result is None else result


def _run_in_worker(file: Path, run_one_file: FileRunner, recipe: str) -> FileResult:
    """Run one file in a worker process."""
    with redirect_stdout(sys.stderr):
        return run_one_file(file, plugins=_load_worker_plugins(recipe))


@lru_cache
def _load_worker_plugins(recipe: str) -> Plugins:
    """Load the plugins of the parent process, once in each worker process."""
    return load_plugins(**json.loads(recipe))
