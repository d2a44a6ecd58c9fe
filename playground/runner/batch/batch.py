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
    answers: dict[Path, FileResult] = {}
    told = partial(run_file, changes=changes, record=record, engine=engine, one_of_many=len(files) > 1)
    run = (
        _run_in_processes(files, changes, plugins, jobs, told)
        if jobs > 1
        else _run_serially(files, plugins, progress, told)
    )
    interrupted = False
    try:
        for file, given in run:
            answers[file] = given
            progress.done += 1
            interrupted = given.interrupted
            if interrupted or (fail_fast and not given.passed):
                break
    except KeyboardInterrupt:
        interrupted = True
    finally:
        run.close()
    unused: dict[str, list[Path]] = {}
    for file, given in answers.items():
        for option in given.unused:
            unused.setdefault(option, []).append(file)
    ordered = [answers[file] for file in files if file in answers]
    return replace(_collect_results(ordered, interrupted, time.perf_counter() - start), unused=unused)


def _collect_results(answers: Sequence[FileResult], interrupted: bool, seconds: float) -> FinishedBatch:
    runs = tuple(answer.run for answer in answers if answer.run)
    errors = tuple(error for answer in answers for error in answer.errors)
    return FinishedBatch(
        Batch(runs, errors, interrupted, seconds, tuple(answer.sweep for answer in answers if answer.sweep)),
        tuple(dict.fromkeys(failure for answer in answers for failure in answer.failures)),
        tuple(answer.traceback for answer in answers if answer.traceback),
    )


def _run_serially(files: Sequence[Path], plugins: Plugins, progress: BatchProgress, told: FileRunner) -> FileResults:
    for file in files:
        progress.now = file.stem
        with redirect_stdout(sys.stderr):
            given = told(file, plugins=plugins, observe=progress.observe)
        yield file, given


def _run_in_processes(
    files: Sequence[Path], changes: Changes, plugins: Plugins, jobs: int, told: FileRunner
) -> FileResults:
    component = plugins.registry.get("executor", "processes")
    work = partial(_run_in_worker, told=told, recipe=json.dumps(plugins.recipe))

    def pool(workers: int) -> AbstractContextManager[Executor]:
        made: AbstractContextManager[Executor] = build(component, {"workers": workers}, {})
        return made

    for file, given in run_parallel(files, work, pool, jobs):
        yield file, lost_file_result(file, changes) if given is None else given


def _run_in_worker(file: Path, told: FileRunner, recipe: str) -> FileResult:
    """Run one file in a worker process."""
    with redirect_stdout(sys.stderr):
        return told(file, plugins=_load_worker_plugins(recipe))


@lru_cache
def _load_worker_plugins(recipe: str) -> Plugins:
    """Load the plugins of the parent process, once in each worker process."""
    return load_plugins(**json.loads(recipe))
