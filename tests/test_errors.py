"""What is told of a name that nobody knows."""

import pytest

from playground.errors import LISTED, suggestion

MANY = [f"collection.{number:03}" for number in range(LISTED + 100)]


@pytest.mark.parametrize(
    ("accepted", "told"),
    [
        ((), ""),
        (("sgd", "adam"), " (accepted: adam, sgd)"),
        (("zebra", "lion"), "; did you mean 'lion'?"),
        (MANY[:LISTED], f" (accepted: {', '.join(MANY[:LISTED])})"),
        (MANY, f" (accepted: {', '.join(MANY[:LISTED])} and 100 more)"),
    ],
)
def test_what_would_have_been_accepted(accepted, told):
    assert suggestion("lino", accepted) == told
