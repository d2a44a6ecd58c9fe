"""Many scenarios: run each, let no broken one stop the others."""

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
"""`answer` for a file, all but its plugins and its observer given."""


@dataclass
class BatchProgress:
    """What a display may read while a batch grows."""

    total: int
    done: int = 0
    now: str = ""
    observe: Observer = field(default=nullcontext)


@dataclass(frozen=True)
class FinishedBatch:
    """A batch, and what only its operator needs to know.

    :param failures: of plugins, in any process, each once.
    :param tracebacks: of the exceptions behind errors.
    :param unused: options, with the files to whose tasks they mean nothing.
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
    """Run scenarios, one after the other or side by side. What plugins print goes to standard error.

    :param jobs: processes to use; with 1 everything happens in this one.
    :param fail_fast: stop after the first scenario that did not pass.
    :param record: what to keep of each single run besides its result.
    :param engine: what computes the runs of a sweep.
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
    """Answer for one file in a worker process."""
    with redirect_stdout(sys.stderr):
        return told(file, plugins=_load_worker_plugins(recipe))


@lru_cache
def _load_worker_plugins(recipe: str) -> Plugins:
    """Load the same plugins once for each worker process."""
    return load_plugins(**json.loads(recipe))
