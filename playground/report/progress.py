"""A progress bar for operations that take longer than a second; shown only in a terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playground.figures.text import cut_text, make_printable

if TYPE_CHECKING:
    from rich.console import Console

DELAY_SECONDS = 1.0
"""Seconds before the bar appears."""

REFRESH_SECONDS = 0.1
"""Seconds between two updates of the bar."""

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
