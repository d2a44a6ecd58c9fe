"""Where scenarios are computed: context managers that yield a `concurrent.futures.Executor`."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Annotated, Any

from annotated_types import Ge


class InThisThread(Executor):
    """Computes at once, in the calling thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done already."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # a future holds whatever was raised
            future.set_exception(error)
        return future


@contextmanager
def serial() -> Iterator[Executor]:
    """One after the other, in this process."""
    yield InThisThread()


@contextmanager
def processes(workers: Annotated[int, Ge(1)] | None = None) -> Iterator[Executor]:
    """Side by side in processes of their own, each with one torch thread.

    :param workers: how many; by default one for each core.
    """
    count = workers or os.cpu_count() or 1
    # spawn: a forked copy of a process with torch's threads may hang
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _one_thread)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
