"""Starts, hears and ends the process that records a scenario."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Any

from playground.serving.messages import (
    RecordingMessage,
    RecordingOrder,
    RefusedRecording,
    decode_message,
    is_last,
)

WARM_MODULE = "playground.serving.warm_process"

MAX_MESSAGE_BYTES = 500_000_000


class Recorder:
    """Makes recording processes: each is a copy of a process that has imported torch, but no plugin of the user.

    Where the system cannot copy processes, each is a new one, which takes seconds longer.

    :param seconds: how long a recording may take.
    :param preload: modules that the copies need because they import the main module again.
    """

    def __init__(self, seconds: float, preload: Sequence[str] = ()) -> None:
        self.seconds = seconds
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload([*preload, WARM_MODULE])
            _start_fork_server()

    def start(self, order: RecordingOrder) -> RunningRecording:
        """Begin to record; the first time, wait until the process that is copied is ready."""
        return RunningRecording(self._context, order, self.seconds)


class RunningRecording:
    """A recording in a process of its own, which ends with it.

    :param context: of multiprocessing.
    :param order: what to record.
    :param seconds: how long it may take.
    """

    def __init__(self, context: Any, order: RecordingOrder, seconds: float) -> None:
        self.order = order
        self._connection, theirs = context.Pipe(duplex=False)
        self._process: BaseProcess = context.Process(target=_record_when_copied, args=(order, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._limit = seconds
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds since it began."""
        return time.monotonic() - self._started

    def read_messages(self, wait: float) -> Iterator[RecordingMessage]:
        """Yield what the process has sent. The last message is a page or a refusal; the process is then ended.

        :param wait: seconds to wait for the first one.
        """
        try:
            is_alive = self._process.is_alive()
            while self._connection.poll(wait):
                message = decode_message(self._connection.recv_bytes(MAX_MESSAGE_BYTES))
                wait = 0.0
                if is_last(message):
                    self.end()
                    yield message
                    return
                yield message
            if not is_alive:  # but a process that it started still has the pipe
                raise EOFError
        except (EOFError, OSError, ValueError, LookupError, TypeError):  # it died, or somebody wrote into the pipe
            self._process.join(timeout=1)
            code = self._process.exitcode
            self.end()
            yield self._refuse(f"the process that recorded it ended without a result ({_describe_exit(code)})")
            return
        if self.seconds > self._limit:
            self.end()
            limit = f"{self._limit:g} s"
            yield self._refuse(f"recording took longer than {limit} and was ended; --time-limit SECONDS allows more")

    def end(self) -> None:
        """End the process, and those that it started, at once."""
        if self._process.is_alive() and self._process.pid is not None:
            if hasattr(os, "killpg"):
                with suppress(OSError):  # it does not lead a group yet
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
        self._connection.close()

    def _refuse(self, reason: str) -> RefusedRecording:
        return RefusedRecording((f"{self.order.file}: {reason}",))


def _start_fork_server() -> None:
    """Start the process that is copied, with Ctrl-C blocked there: the terminal sends it to all processes."""
    from multiprocessing import forkserver

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _record_when_copied(order: RecordingOrder, connection: Any) -> None:
    """Record in the copy; imported there, so that this process does not import torch."""
    from playground.serving.recording import run_recording

    run_recording(order, connection)


def _describe_exit(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code or 0}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
