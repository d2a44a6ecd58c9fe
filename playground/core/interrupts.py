"""Handles Ctrl-C during a descent: it takes effect between two steps, so that finished work is measured and kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _State:
    """The state of this process.

    :ivar asked: whether Ctrl-C was pressed while it was deferred.
    :ivar listen: tells whether another process asks this one to stop.
    """

    asked = False
    listen: Callable[[], bool] = staticmethod(lambda: False)


def is_stop_requested() -> bool:
    """Tell whether to stop before the next step."""
    return _State.asked or _State.listen()


def listen_to(asks: Callable[[], bool]) -> None:
    """Also stop when another process asks: a worker process listens to its parent.

    :param asks: called before every step.
    """
    _State.listen = staticmethod(asks)


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Turn the first Ctrl-C into a request to stop; the second one raises `KeyboardInterrupt` at once.

    The request ends with the block: call `is_stop_requested` inside. Nothing changes if another handler for Ctrl-C is
    installed, or outside the main thread, which alone receives signals.
    """
    main = threading.current_thread() is threading.main_thread()
    numbers = [each for each in _signals() if main and signal.getsignal(each) is signal.default_int_handler]
    for number in numbers:
        signal.signal(number, _handle_signal)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.default_int_handler)
        if numbers:
            _State.asked = False


def treat_termination_as_interrupt() -> None:
    """Treat SIGTERM like Ctrl-C in this process from now on."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _signals() -> tuple[signal.Signals, ...]:
    return signal.SIGINT, signal.SIGTERM


def _handle_signal(number: int, frame: Any) -> None:
    """Note the first request; raise at the second one."""
    if _State.asked:
        raise KeyboardInterrupt
    _State.asked = True
