from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from playground.report.document import batch_document, comparison_document, write
from playground.result import Batch, Expectation, Loss, ScenarioFault, Status, Verdict


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def read(*runs, errors=()):
    return json.loads(batch_document(Batch(tuple(runs), tuple(errors))), parse_constant=refuse)


RUN_KEYS = [
    "scenario",
    "id",
    "file",
    "task",
    "seed",
    "status",
    "reason",
    "verdict",
    "steps",
    "evaluations",
    "loss",
    "parameters",
    "predictions",
    "metrics",
    "validation",
    "points",
    "expectations",
    "diagnoses",
    "warnings",
    "setup",
    "seconds",
]


def test_schema_1(make_run):
    """Whoever breaks this breaks the readers of `--json`: raise `SCHEMA`."""
    content = read(make_run(), errors=[ScenarioFault("bad.yaml", 3, 5, "wrong", "x.csv")])
    assert list(content) == ["schema", "runs", "sweeps", "comparisons", "errors"]
    assert content["schema"] == 1
    assert list(content["runs"][0]) == RUN_KEYS
    assert content["runs"][0]["expectations"] == [
        {
            "what": "loss below 0.05",
            "value": 0.0125,
            "passed": True,
            "vacuous": False,
            "note": "",
            "path": [],
            "line": 0,
        }
    ]
    assert content["errors"] == [{"file": "bad.yaml", "line": 3, "column": 5, "message": "wrong", "where": "x.csv"}]


def test_every_status(every_status):
    runs = read(*every_status)["runs"]
    assert [run["status"] for run in runs] == [str(status) for status in Status]
    assert {run["verdict"] for run in runs} == {str(verdict) for verdict in Verdict}


def test_numbers_keep_all_their_digits(make_run):
    loss = Loss(0.1 + 0.2, 1e-300, 5e-324)
    assert read(make_run(loss=loss))["runs"][0]["loss"] == {"first": 0.1 + 0.2, "last": 1e-300, "best": 5e-324}


def test_what_is_not_finite_is_null(make_run):
    run = make_run(
        status=Status.NONFINITE,
        loss=Loss(1.0, math.nan, 1.0),
        parameters={"x": [math.inf, 1.0]},
        predictions=[[-math.inf]],
        metrics={"a": math.nan},
        expectations=(Expectation("loss below 1", math.nan, passed=False),),
        points=({"at": {"x": 0.0}, "value": math.inf},),
    )
    (content,) = read(run)["runs"]
    assert content["loss"] == {"first": 1.0, "last": None, "best": 1.0}
    assert content["parameters"] == {"x": [None, 1.0]}
    assert content["predictions"] == [[None]]
    assert content["metrics"] == {"a": None}
    assert content["expectations"][0]["value"] is None
    assert content["points"] == [{"at": {"x": 0.0}, "value": None}]


def test_a_run_without_descent(make_run):
    (content,) = read(make_run(loss=None, predictions=None))["runs"]
    assert content["loss"] is None
    assert content["predictions"] is None


def test_nothing():
    assert read() == {"schema": 1, "runs": [], "sweeps": [], "comparisons": [], "errors": []}


@pytest.mark.parametrize("text", ["漢字", "\ud800", "\x00\x1b", '"\\'])
def test_any_text_survives_any_output(make_run, text):
    assert batch_document(Batch((make_run(summary="x", reason=text),))).isascii()
    assert read(make_run(text, reason=text))["runs"][0]["reason"] == text


def test_write(tmp_path, make_run):
    batch = Batch((make_run(),))
    write(batch, tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text(encoding="utf-8") == batch_document(batch) + "\n"


def test_a_comparison_is_plain_data(make_comparison):
    comparison = make_comparison(families=20, expected=["better than sgd"])
    pair = replace(comparison.pairs[0], middle=math.nan, new_problem=(0.1, math.inf))
    content = comparison_document(replace(comparison, pairs=[pair]))
    assert list(content)[:2] == ["schema", "verdict"]
    assert [content["schema"], content["verdict"]] == [1, "passed"]
    assert content["pairs"][0]["middle"] is None
    assert content["pairs"][0]["new_problem"] == [0.1, None]
    assert content["pairs"][0]["families"][0]["family"] == "family 0"
    assert content["protocol"]["resolution"] == {"1.0": 1.44, "2.0": 2.08}
    batch = Batch((), comparisons=(comparison,))
    assert json.loads(batch_document(batch), parse_constant=refuse)["comparisons"] == [comparison_document(comparison)]
