"""Records a scenario as the content of a page, in a process that ends afterwards."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import astuple, replace
from multiprocessing.connection import Connection
from pathlib import Path

from playground.errors import PlaygroundError
from playground.figures.notebook import run_line
from playground.live import NoModule
from playground.plugins.manager import Plugins, load_plugins
from playground.report.html.page import index_of_one, main_content
from playground.report.html.run_part import run_part
from playground.result import Run
from playground.runner.batch.file_result import fault_rows, write_rerun_command
from playground.runner.loading.overrides import load_with_changes
from playground.runner.single.memory import limit_memory
from playground.runner.single.running import run_beginning, run_one
from playground.serving.messages import (
    OpenedFile,
    RecordedPage,
    RecordingMessage,
    RecordingOrder,
    RefusedRecording,
    encode_message,
)
from playground.serving.opened_files import report_opened_files
from playground.serving.watched_files import FileStamp

PART = "part0"
"""The name of the page's only part."""

BEGINNING_STEPS = 50
"""The steps that a page shows at first, if there are more."""


def run_recording(order: RecordingOrder, connection: Connection) -> None:
    """Record in this process, which is made for it, and send messages: files that were opened, then page or faults.

    Plugins are imported here, so they are as their files are now. What they print goes to standard error.
    """
    _leave_terminal()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.dont_write_bytecode = True  # its time stamps are too coarse during editing
    lock, process = threading.RLock(), os.getpid()

    def send(message: RecordingMessage) -> None:
        with lock, suppress(OSError):  # the parent waits no longer
            connection.send_bytes(encode_message(message))

    def report(path: str, stamp: FileStamp | None) -> None:
        if os.getpid() == process:  # not a copy of this process, such as a worker that loads data
            send(OpenedFile(path, None if stamp is None else astuple(stamp)))

    report_opened_files(report)
    with redirect_stdout(sys.stderr):
        message = record_page(order, send)
    sys.stderr.flush()
    send(message)


def record_page(order: RecordingOrder, send: Callable[[RecordedPage], object]) -> RecordingMessage:
    """Return the page of a scenario's run, or its faults.

    :param send: is given the page of the first steps, which has the program of the descent already.
    """
    notes: tuple[str, ...] = ()
    try:
        plugins = load_plugins(specs=order.plugins, folder=Path.cwd())
        failures = tuple(f"plugin {failure}" for failure in plugins.failures)
        if any(order.strict or failure.requested for failure in plugins.failures):
            return RefusedRecording(failures)
        notes = failures
        with limit_memory(order.changes.memory):
            loaded = load_with_changes(Path(order.file), order.changes, plugins)
            first = replace(order.record, alternatives=False)
            beginning = run_beginning(loaded, plugins, first, BEGINNING_STEPS)
            if beginning is None:
                run = run_one(loaded, plugins, record=order.record)
            else:
                send(_make_page(order, beginning, plugins, notes, is_beginning=True))
                why_not = beginning.live_data if isinstance(beginning.live_data, NoModule) else None
                run = run_one(loaded, plugins, record=replace(order.record, live=why_not is None))
                run = replace(run, live_data=why_not or run.live_data)
            return _make_page(order, run, plugins, (*notes, *run.warnings))
    except PlaygroundError as error:
        faults = tuple(str(fault) for fault in fault_rows(error, Path(order.file)))
        return RefusedRecording(faults, notes, traceback.format_exc())


def _make_page(
    order: RecordingOrder, run: Run, plugins: Plugins, notes: tuple[str, ...], is_beginning: bool = False
) -> RecordedPage:
    run = replace(run, command=write_rerun_command(Path(order.file), order.changes, plugins))
    part = run_part(PART, run)
    if is_beginning:
        part["how"] = [f"these are the first {run.steps} steps; Python computes the others"]
    content = main_content([part], index_of_one(part))
    line = "; ".join((run_line(run), *run.ending[1:]))
    return RecordedPage(run.scenario, content, {PART: part["data"]}, line, notes, is_beginning)


def _leave_terminal() -> None:
    """Lead a group of processes: Ctrl-C in the terminal does not reach it, and it can be ended as a whole."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        with suppress(OSError):  # it leads a group already
            os.setsid()


def _end_with_parent() -> None:
    """End this process if its parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
