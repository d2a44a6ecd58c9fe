"""What is told of a name that nobody knows."""

import pytest

from playground.errors import MAX_LISTED_NAMES, suggestion

MANY = [f"collection.{number:03}" for number in range(MAX_LISTED_NAMES + 100)]


@pytest.mark.parametrize(
    ("accepted", "told"),
    [
        ((), ""),
        (("sgd", "adam"), " (accepted: adam, sgd)"),
        (("zebra", "lion"), "; did you mean 'lion'?"),
        (MANY[:MAX_LISTED_NAMES], f" (accepted: {', '.join(MANY[:MAX_LISTED_NAMES])})"),
        (MANY, f" (accepted: {', '.join(MANY[:MAX_LISTED_NAMES])} and 100 more)"),
    ],
)
def test_what_would_have_been_accepted(accepted, told):
    assert suggestion("lino", accepted) == told
