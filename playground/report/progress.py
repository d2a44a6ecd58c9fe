"""A progress bar for what takes longer than a second, and nothing at all where nobody is looking."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PATIENCE = 1.0
"""Seconds before the bar appears."""

REFRESH = 0.1
"""Seconds between two looks."""


@contextmanager
def bar(read: Callable[[], tuple[str, int, int]], console: Console) -> Iterator[None]:
    """Show progress from a thread that only looks, so that what is watched pays nothing for it.

    :param read: returns a title, how much is done, and how much there is to do.
    :param console: nothing is drawn unless it is a terminal.
    """
    if not console.is_terminal:
        yield
        return
    finished = threading.Event()
    thread = threading.Thread(target=_draw, args=(read, console, finished), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _draw(read: Callable[[], tuple[str, int, int]], console: Console, finished: threading.Event) -> None:
    if finished.wait(PATIENCE):
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        title, done, total = read()
        task = progress.add_task(title, completed=done, total=total)
        while not finished.wait(REFRESH):
            title, done, total = read()
            progress.update(task, description=title, completed=done, total=total)
