"""Records a scenario as the content of a page, in a process that ends afterwards."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from contextlib import redirect_stdout, suppress
from dataclasses import astuple, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError
from playground.figures.notebook import run_line
from playground.plugins.manager import Plugins, load_plugins
from playground.report.html.page import main_content
from playground.report.html.run_part import run_part
from playground.runner.batch.file_result import fault_rows, write_rerun_command
from playground.runner.loading.overrides import load_with_changes
from playground.runner.single.memory import limit_memory
from playground.runner.single.running import run_one
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
        message = record_page(order)
    sys.stderr.flush()
    send(message)


def record_page(order: RecordingOrder) -> RecordingMessage:
    """Return the page of a scenario's run, or its faults."""
    notes: tuple[str, ...] = ()
    try:
        plugins = load_plugins(specs=order.plugins, folder=Path.cwd())
        failures = tuple(f"plugin {failure}" for failure in plugins.failures)
        if any(order.strict or failure.requested for failure in plugins.failures):
            return RefusedRecording(failures)
        notes = failures
        with limit_memory(order.changes.memory):
            return _record(order, plugins, notes)
    except PlaygroundError as error:
        faults = tuple(str(fault) for fault in fault_rows(error, Path(order.file)))
        return RefusedRecording(faults, notes, traceback.format_exc())


def _record(order: RecordingOrder, plugins: Plugins, notes: tuple[str, ...]) -> RecordedPage:
    file = Path(order.file)
    run = run_one(load_with_changes(file, order.changes, plugins), plugins, record=order.record)
    run = replace(run, command=write_rerun_command(file, order.changes, plugins))
    part = run_part(PART, run)
    content = main_content([part], describe_index(run.scenario))
    line = "; ".join((run_line(run), *run.ending[1:]))
    return RecordedPage(run.scenario, content, {PART: part["data"]}, line, (*notes, *run.warnings))


def describe_index(title: str) -> dict[str, Any]:
    """Return the overview of a page with one run."""
    return {"title": title, "alone": True, "errors": [], "interrupted": False}


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
