"""Specimens of diagnoses: each rule catches the one that breaks just this rule."""

import pytest
import torch

from playground.core.evidence import Diagnoser
from playground.testing import DiagnosisContract

BOWL = {"task": "minimize", "function": "(2*x + 10)**2", "start": {"x": 1}, "steps": 50}
ILL = {**BOWL, "name": "bowl_diverges", "optimizer": {"name": "sgd", "lr": 0.3}}
REMEDY = "Lower the learning rate."


pytestmark = pytest.mark.usefixtures("one_thread")


def rising(run):
    return f"The loss rose from {run.first:.3g} to {run.last:.3g}." if run.rose else ""


def whole_numbers_only(run):
    return f"The loss rose from {int(run.first)} to {int(run.last)}." if run.rose else ""


def at_each_step(run):
    growth = (run.last - run.first) / run.steps
    return f"The loss rose by {growth:.3g} at each step." if growth > 0 else ""


def of_a_rate(run):
    return f"With a rate of {run.optimizer.lr} the loss rose to {run.last:.3g}." if run.last > 1 else ""


def moving(run):
    with torch.no_grad():
        for parameter in run.problem.parameters.values():
            parameter.zero_()
    return rising(run)


def drawing(run):
    torch.rand(())
    return rising(run)


SPECIMENS = {
    "reports_the_faulty_run": (lambda run: "", REMEDY),
    "is_silent_about_healthy_runs": (lambda run: f"The loss was {run.first:.3g}.", REMEDY),
    "survives_what_is_not_finite": (whole_numbers_only, REMEDY),
    "survives_a_run_without_steps": (at_each_step, REMEDY),
    "survives_what_is_not_known": (of_a_rate, REMEDY),
    "sentence_is_one_line": (lambda run: rising(run).replace(" rose", "\nrose"), REMEDY),
    "sentence_has_numbers": (lambda run: "The loss rose." if run.rose else "", REMEDY),
    "remedy_is_one_line": (rising, "Lower it"),
    "leaves_the_run_as_it_was": (moving, REMEDY),
    "repeated_calls_give_equal_results": (drawing, REMEDY),
}


def broken_by(broken_rules, find, remedy, name="rate_too_large"):
    return broken_rules(DiagnosisContract, lambda: Diagnoser(find, remedy), name=name, faulty=lambda self: ILL)


def test_every_rule_has_a_specimen(rules):
    assert sorted([*(f"test_{rule}" for rule in SPECIMENS), "test_can_be_expected"]) == rules(DiagnosisContract)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rule", SPECIMENS)
def test_a_specimen_is_caught_by_just_its_rule(broken_rules, rule):
    broken = broken_by(broken_rules, *SPECIMENS[rule])
    assert set(broken) == {f"test_{rule}"}, broken
    assert "\n  why it matters: " in broken[f"test_{rule}"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rate_to_large", "unknown diagnosis 'rate_to_large'; did you mean 'rate_too_large'?"),
        ("wrong_sign", "does not pass `expect: {diagnosis: wrong_sign}`: rate_too_large was found (diverged)"),
    ],
)
def test_a_name_that_cannot_be_expected_is_caught_by_just_that(broken_rules, name, told):
    broken = broken_by(broken_rules, rising, REMEDY, name)
    assert set(broken) == {"test_can_be_expected"}
    assert told in broken["test_can_be_expected"]


def test_what_is_whole_breaks_no_rule(broken_rules):
    assert broken_by(broken_rules, rising, REMEDY) == {}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("ill", "told"),
    [
        (
            {"task": "derivative", "function": "x**2", "at": {"x": [4]}},
            "the run of derivative is not a descent that can be diagnosed: ",
        ),
        ({**ILL, "optimizer": "sdg"}, "bowl_diverges cannot be run: scenario.yaml:1:"),
        ("nowhere.yaml", "nowhere.yaml cannot be run: nowhere.yaml: "),
    ],
)
def test_an_ill_run_that_shows_nothing_is_told(broken_rules, ill, told):
    broken = broken_rules(
        DiagnosisContract, lambda: Diagnoser(rising, REMEDY), name="rate_too_large", faulty=lambda self: ill
    )
    assert broken["test_reports_the_faulty_run"].startswith(told)
