from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from playground.report.junit import write
from playground.result import Batch, Expectation, Run, ScenarioFault, Status, Verdict


@pytest.fixture(scope="module")
def schema():
    return etree.XMLSchema(etree.parse(Path(__file__).with_name("junit.xsd")))


@pytest.fixture(scope="module")
def written(schema, tmp_path_factory):
    """Return what is read back of a batch that was written, held against the schema."""
    path = tmp_path_factory.mktemp("junit") / "out.xml"

    def write_and_read(*runs, errors=(), seconds=1.5):
        write(Batch(tuple(runs), tuple(errors), seconds=seconds), path)
        document = etree.parse(path)
        schema.assertValid(document)
        return document.getroot()

    return write_and_read


@pytest.fixture
def written_comparisons(schema, tmp_path):
    """Return what is read back of comparisons that were written, held against the schema."""

    def write_and_read(*comparisons):
        write(Batch((), comparisons=comparisons, seconds=62.0), tmp_path / "out.xml")
        document = etree.parse(tmp_path / "out.xml")
        schema.assertValid(document)
        return document.getroot()

    return write_and_read


def test_the_schema_can_refuse(schema):
    assert not schema.validate(etree.fromstring("<testsuites><testsuite name='a'/></testsuites>"))
    case = "<testcase name='a' classname='b'><system-out/><failure message='m' type='t'/></testcase>"
    wrong = f"<testsuites><testsuite name='a' tests='1'>{case}</testsuite></testsuites>"
    assert not schema.validate(etree.fromstring(wrong))


def test_every_status(written, every_status):
    root = written(*every_status)
    outcomes = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert outcomes == {
        "converged": ["system-out"],
        "budget": ["system-out"],
        "diverged": ["failure", "system-out"],
        "nonfinite": ["failure", "system-out"],
        "stalled": ["system-out"],
        "error": ["error", "system-out"],
        "interrupted": ["skipped", "system-out"],
    }
    (suite,) = root
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "7", "failures": "2", "errors": "1", "skipped": "1", "time": "1.500"}


def test_a_diverged_run_that_was_expected_to_passes(written, make_run):
    (case,) = written(make_run(status=Status.DIVERGED, reason="it diverged")).iter("testcase")
    assert [child.tag for child in case] == ["system-out"]


def test_a_failure_tells_each_expectation_and_the_reason(written, make_failed):
    expectations = (
        Expectation("loss below 0.001", 0.0125432109, passed=False),
        Expectation("accuracy equals 1", 1.0, passed=True),
        Expectation("x near 5 within 1", None, passed=False, note="not measured by this run"),
    )
    (failure,) = written(make_failed(expectations=expectations, reason="it diverged")).iter("failure")
    assert failure.get("message") == "loss below 0.001, measured 0.0125432"
    assert failure.text.splitlines() == [
        "loss below 0.001, measured 0.0125432",
        "x near 5 within 1, measured – (not measured by this run)",
        "it diverged",
    ]


def test_a_failure_without_a_word_is_still_one(written, make_failed):
    (failure,) = written(make_failed(expectations=())).iter("failure")
    assert failure.get("message") == "expectation"


def test_how_a_run_went_is_printed(written, make_run):
    expectations = (Expectation("loss below 1", 0.5, passed=True, vacuous=True, note="already held"),)
    (story,) = written(make_run(expectations=expectations)).iter("system-out")
    assert story.text.splitlines() == [
        "budget after 300 steps from seed 0, loss 0.2 -> 0.0125",
        "vacuous: loss below 1: already held",
    ]


def test_scenarios_that_are_not_valid_are_errors_one_for_each_file(written, make_run):
    errors = [
        ScenarioFault("b/bad.yaml", 3, 5, "first"),
        ScenarioFault("gone.yaml", 0, 0, "no"),
        ScenarioFault("b/bad.yaml", 9, 1, "second"),
    ]
    root = written(make_run(), errors=errors)
    cases = {case.get("classname"): case for case in root.iter("testcase")}
    assert list(cases) == ["scenarios.and_gate", "b.bad", "gone"]
    (error,) = cases["b.bad"]
    assert (error.tag, error.get("type"), error.get("message")) == ("error", "invalid", "b/bad.yaml:3:5: first")
    assert error.text == "b/bad.yaml:3:5: first\nb/bad.yaml:9:1: second"
    assert root[0].get("errors") == "2"


