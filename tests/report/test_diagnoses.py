"""A diagnosis and its remedy stand wherever a failure is told."""

import dataclasses
import json
from dataclasses import replace

import pytest

from playground.report.document import batch_document
from playground.report.github import commands
from playground.report.junit import junit_tree
from playground.report.one_run import diagnosis_lines
from playground.report.overview import overview_remarks
from playground.result import Batch, Diagnosis, Verdict

FOUND = Diagnosis("rate_too_large", "Steps grow beyond a rate of 0.25.", "Lower it.")


@pytest.fixture
def run(make_run):
    return replace(make_run(), verdict=Verdict.FAILED, diagnoses=(FOUND,))


def test_on_the_console(run):
    lines = [line.plain for line in diagnosis_lines(run)]
    assert lines == ["rate_too_large: Steps grow beyond a rate of 0.25.", "remedy: Lower it."]
    assert list(diagnosis_lines(replace(run, diagnoses=()))) == []


def test_in_the_overview(run):
    *_, line = overview_remarks(run)
    assert line.plain == "diagnosis and_gate: rate_too_large: Steps grow beyond a rate of 0.25. Lower it."


def test_in_json(run):
    assert json.loads(batch_document(Batch((run,))))["runs"][0]["diagnoses"] == [
        {"name": FOUND.name, "sentence": FOUND.sentence, "remedy": FOUND.remedy}
    ]


def test_in_junit(run):
    failure = junit_tree(Batch((run,))).find(".//failure")
    assert failure.text.endswith("rate_too_large: Steps grow beyond a rate of 0.25. Lower it.")


def test_on_github(run):
    *_, line = commands(Batch((run,)))
    assert "rate_too_large: Steps grow beyond a rate of 0.25. Lower it." in line


def test_a_line_of_somebody_s_program_is_shown_wherever_it_is_known(run):
    placed = dataclasses.replace(run, diagnoses=(dataclasses.replace(FOUND, place="train.py:12"),))
    assert json.loads(batch_document(Batch((placed,))))["runs"][0]["diagnoses"][0]["place"] == "train.py:12"
    assert str(placed.diagnoses[0]) == f"train.py:12: {FOUND.sentence} [{FOUND.name}]"
    assert "train.py:12" in placed._repr_html_()
