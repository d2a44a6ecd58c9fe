"""The fixture `check_derivatives`: derivatives of functions and modules as assertions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def check_derivatives() -> Callable[..., Any]:
    """Check derivatives by every route, and fail the test if one is wrong.

    Takes the arguments of `playground.check_derivatives` and returns its verdict::

        def test_my_function(check_derivatives):
            check_derivatives(MyFunction.apply, torch.randn(3))
    """

    def check(*arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        import playground
        from playground.plugin_api import PlaygroundError

        try:
            verdict = playground.check_derivatives(*arguments, **options)
        except PlaygroundError as error:
            problem = str(error)
        else:
            if verdict.passed:
                return verdict
            problem = str(verdict)
        pytest.fail(problem)

    return check
