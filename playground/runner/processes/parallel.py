"""Work side by side in other processes, where the death of one costs only the item that caused it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Pool = Callable[[int], AbstractContextManager[Executor]]


def run_parallel(
    items: Iterable[Item], work: Callable[[Item], Result], pool: Pool, jobs: int, grace: float = 0.0
) -> Generator[tuple[Item, Result | None], None, None]:
    """Yield the result of each item as it comes; None for one whose process dies.

    A death loses whatever was under way beside it too, and nobody knows whose fault it was. So those items are worked
    on once more, each alone; the rest goes on in new processes. What else `work` raises comes through.

    :param items: taken as there is room for them.
    :param work: it, the items and its results must be picklable.
    :param pool: makes an executor with that many processes. One whose work can end early has a method `interrupt`.
    :param grace: seconds to wait, after Ctrl-C, for the results of what `interrupt` ended early.
    """
    waiting = iter(items)
    while first := list(islice(waiting, 1)):
        suspects: deque[Item] = deque()
        with pool(jobs) as executor:
            underway: dict[Future[Result], Item] = {}
            try:
                yield from _run_until_death(executor, first, waiting, suspects, work, jobs, underway)
            except KeyboardInterrupt:
                yield from _collect_interrupted(executor, underway, grace)
                raise
        for item in suspects:
            with pool(1) as executor:
                yield item, _run_single(executor, item, work)


def _run_until_death(
    executor: Executor,
    first: list[Item],
    waiting: Iterator[Item],
    suspects: deque[Item],
    work: Callable[[Item], Result],
    jobs: int,
    underway: dict[Future[Result], Item],
) -> Iterator[tuple[Item, Result]]:
    """Work while all goes well; the items that were under way when it did not are the suspects, in their order."""
    while True:
        while not suspects and len(underway) < jobs and (taken := first or list(islice(waiting, 1))):
            item = taken.pop()
            try:
                underway[executor.submit(work, item)] = item
            except BrokenExecutor:
                suspects.append(item)
        if not underway:
            return
        done = wait(underway, return_when=FIRST_COMPLETED).done
        for future in [each for each in underway if each in done]:
            item = underway.pop(future)
            if isinstance(future.exception(), BrokenExecutor):
                suspects.append(item)
            else:
                yield item, future.result()


def _collect_interrupted(
    executor: Executor, underway: dict[Future[Result], Item], grace: float
) -> Iterator[tuple[Item, Result]]:
    """Ask for what is under way to end early, and yield what comes of it."""
    interrupt = getattr(executor, "interrupt", None)
    if interrupt is None or not grace:
        return
    interrupt()
    for future in wait(underway, timeout=grace).done:
        if not future.cancelled() and future.exception() is None:
            yield underway[future], future.result()


def _run_single(executor: Executor, item: Item, work: Callable[[Item], Result]) -> Result | None:
    try:
        return executor.submit(work, item).result()
    except BrokenExecutor:
        return None
