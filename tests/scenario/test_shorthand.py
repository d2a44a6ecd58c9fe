import pytest

from playground.scenario.shorthand import expand_shorthand


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("optimizer", "adam", {"name": "adam"}),
        ("optimizer", "torch.Adam", {"name": "torch.Adam"}),
        ("optimizer", "2*x", {"name": "2*x"}),
        ("optimizer", {"name": "adam"}, {"name": "adam"}),
        ("optimizer", 3, 3),
        ("function", "rosenbrock", {"name": "rosenbrock"}),
        ("function", "2*x", {"name": "expression", "formula": "2*x"}),
        ("function", "x + 1", {"name": "expression", "formula": "x + 1"}),
        ("function", "", {"name": ""}),
    ],
)
def test_expanded(kind, value, expected):
    assert expand_shorthand(kind, value) == expected
