from __future__ import annotations

from functools import partial

import pytest

from playground.report.console import show, show_errors, show_run, write
from playground.result import Batch, ScenarioFault, Status


def test_one_run_is_shown_in_full(lines, make_run):
    text = lines(partial(show, Batch((make_run(),))))
    assert text[0] == "and_gate  One neuron learns."
    assert text[2] == "  task       classification"
    assert text[-1] == "passed  all 300 steps used  200 ms"


def test_several_runs_are_a_table(lines, make_run, make_failed):
    text = lines(partial(show, Batch((make_run(), make_failed("bowl")), seconds=2.0)))
    assert text[0].startswith("scenario")
    assert text[-4:] == ["", "failed   bowl: loss below 0.001, measured 0.0125432", "", "1 passed, 1 failed  2.0 s"]


def test_one_run_beside_a_scenario_that_is_not_valid_is_a_table(lines, make_run):
    text = lines(partial(show, Batch((make_run(),), (ScenarioFault("a.yaml", 1, 2, "no"),))))
    assert text[0].startswith("scenario")
    assert text[-1].startswith("1 passed, 1 not valid")


def test_long_reasons_wrap_under_themselves(lines, make_failed):
    text = lines(partial(show_run, make_failed(status=Status.DIVERGED, reason="word " * 40 + "; because")))
    assert text[-4:-1] == [f"  {'word ' * 15}".rstrip(), f"    {'word ' * 15}".rstrip(), f"    {'word ' * 10}".rstrip()]
    assert text[-1] == "  because"


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal_or_ends_in_blanks(lines, terminal, make_run, make_failed, hostile, width):
    runs = (make_run(hostile, summary=hostile * 9), make_failed("name" * 50, reason=hostile * 9))
    for batch in (Batch(runs[:1]), Batch(runs[1:]), Batch(runs)):
        for line in lines(partial(show, batch), width):
            assert terminal().render_str(line, markup=False, emoji=False).cell_len <= width
            assert line == line.rstrip()
            assert line.isprintable()


def test_a_terminal_gets_colours_and_a_file_gets_none(terminal, make_run):
    batch = Batch((make_run(),))
    coloured, plain = terminal(force_terminal=True, color_system="standard"), terminal(force_terminal=False)
    show(batch, coloured)
    show(batch, plain)
    assert "\x1b[1;32mpassed" in coloured.file.getvalue()
    assert "\x1b" not in plain.file.getvalue()


def test_no_color_is_respected(terminal, make_run, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console = terminal(force_terminal=True, color_system="standard")
    show(Batch((make_run(),)), console)
    assert "\x1b[1mpassed" in console.file.getvalue()
    assert "\x1b[1;3" not in console.file.getvalue()
    assert "\x1b[36m" not in console.file.getvalue()


def test_errors_are_one_line_each_whatever_the_width(lines, hostile):
    errors = (ScenarioFault("a.yaml", 3, 5, "message " * 30), ScenarioFault(hostile, 0, 0, hostile))
    text = lines(partial(show_errors, errors), width=40)
    assert len(text) == 2
    assert text[0].startswith("a.yaml:3:5: message message")
    assert text[1].isprintable()


def test_write(tmp_path, make_run, hostile, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    path = tmp_path / "out.txt"
    write(Batch((make_run(hostile),), (ScenarioFault("a.yaml", 1, 1, "wrong"),)), path)
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[-1] == "a.yaml:1:1: wrong"
    assert "\x1b" not in text
