from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from playground.report import progress
from playground.report.progress import bar

NEVER = 3600.0


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def ordinary_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def drawn(file, patience, title="and_gate"):
    """Return what a bar has drawn after it was asked for progress three times, or not at all."""
    asked = threading.Semaphore(0)

    def read():
        asked.release()
        return title, 250, 1000

    with bar(read, Console(file=file, width=80), patience):
        if patience == 0.0:
            for _ in range(3):
                assert asked.acquire(timeout=300)
    return file.getvalue()


def test_a_bar_appears_after_its_patience(monkeypatch):
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.01)
    text = drawn(Terminal(), 0.0)
    assert "and_gate" in text
    assert "250/1000" in text
    assert "\x1b[2K" in text  # and it is wiped away at the end


def test_nothing_is_drawn_before_that():
    assert drawn(Terminal(), NEVER) == ""


def test_patience_is_a_second():
    assert progress.DELAY_SECONDS == 1.0


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"])
def test_nothing_is_drawn_where_nobody_looks(variable, monkeypatch):
    monkeypatch.setenv(variable, "1")
    file = io.StringIO()
    threads = threading.active_count()
    with bar(lambda: pytest.fail("asked"), Console(file=file, width=80), 0.0):
        assert threading.active_count() == threads
    assert file.getvalue() == ""


def test_a_dumb_terminal_gets_none(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    file = Terminal()
    with bar(lambda: pytest.fail("asked"), Console(file=file, width=80), 0.0):
        pass
    assert file.getvalue() == ""


def test_titles_are_only_text(monkeypatch):
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.01)
    text = drawn(Terminal(), 0.0, title="[bold]\x07 " + "long" * 50)
    assert "[bold]\\x07 long" in text
    assert "g…" in text


def test_the_bar_ends_when_its_body_raises():
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt), bar(lambda: ("a", 0, 1), Console(file=Terminal(), width=80), 0.0):
        raise KeyboardInterrupt
    assert threading.active_count() == threads