@pytest.mark.parametrize(
    ("file", "classname"),
    [
        ("scenarios/and_gate.yaml", "scenarios.and_gate"),
        ("and_gate.yaml", "and_gate"),
        ("./a/b.c.yml", "a.b.c"),
        ("../up/a.yaml", "up.a"),
        ("/tmp/a.yaml", "tmp.a"),
        ("", "playground"),
        ("..", "playground"),
        ("/", "playground"),
    ],
)
def test_classes_are_files(written, make_run, file, classname):
    (case,) = written(make_run(file=file)).iter("testcase")
    assert case.get("classname") == classname


def test_an_empty_batch(written):
    assert written()[0].get("tests") == "0"


def test_what_xml_cannot_hold_is_replaced(written, make_failed, hostile):
    run = make_failed(hostile, expectations=(Expectation(hostile, hostile, passed=False),), reason=hostile)
    root = written(run, errors=[ScenarioFault(f"{hostile}.yaml", 1, 1, hostile)])
    case = next(root.iter("testcase"))
    assert case.get("name").startswith("[bold red]x[/] <b>&'\" ]]> \ufffd[31m\ufffd\ufffd")
    assert "]]> \ufffd[31m" in case[0].text
    assert len(list(root.iter("testcase"))) == 2


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[])), st.floats(0, 1e6))
def test_any_text(written, text, seconds):
    expectations = (Expectation(text, text, passed=False, note=text),)
    name = text if text.strip() else "x"
    fields = {"seconds": seconds, "reason": text, "file": text, "expectations": expectations}
    runs = (
        Run(scenario=name, id="1", seed=0, status=Status.BUDGET, verdict=Verdict.FAILED, **fields),
        Run(scenario=name, id="1", seed=0, status=Status.ERROR, verdict=Verdict.FAILED, **fields),
        Run(scenario=name, id="1", seed=0, status=Status.INTERRUPTED, verdict=Verdict.NONE, **fields),
    )
    written(*runs, errors=[ScenarioFault(text, 1, 1, text)], seconds=seconds)


def test_a_comparison_has_a_case_for_each_expectation(written_comparisons, make_comparison):
    miss = "expected better than sgd by more than 2, found better: adam needs 0.71×"
    root = written_comparisons(
        make_comparison(expected=["better than sgd", "better than sgd by more than 2"], unmet=[miss])
    )
    passed, failed = root.iter("testcase")
    assert [passed.get("name"), failed.get("name")] == [
        "adam on core: better than sgd",
        "adam on core: better than sgd by more than 2",
    ]
    assert [child.tag for child in passed] == ["system-out"]
    assert failed.find("failure").get("message") == "better than sgd by more than 2, found better: adam needs 0.71×"
    assert failed.get("classname") == "core"


def test_a_comparison_without_expectations_has_a_case_for_each_pair(written_comparisons, make_comparison):
    root = written_comparisons(make_comparison(("adam", "sgd", "lion")))
    assert [case.get("name") for case in root.iter("testcase")] == ["adam on core: sgd", "adam on core: lion"]
    assert [root.get("failures"), root.get("time")] == ["0", "62.000"]
    assert "adam needs 1.00× the gradient evaluations of lion" in [*root.iter("testcase")][1].find("system-out").text
    found = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert found["adam relative to sgd on this suite"] == "0.707107 [0.68302, 0.732043] better"
    assert len(found) == 4


def test_an_interrupted_comparison_is_skipped(written_comparisons, make_comparison, hostile):
    (case,) = written_comparisons(make_comparison(("adam", hostile), interrupted=True)).iter("testcase")
    assert [child.tag for child in case] == ["skipped", "system-out"]
