from __future__ import annotations

import os
import re
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.figures.text import escape_unprintable
from playground.report.github import commands, step_summary
from playground.result import Batch, Expectation, ScenarioFault, Status

FILES = st.text(min_size=1).filter(lambda file: os.path.normpath(file) == file and file[0] not in "/.")
"""Names of files below this folder."""


def test_faults_stand_at_their_place():
    errors = (ScenarioFault("a.yaml", 3, 5, "unknown key"), ScenarioFault("gone.yaml", 0, 0, "no such file"))
    assert list(commands(Batch((), errors))) == [
        "::error file=a.yaml,line=3,col=5::unknown key",
        "::error file=gone.yaml,line=1::no such file",
    ]


def test_a_fault_outside_the_scenario_stands_there_if_that_is_a_file():
    errors = (
        ScenarioFault("a.yaml", 3, 5, "expected a number", "points.csv"),
        ScenarioFault("a.yaml", 0, 0, "expected a number", "--set x=y"),
    )
    assert list(commands(Batch((), errors))) == [
        "::error file=points.csv,line=3,col=5::expected a number",
        "::error file=a.yaml,line=1::--set x=y: expected a number",
    ]


def test_a_failed_expectation_stands_where_it_is_written(make_failed):
    expectations = (Expectation("loss below 1", 2.0, passed=False, path=("loss", "below"), line=12),)
    (command,) = commands(Batch((make_failed(expectations=expectations),)))
    assert command == "::error file=scenarios/and_gate.yaml,line=12::and_gate: loss below 1, measured 2"


def test_one_cause_is_one_annotation(make_failed):
    failed = tuple(Expectation(f"{name} below 1", 2.0, passed=False, line=line) for name, line in (("x", 7), ("y", 8)))
    (command,) = commands(Batch((make_failed(status=Status.DIVERGED, reason="it diverged", expectations=failed),)))
    assert command == (
        "::error file=scenarios/and_gate.yaml,line=7::"
        "and_gate: it diverged%0Ax below 1, measured 2%0Ay below 1, measured 2"
    )


def test_expectations_that_fail_without_a_known_cause_stand_each_at_its_line(make_failed):
    failed = tuple(Expectation(f"{name} below 1", 2.0, passed=False, line=line) for name, line in (("x", 7), ("y", 8)))
    assert list(commands(Batch((make_failed(expectations=failed),)))) == [
        "::error file=scenarios/and_gate.yaml,line=7::and_gate: x below 1, measured 2",
        "::error file=scenarios/and_gate.yaml,line=8::and_gate: y below 1, measured 2",
    ]


@pytest.mark.parametrize(
    ("workspace", "repository", "file", "shown"),
    [
        ("work", "", "work/sub/a.yaml", "sub/a.yaml"),
        ("work", "work/sub", "work/sub/a.yaml", "sub/a.yaml"),
        ("", "work", "work/sub/a.yaml", "sub/a.yaml"),
        ("", "", "work/sub/a.yaml", "a.yaml"),
        ("work/sub", "", "work/a.yaml", "../a.yaml"),
    ],
)
def test_files_are_named_from_the_repository(tmp_path, monkeypatch, workspace, repository, file, shown):
    here = tmp_path / "work" / "sub"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    if workspace:
        monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / workspace))
    if repository:
        (tmp_path / repository / ".git").mkdir()
    given = os.path.relpath(tmp_path / file, here)
    (command,) = commands(Batch((), (ScenarioFault(given, 3, 1, "m"),)))
    assert command == f"::error file={shown},line=3,col=1::m"


def test_a_summary_of_the_step(make_run, make_failed, hostile):
    errors = (ScenarioFault("bad.yaml", 3, 5, "unknown key <b> | ![x](y) `z`"),)
    batch = Batch((make_run(), make_failed("a|b", status=Status.DIVERGED, reason=hostile)), errors)
    text = step_summary(batch)
    table, told = text.split("\n\n", 1)
    assert [re.sub(r"\\\|", "", row).count("|") for row in table.splitlines()] == [6] * 5
    assert [line.split(" | ")[1] for line in table.splitlines()[2:]] == ["✘ not valid", "✘ failed", "✔ passed"]
    assert "- bad.yaml:3:5: unknown key \\<b\\> \\| \\!\\[x\\](y) \\`z\\`" in told
    assert set(re.findall(r"(?<!\\)<[^>]*>", text)) == {"<br>"}


def test_what_is_vacuous_is_a_warning(make_run):
    expectations = (Expectation("loss below 1", 0.5, passed=True, vacuous=True, note="already held"),)
    assert list(commands(Batch((make_run(expectations=expectations),)))) == [
        "::warning file=scenarios/and_gate.yaml,line=1::and_gate: loss below 1, measured 0.5: already held"
    ]


def test_what_passed_is_not_mentioned(make_run):
    assert not list(commands(Batch((make_run(status=Status.DIVERGED, reason="it diverged"),))))


def test_a_run_from_python_has_no_file(make_failed):
    assert list(commands(Batch((make_failed(file=""),)))) == ["::error::and_gate: loss below 0.001, measured 0.0125432"]


def test_characters_that_would_end_a_field_are_escaped():
    error = ScenarioFault("a,b:100%\n.yaml", 3, 5, "100%: a, b\r\nc::d")
    assert list(commands(Batch((), (error,)))) == [
        "::error file=a%2Cb%3A100%25%0A.yaml,line=3,col=5::100%25: a, b%0D%0Ac::d"
    ]


@settings(deadline=None)
@given(FILES, st.text(), st.integers(1, 99), st.integers(1, 99))
def test_a_command_is_one_line_that_says_what_was_meant(file, message, line, column):
    (command,) = commands(Batch((), (ScenarioFault(file, line, column, message),)))
    found = re.fullmatch(r"::error file=([^,:\r\n]*),line=(\d+),col=(\d+)::([^\r\n]*)", command)
    assert found
    assert (unquote(found[1]), int(found[2]), int(found[3])) == (_without_controls(file), line, column)
    assert unquote(found[4]) == _without_controls(message)


def _without_controls(text):
    return re.sub(r"[^\r\n]+", lambda part: escape_unprintable(part[0]), text)


def test_a_comparison_is_a_row_and_each_missed_expectation_an_error(make_comparison):
    miss = "expected better than sgd, found cannot tell: adam needs 1.02× [0.91, 1.13] on this suite"
    batch = Batch((), comparisons=(make_comparison(expected=["better than sgd"], unmet=[miss]),))
    (command,) = commands(batch)
    assert command.startswith("::error file=")
    assert "adam on core: better than sgd, measured cannot tell: adam needs 1.02×" in command
    assert "| adam on core (core.yaml) | ✘ failed | 2 optimizers |  | 1 min 2 s |" in step_summary(batch)
