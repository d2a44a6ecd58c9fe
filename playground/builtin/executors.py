"""Executors for scenarios: context managers that yield a `concurrent.futures.Executor`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from ctypes import c_bool
from multiprocessing.sharedctypes import RawValue
from typing import Annotated, Any

from annotated_types import Ge


class InlineExecutor(Executor):
    """Computes immediately, in the calling thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is already done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # a future holds any exception
            future.set_exception(error)
        return future


class ProcessExecutor(ProcessPoolExecutor):
    """A pool of processes that never receive Ctrl-C; the parent receives it and ends them.

    :param workers: the number of processes.
    """

    def __init__(self, workers: int) -> None:
        self._stop = RawValue(c_bool, False)
        # spawn: a forked copy of a process with torch's threads may hang
        super().__init__(workers, multiprocessing.get_context("spawn"), _set_up_worker, (self._stop,))

    def interrupt(self) -> None:
        """Ask the running descents to end before their next step."""
        self._stop.value = True

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a process if needed; it inherits the blocked signal."""
        with _block_interrupts():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def serial() -> Iterator[Executor]:
    """Run scenarios one by one in this process."""
    yield InlineExecutor()


@contextmanager
def processes(workers: Annotated[int, Ge(1)] | None = None) -> Iterator[Executor]:
    """Run scenarios in parallel processes, each with one torch thread.

    Leaving early, by Ctrl-C or an exception, ends the running processes.

    :param workers: the number of processes; by default one per core.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessExecutor(workers or os.cpu_count() or 1)
    try:
        yield pool
    except BaseException:
        results: Any = getattr(pool, "_result_queue", None)
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
            process.join()
        # A process that was killed while writing has left half a message. The pool would wait for the rest forever,
        # because this process still holds the writing end open.
        # ever, because this process too could still write it.
        if results is not None:
            results._writer.close()
        raise
    pool.shutdown()


def _set_up_worker(stop: Any) -> None:
    """Set up a worker process.

    :param stop: its `value` says whether descents should end before their next step.
    """
    from playground.core.interrupts import listen_to

    listen_to(lambda: bool(stop.value))
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on systems where signals cannot be blocked
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process if its parent was killed, since its results are lost."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _block_interrupts() -> Iterator[None]:
    """Block Ctrl-C where the system supports it; it is delivered at the end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
