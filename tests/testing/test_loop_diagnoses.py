"""Specimens of loop diagnoses: each rule catches the one that breaks just this rule."""

import pytest
import torch
from torch import nn

from playground.plugin_api import LoopDiagnoser, LoopFinding
from playground.testing import LoopDiagnosisContract

REMEDY = "Lower the learning rate."

pytestmark = pytest.mark.usefixtures("one_thread")


def diverge(self, watch):
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=100.0)
    with watch(model, optimizer):
        for _ in range(6):
            optimizer.zero_grad()
            model(torch.ones(4, 1)).square().mean().backward()
            optimizer.step()


def rising(loop):
    if loop.losses and loop.losses[-1] > 10 * loop.losses[0]:
        return LoopFinding(f"The loss rose to {loop.losses[-1]:.3g}.")
    return None


def drifting(loop):
    found = rising(loop)
    return found and LoopFinding(f"The loss rose {torch.rand(()).item()}.")


SPECIMENS = {
    "reports_the_faulty_loop": (lambda loop: None, REMEDY),
    "is_silent_about_healthy_loops": (
        lambda loop: LoopFinding(f"The loss was {loop.losses[0]:.3g}.") if loop.losses else None,
        REMEDY,
    ),
    "survives_a_loop_without_steps": (lambda loop: rising(loop) if loop.losses[0] else None, REMEDY),
    "sentences_are_for_people": (rising, "Lower it"),
    "repeated_calls_give_equal_results": (drifting, REMEDY),
}


def broken_by(broken_rules, find, remedy):
    return broken_rules(LoopDiagnosisContract, lambda: LoopDiagnoser(find, remedy), faulty=diverge)


def test_every_rule_has_a_specimen(rules):
    assert sorted(f"test_{rule}" for rule in SPECIMENS) == rules(LoopDiagnosisContract)


@pytest.mark.parametrize("rule", SPECIMENS)
def test_a_specimen_is_caught_by_its_rule(broken_rules, rule):
    broken = broken_by(broken_rules, *SPECIMENS[rule])
    expected = {f"test_{rule}"} | ({"test_sentences_are_for_people"} if rule == "reports_the_faulty_loop" else set())
    assert set(broken) == expected, broken


def test_what_is_whole_breaks_no_rule(broken_rules):
    assert broken_by(broken_rules, rising, REMEDY) == {}
