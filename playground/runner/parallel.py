"""Files side by side in other processes, where the death of one costs only the file that caused it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
Work = Callable[[str], Result]
Pool = Callable[[int], AbstractContextManager[Executor]]


def side_by_side(
    files: Sequence[Path], work: Work[Result], pool: Pool, jobs: int
) -> Generator[tuple[Path, Result | None], None, None]:
    """Yield the result of each file as it comes; None for one whose process dies.

    A death loses whatever was under way beside it too, and nobody knows whose fault it was. So those files run once
    more, each alone; the rest goes on in new processes. What else `work` raises comes through.

    :param work: gets a file's name; it and its result must be picklable.
    :param pool: makes an executor with that many processes.
    """
    waiting = deque(files)
    while waiting:
        suspects: list[Path] = []
        with pool(jobs) as executor:
            yield from _until_death(executor, waiting, suspects, work, jobs)
        for file in suspects:
            with pool(1) as executor:
                yield file, _alone(executor, file, work)


def _until_death(
    executor: Executor, waiting: deque[Path], suspects: list[Path], work: Work[Result], jobs: int
) -> Iterator[tuple[Path, Result]]:
    """Take files from `waiting` while all goes well; those that were under way when it did not are the suspects."""
    underway: dict[Future[Result], Path] = {}
    while underway or (waiting and not suspects):
        while waiting and not suspects and len(underway) < jobs:
            file = waiting.popleft()
            try:
                underway[executor.submit(work, str(file))] = file
            except BrokenExecutor:
                suspects.append(file)
        for future in wait(underway, return_when=FIRST_COMPLETED).done:
            file = underway.pop(future)
            if isinstance(future.exception(), BrokenExecutor):
                suspects.append(file)
            else:
                yield file, future.result()


def _alone(executor: Executor, file: Path, work: Work[Result]) -> Result | None:
    try:
        return executor.submit(work, str(file)).result()
    except BrokenExecutor:
        return None
