"""Runs work in other processes; if a process dies, only the item that killed it is lost."""

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
    """Yield the result of each item as it arrives; None for an item whose process dies.

    The death of a process loses all items in progress, and does not show which item caused it. Each of these items is
    therefore tried again alone; the others continue in new processes. Exceptions of `work` are raised here.

    :param items: taken when a process is free.
    :param work: a picklable function of picklable items, with picklable results.
    :param pool: returns an executor with that many processes. An optional method `interrupt` ends its work early.
    :param grace: seconds to wait after Ctrl-C for results of work that `interrupt` ended.
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
    """Yield results until all items are done or a process dies; then collect the items in progress in `suspects`."""
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
    """End the work in progress early, and yield the results that arrive within the grace period."""
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
