"""The picture in the README. To draw it again: `PLAYGROUND_UPDATE=1 pytest tests/report/test_picture.py`."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from playground.report.picture import picture, write
from playground.result import Batch

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "scenarios" / "and_gate.svg"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
DOTS = re.compile("[\u2800-\u28ff]+")


def texts(svg):
    """Return what a picture says, line by line, from the left."""
    lines = {}
    for element in etree.fromstring(svg.encode()).iter("{*}text"):
        lines.setdefault(float(element.get("y")), []).append((float(element.get("x")), element.text or ""))
    return [" ".join(" ".join(text for _, text in sorted(lines[y])).split()) for y in sorted(lines)]


def words(lines):
    """Return lines without what differs between machines: digits, and the dots of the curve."""
    return [NUMBER.sub("#", DOTS.sub("~", line)) for line in lines]


def numbers(lines):
    return [float(number) for line in lines for number in NUMBER.findall(line)]


@pytest.mark.slow
def test_the_picture_in_the_readme_is_what_a_run_shows(monkeypatch):
    from playground import run

    monkeypatch.chdir(ROOT)
    result = replace(run("scenarios/and_gate.yaml"), seconds=0.2)  # times are never the same twice
    now = picture(Batch((result,)), "playground run scenarios/and_gate.yaml")
    if os.environ.get("PLAYGROUND_UPDATE"):
        KEPT.write_text(now, encoding="utf-8")
    kept = texts(KEPT.read_text(encoding="utf-8"))
    assert words(texts(now)) == words(kept), "run: PLAYGROUND_UPDATE=1 pytest tests/report/test_picture.py"
    assert numbers(texts(now)) == pytest.approx(numbers(kept), rel=1e-2)


def test_the_readme_shows_it():
    assert f"/{KEPT.relative_to(ROOT).as_posix()})" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_picture_is_the_same_each_time_and_fetches_nothing(make_run):
    batch = Batch((make_run(),))
    svg = picture(batch, "a title")
    assert svg == picture(batch, "a title")
    assert "a title" in texts(svg)
    assert not re.search(r"url\(\s*[\"']?(?!#)", svg)
    assert "@font-face" not in svg


def test_text_is_never_markup(make_run, hostile):
    lines = texts(picture(Batch((make_run(hostile, setup={"model": hostile}),)), hostile * 9))
    assert any("[bold red]x[/] <b>&'\"" in line for line in lines)


def test_write_puts_the_command_on_top(tmp_path, make_run, make_failed):
    path = tmp_path / "out.svg"
    write(Batch((make_run(), make_failed("bowl"))), path)
    lines = texts(path.read_text(encoding="utf-8"))
    assert "playground run scenarios/and_gate.yaml scenarios/bowl.yaml" in lines
    assert lines[-1].startswith("1 passed , 1 failed")
