"""A client of dask.distributed as an executor, with its failures as errors of the playground."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any

from distributed import Client, KilledWorker

from playground.plugin_api import ComponentError


class Workers(Executor):
    """Computes on the workers of a client.

    :param client: a connected client.
    :param retries: how often to retry a call that raised.
    :param where: description of the cluster, for messages.
    """

    def __init__(self, client: Client, retries: int, where: str) -> None:
        self._client = client
        # pure=False: otherwise dask computes two equal calls only once.
        self._executor = client.get_executor(pure=False, retries=retries)
        self._where = where

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Compute on a worker.

        The future's exception is that of `fn`, `BrokenExecutor` if the call killed every worker that tried it, or
        `ComponentError` if the connection to the cluster is lost.
        """
        outer: Future[Any] = Future()
        inner = self._executor.submit(fn, *args, **kwargs)
        outer.set_running_or_notify_cancel()
        inner.add_done_callback(lambda done: self._hand_over(done, outer))
        return outer

    def _hand_over(self, inner: Future[Any], outer: Future[Any]) -> None:
        try:
            outer.set_result(inner.result())
        except CancelledError:
            outer.set_exception(
                ComponentError(f"executor 'dask': lost the connection to {self._where}; finished runs are stored")
            )
        except KilledWorker as error:
            outer.set_exception(BrokenExecutor(str(error)))
        except Exception as error:  # a future can hold any exception
            outer.set_exception(error)

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> Mapping[str, Any]:
        """Call a function once on every worker, and return its result or exception by the worker's address."""
        answers: Mapping[str, Any] = self._client.run(function, *arguments, on_error="return")
        return answers
