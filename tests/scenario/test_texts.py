"""Texts that people write in the place of conditions."""

import pytest

from playground.scenario.texts import rewrite


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("< 0.1", "{below: 0.1}"),
        ("<1e-3", "{below: 1e-3}"),
        ("below 2", "{below: 2}"),
        ("<= 0.1", "{at_most: 0.1}"),
        ("at most 5%", "{at_most: 0.05}"),
        ("> 3", "{above: 3}"),
        (">= 90 %", "{at_least: 0.9}"),
        ("2.25 +- 0.001", "{near: 2.25, within: 0.001}"),
        ("-5 ± 1e-4", "{near: -5, within: 1e-4}"),
        ("~ 2", "{near: 2, within: 0.001}"),
        ("0.9..1", "{at_least: 0.9, at_most: 1}"),
        ("between 1 and 2", "{at_least: 1, at_most: 2}"),
        ("100%", "1.0"),
        ("1.0", "1.0"),
        ("== 3", "3"),
        ("many", ""),
        ("", ""),
        ("1 2 3", ""),
    ],
)
def test_what_a_scenario_has_in_its_place(text, condition):
    assert rewrite(text) == condition
