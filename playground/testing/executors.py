"""The contract of an executor. Imports no torch, so that worker processes start fast."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import pytest

from playground.testing.verdict import require

WHY_LOST = "a sweep would lose rows, or give one point's numbers to another"


class ExecutorContract(ABC):
    """The rules for an executor: `class TestMine(ExecutorContract)` with one method, `executor`."""

    elsewhere: ClassVar[bool] = True
    """Whether the executor uses other processes, which may die."""

    patience: ClassVar[float] = 60
    """Maximum number of seconds to wait for a result."""

    @abstractmethod
    def executor(self) -> AbstractContextManager[Executor]:
        """Return a new context manager that yields the executor."""

    def test_results(self) -> None:
        """Each future has the result of its own call, including keyword arguments."""
        with self.executor() as executor:
            futures = [executor.submit(divmod, number, 3) for number in range(20)]
            futures.append(executor.submit(int, "12", base=3))  # type: ignore[arg-type]
            found = [self._result(future) for future in futures]
        wanted = [*(divmod(number, 3) for number in range(20)), 5]
        wrong = [place for place, (one, other) in enumerate(zip(found, wanted, strict=True)) if one != other]
        require(not wrong, f"calls {wrong} of 20 gave results that differ from direct calls", WHY_LOST)

    def test_exceptions(self) -> None:
        """An exception of a call is in its future, with type and text, and affects no other call."""
        why = "an error in one chunk would end the others, or be reported as another error"
        with self.executor() as executor:
            try:
                failing = executor.submit(int, "four")
            except ValueError as raised:
                raise AssertionError(f"submit itself raised {raised!r}\n  why it matters: {why}") from raised
            later = executor.submit(abs, -1)
            error = self._exception(failing)
            is_reported = isinstance(error, ValueError) and "four" in str(error)
            require(is_reported, f"a call that raised ValueError gave {error!r}", why)
            require(self._result(later) == 1, "after a call that raised, the next one has no result", why)

    def test_cancellation(self) -> None:
        """`shutdown(cancel_futures=True)` leaves no future that waits forever."""
        why = "Ctrl-C would hang"
        with self.executor() as executor:
            futures = [executor.submit(time.sleep, 0.02) for _ in range(20)]
            executor.shutdown(wait=True, cancel_futures=True)
            deadline = time.monotonic() + self.patience
            while not all(future.done() for future in futures) and time.monotonic() < deadline:
                time.sleep(0.01)
        waiting = sum(not future.done() for future in futures)
        require(waiting == 0, f"{waiting} of 20 futures never ended after shutdown(cancel_futures=True)", why)

    def test_leaving_in_the_middle(self) -> None:
        """An exception inside `with` passes through, and the context ends."""
        why = "an interrupted sweep would hang, or hide the reason"
        left: list[BaseException] = []

        def leave() -> None:
            try:
                with self.executor() as executor:
                    executor.submit(abs, -1)
                    raise KeyError("in the middle")
            except BaseException as error:  # the checks below examine any exception
                left.append(error)

        thread = threading.Thread(target=leave, daemon=True)
        thread.start()
        thread.join(self.patience)
        require(bool(left) or thread.is_alive(), "an exception inside `with` was swallowed", why)
        require(bool(left), f"the context had not ended after {self.patience:g} s", why)
        require(isinstance(left[0], KeyError), f"instead of the exception inside `with`, {left[0]!r} was raised", why)

    def test_a_worker_that_dies(self) -> None:
        """A call whose process dies has a `BrokenExecutor` in its future."""
        if not self.elsewhere:
            pytest.skip("declared as computing in this process")
        why = "the sweep repeats the lost work if it gets this exception, and waits forever if it does not"
        with self.executor() as executor:
            error = self._exception(executor.submit(os._exit, 1))
            require(isinstance(error, BrokenExecutor), f"a worker that died gave {error!r}, not a BrokenExecutor", why)

    def _result(self, future: Future[Any]) -> Any:
        error = self._exception(future)
        require(error is None, f"a call without an exception gave {error!r}", WHY_LOST)
        return future.result()

    def _exception(self, future: Future[Any]) -> BaseException | None:
        try:
            return future.exception(self.patience)
        except TimeoutError:
            wrong = f"a call had no result after {self.patience:g} s"
            raise AssertionError(f"{wrong}\n  why it matters: {WHY_LOST}") from None
