"""What is asked for is counted before it is taken."""

import pytest
import torch
from torch import nn

from playground.core.allocation import PARAMETER_COPIES, TooLargeError, limit_allocation

MB = 10**6
BIG = 10**9

MAKERS = {
    "empty": lambda: torch.empty(BIG),
    "rand": lambda: torch.rand(BIG // 1000, 1000),
    "randn with a generator": lambda: torch.randn(BIG, generator=torch.Generator().manual_seed(0)),
    "arange": lambda: torch.arange(BIG),
    "arange by half": lambda: torch.arange(0, BIG / 2, 0.5),
    "linspace": lambda: torch.linspace(0, 1, BIG),
    "eye": lambda: torch.eye(40_000),
    "a layer": lambda: nn.Linear(10_000, 100_000),
    "outer": lambda: torch.ones(40_000)[:, None] * torch.ones(40_000),
    "a product": lambda: torch.ones(40_000, 2) @ torch.ones(2, 40_000),
    "one_hot": lambda: torch.nn.functional.one_hot(torch.arange(40_000)),
    "repeat": lambda: torch.ones(1000).repeat(1_000_000),
    "many layers": lambda: nn.Sequential(*(nn.Linear(1000, 1000) for _ in range(300))),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_is_too_large_is_refused_with_its_size(make):
    with pytest.raises(TooLargeError) as caught, limit_allocation(500 * MB):
        make()
    assert caught.value.needed > 500 * MB


@pytest.mark.parametrize("copies", [1, PARAMETER_COPIES])
def test_a_model_is_counted_to_its_end(copies):
    with pytest.raises(TooLargeError) as caught, limit_allocation(MB, copies):
        nn.Sequential(nn.Linear(2, 3100), nn.Linear(3100, 31_000), nn.Linear(31_000, 1))
    assert caught.value.numbers == 3 * 3100 + 3101 * 31_000 + 31_001
    assert caught.value.needed == 4 * copies * caught.value.numbers


def test_what_is_allowed_is_made_as_ever():
    torch.manual_seed(0)
    expected = nn.Linear(100, 100)(torch.ones(3, 100)) @ torch.rand(100, 2)
    torch.manual_seed(0)
    with limit_allocation(MB) as guard:
        got = nn.Linear(100, 100)(torch.ones(3, 100)) @ torch.rand(100, 2)
    assert torch.equal(got, expected)
    assert guard.numbers == 10_100 + 300 + 200


def test_what_an_inner_part_asks_for_is_its_own():
    with limit_allocation(MB) as outer:
        with pytest.raises(TooLargeError), limit_allocation(MB):
            torch.empty(BIG)
        torch.empty(10)
    assert outer.numbers == 10


def test_another_error_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), limit_allocation(MB):
        1 / 0  # noqa: B018
