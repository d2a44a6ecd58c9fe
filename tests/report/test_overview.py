from __future__ import annotations

import pytest

from playground.report.overview import remarks, summary, table
from playground.result import Batch, Expectation, Loss, ScenarioFault, Status, Verdict


def test_table_lines_up(make_run, make_failed):
    runs = [
        make_run(),
        make_failed("bowl", steps=21, status=Status.DIVERGED, loss=Loss(144.0, 1.97e8, 144.0), seconds=2.0),
        make_run("derivative", loss=None, status=Status.CONVERGED),
    ]
    assert [line.plain for line in table(Batch(tuple(runs)), 100)] == [
        "scenario    verdict  status     steps  loss                 time",
        "────────────────────────────────────────────────────────────────",
        "and_gate    passed   budget       300   0.2  →  0.0125    200 ms",
        "bowl        failed   diverged      21   144  →  1.97e+08   2.0 s",
        "derivative  passed   converged                            200 ms",
    ]


def test_what_is_not_valid_has_a_line_too(make_run):
    errors = (ScenarioFault("a/bad.yaml", 1, 1, "x"), ScenarioFault("a/bad.yaml", 2, 1, "y"))
    assert [line.plain.rstrip() for line in table(Batch((make_run(),), errors), 100)[2:]] == [
        "and_gate  passed     budget    300   0.2  →  0.0125  200 ms",
        "bad       not valid",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_long_names_give_way(make_run, hostile, width):
    lines = table(Batch((make_run("long" * 50), make_run(hostile), make_run())), width)
    assert all(line.cell_len <= width for line in lines)
    assert "…  passed" in lines[2].plain
    assert all(line.plain.isprintable() for line in lines)


def test_remarks_tell_what_failed_and_why(make_failed):
    run = make_failed(reason="it diverged")
    assert [line.plain for line in remarks(run)] == [
        "failed   and_gate: loss below 0.001, measured 0.0125432",
        "reason   and_gate: it diverged",
    ]


def test_remarks_tell_what_is_vacuous(make_run):
    expectations = (Expectation("loss below 1", 0.5, passed=True, vacuous=True, note="already held"),)
    (line,) = remarks(make_run(expectations=expectations))
    assert line.plain == "vacuous  and_gate: loss below 1, measured 0.5 (already held)"


def test_a_run_that_did_as_expected_needs_no_remark(make_run):
    assert not list(remarks(make_run(status=Status.DIVERGED, reason="it diverged")))


def test_a_long_measurement_is_cut(make_failed):
    expectations = (Expectation("predictions", [0.5] * 100, passed=False),)
    (line,) = remarks(make_failed(expectations=expectations))
    assert len(line.plain) < 120


def test_summary_counts(make_run, make_failed):
    errors = (
        ScenarioFault("a.yaml", 1, 1, "x"),
        ScenarioFault("a.yaml", 2, 1, "y"),
        ScenarioFault("b.yaml", 0, 0, "z"),
    )
    runs = (make_run(), make_run("b"), make_failed(), make_run(verdict=Verdict.NONE))
    assert (
        summary(Batch(runs, errors, True, 2.0)).plain
        == "2 passed, 1 failed, 1 not judged, 2 not valid, interrupted  2.0 s"
    )


def test_summary_of_nothing():
    assert summary(Batch(())).plain == "nothing ran  0 ms"
