"""Progress of operations that take longer than a second: a bar in a terminal, a line in a notebook."""

from __future__ import annotations

import contextvars
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from playground.figures.text import cut_text, make_printable

if TYPE_CHECKING:
    from rich.console import Console

DELAY_SECONDS = 1.0
"""Seconds before the bar appears."""

REFRESH_SECONDS = 0.1
"""Seconds between two updates of the bar."""

LINE_SECONDS = 0.5
"""Seconds between two updates of the line in a notebook."""

LINE_BLOCKS = 30
"""Characters of the line's bar."""

MAX_TITLE_CHARACTERS = 24
"""Maximum number of characters of a title."""

ProgressReader = Callable[[], tuple[str, int, int]]
"""Returns a title, the amount done, and the total amount."""


@contextmanager
def bar(read: ProgressReader, console: Console, patience: float = DELAY_SECONDS) -> Iterator[None]:
    """Show progress from a separate thread, so that the observed computation is not slowed down.

    :param read: returns the progress; called from the other thread.
    :param console: receives the bar if its file is a terminal that can move its cursor.
    :param patience: seconds before the bar appears.
    """
    # rich treats FORCE_COLOR, which CI systems set, as a terminal; ask the file instead
    if not (console.is_interactive and console.file.isatty()):
        yield
        return
    finished = threading.Event()
    thread = threading.Thread(target=_draw, args=(read, console, patience, finished), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _draw(read: ProgressReader, console: Console, patience: float, finished: threading.Event) -> None:
    if finished.wait(patience):
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task("")
        while True:
            title, done, total = read()
            progress.update(
                task,
                description=cut_text(make_printable(title), MAX_TITLE_CHARACTERS),
                completed=done,
                total=total,
                refresh=True,
            )
            if finished.wait(REFRESH_SECONDS):
                return


@contextmanager
def show_progress(read: ProgressReader, wanted: bool | None) -> Iterator[None]:
    """Show the progress of a function of Python.

    :param read: returns the progress; called from another thread.
    :param wanted: True shows it in a notebook or a terminal, None in a notebook alone, False nowhere.
    """
    if wanted is not False and is_notebook():
        with _show_line(read):
            yield
    elif wanted:
        from rich.console import Console

        with bar(read, Console(stderr=True)):
            yield
    else:
        yield


def is_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook; imports nothing."""
    get_shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and getattr(get_shell(), "kernel", None) is not None


@contextmanager
def _show_line(read: ProgressReader) -> Iterator[None]:
    """Show a line below the cell that runs, from a separate thread; none if that takes less than a second."""
    finished = threading.Event()
    context = contextvars.copy_context()  # by which the kernel knows the cell
    thread = threading.Thread(target=context.run, args=(_update_line, read, finished), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _update_line(read: ProgressReader, finished: threading.Event) -> None:
    if finished.wait(DELAY_SECONDS):
        return
    show: Any = importlib.import_module("IPython.display").display  # which no distribution of ours requires
    line = show({"text/plain": _format_line(read)}, raw=True, display_id=True)
    while not finished.wait(LINE_SECONDS):
        line.update({"text/plain": _format_line(read)}, raw=True)
    line.update({"text/plain": _format_line(read)}, raw=True)


def _format_line(read: ProgressReader) -> str:
    title, done, total = read()
    filled = LINE_BLOCKS * done // max(total, 1)
    return f"{make_printable(title)} {'█' * filled}{'░' * (LINE_BLOCKS - filled)} {done:,} of {total:,}"
