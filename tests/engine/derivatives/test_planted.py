"""Wrong backwards planted into random modules and losses are caught and named; right ones raise no alarm."""

import pytest
import torch
from planted import FAULTS, Case

from playground.engine.derivatives import Cause, along, check, finding, flat_loss, parameter_coordinates
from playground.engine.derivatives.points import Coordinate

EACH, SOME = 25, 5
"""Cases of each fault; the first few of them belong to the quick tests."""

RIGHT = "right"


def cases(faults, each):
    return [
        pytest.param(Case(fault, seed), id=f"{fault}-{seed}", marks=[pytest.mark.slow] if seed >= (SOME if fault in FAULTS else SOME * len(FAULTS)) else [])
        for fault in faults
        for seed in range(each)
    ]


def findings(case, dtype=torch.float64):
    """What is found by the parameters of a case, and along a direction through all of them."""
    problem = case.problem()
    g, z = flat_loss(problem, problem.parameters)
    direction = torch.randn(len(z), dtype=torch.float64, generator=torch.Generator().manual_seed(case.seed))
    line = along(g, z.to(dtype), direction / direction.norm())
    checks = [check(g, z.to(dtype), parameter_coordinates(problem.parameters)), check(*line, [Coordinate("direction")])]
    return [finding(entry, torch.finfo(dtype).eps) for each in checks for entry in each.entries]


@pytest.mark.parametrize("case", cases(FAULTS, EACH))
def test_a_wrong_backward_is_caught_and_named(case):
    found = [each for each in findings(case) if each is not None]
    assert found
    assert {each.cause for each in found} == {Cause.BACKWARD}, found


@pytest.mark.parametrize("case", cases([RIGHT], EACH * len(FAULTS)))
def test_a_right_backward_raises_no_alarm(case):
    assert [each for each in findings(case, (torch.float64, torch.float32)[case.seed % 2]) if each is not None] == []
