from __future__ import annotations

import io
import sys
import threading
import types
from contextlib import nullcontext

import pytest
from rich.console import Console

from playground.report import progress
from playground.report.progress import bar, is_notebook, show_progress

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


class Line:
    """A display of a notebook, with everything it has shown."""

    def __init__(self):
        self.texts = []
        self.shown = threading.Semaphore(0)

    def __call__(self, data, raw, display_id):
        assert raw
        assert display_id
        return self.update(data, raw)

    def update(self, data, raw):
        self.texts.append(data["text/plain"])
        self.shown.release()
        return self


@pytest.fixture
def notebook(monkeypatch):
    """A process that is the kernel of a notebook."""
    line = Line()
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=line))
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)
    return line


@pytest.mark.parametrize("wanted", [None, True])
def test_a_notebook_shows_a_line_by_itself(notebook, wanted):
    counts = iter([("minimize", 0, 40), ("minimize", 10, 40)])
    with show_progress(lambda: next(counts, ("minimize", 40, 40)), wanted):
        for _ in range(2):
            assert notebook.shown.acquire(timeout=300)
    assert notebook.texts[0] == "minimize ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 0 of 40"
    assert notebook.texts[1] == "minimize ███████░░░░░░░░░░░░░░░░░░░░░░░ 10 of 40"
    assert notebook.texts[-1] == "minimize ██████████████████████████████ 40 of 40"


def test_a_notebook_shows_nothing_where_none_is_wanted_or_all_is_quick(notebook, monkeypatch):
    with show_progress(lambda: ("minimize", 0, 40), wanted=False):
        pass
    monkeypatch.setattr(progress, "DELAY_SECONDS", NEVER)
    with show_progress(lambda: ("minimize", 0, 40), wanted=None):
        pass
    assert notebook.texts == []


@pytest.mark.parametrize(
    "module",
    [None, types.SimpleNamespace(), types.SimpleNamespace(get_ipython=lambda: None)],
    ids=["not imported", "another module", "no shell"],
)
def test_a_script_shows_nothing_unless_asked(monkeypatch, module, capsys):
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert not is_notebook()
    with show_progress(lambda: ("minimize", 0, 40), wanted=None):
        pass
    monkeypatch.setattr(progress, "bar", lambda read, console: nullcontext(print(read()[0])))
    with show_progress(lambda: ("minimize", 0, 40), wanted=True):
        pass
    assert capsys.readouterr().out == "minimize\n"


def test_a_terminal_with_ipython_is_no_notebook(monkeypatch):
    shell = types.SimpleNamespace(colors="Linux")
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert not is_notebook()
