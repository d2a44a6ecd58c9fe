from __future__ import annotations

import re
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from playground.report.github import commands
from playground.result import Batch, Expectation, Invalid, Status


def test_faults_stand_at_their_place():
    errors = (Invalid("a.yaml", 3, 5, "unknown key"), Invalid("gone.yaml", 0, 0, "no such file"))
    assert list(commands(Batch((), errors))) == [
        "::error file=a.yaml,line=3,col=5::unknown key",
        "::error file=gone.yaml,line=1::no such file",
    ]


def test_a_fault_outside_the_scenario_stands_there_if_that_is_a_file():
    errors = (
        Invalid("a.yaml", 3, 5, "expected a number", "points.csv"),
        Invalid("a.yaml", 0, 0, "expected a number", "--set x=y"),
    )
    assert list(commands(Batch((), errors))) == [
        "::error file=points.csv,line=3,col=5::expected a number",
        "::error file=a.yaml,line=1::--set x=y: expected a number",
    ]


def test_a_failed_expectation_stands_where_it_is_written(make_failed):
    expectations = (Expectation("loss below 1", 2.0, passed=False, path=("loss", "below"), line=12),)
    (command,) = commands(Batch((make_failed(expectations=expectations),)))
    assert command == "::error file=scenarios/and_gate.yaml,line=12::and_gate: loss below 1, measured 2"


def test_failures_and_their_reason(make_failed):
    assert list(commands(Batch((make_failed(status=Status.DIVERGED, reason="it diverged"),)))) == [
        "::error file=scenarios/and_gate.yaml,line=1::and_gate: loss below 0.001, measured 0.0125432",
        "::error file=scenarios/and_gate.yaml,line=1::and_gate: it diverged",
    ]


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
    error = Invalid("a,b:100%\n.yaml", 3, 5, "100%: a, b\r\nc::d")
    assert list(commands(Batch((), (error,)))) == [
        "::error file=a%2Cb%3A100%25%0A.yaml,line=3,col=5::100%25: a, b%0D%0Ac::d"
    ]


@settings(deadline=None)
@given(st.text(min_size=1), st.text(), st.integers(1, 99), st.integers(1, 99))
def test_a_command_is_one_line_that_says_what_was_meant(file, message, line, column):
    (command,) = commands(Batch((), (Invalid(file, line, column, message),)))
    found = re.fullmatch(r"::error file=([^,:\r\n]*),line=(\d+),col=(\d+)::([^\r\n]*)", command)
    assert found
    assert (unquote(found[1]), int(found[2]), int(found[3]), unquote(found[4])) == (file, line, column, message)
