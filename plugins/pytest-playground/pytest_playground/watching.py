"""The fixture `watch`: a training loop in a test, which fails on a mistake of the loop."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

SECTION = "mistakes of the watched loop"
"""The heading of diagnoses in the report of a test that fails for another reason."""


class WatchedBlock:
    """A `with` block whose training loop is watched.

    :param watched: what `playground.watch` returned.
    :param item: the test.
    """

    def __init__(self, watched: Any, item: pytest.Item) -> None:
        self._watched = watched
        self._item = item

    def __enter__(self) -> Any:
        """Begin to watch; return what `playground.watch` records."""
        return self._watched.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End watching, and fail the test if the loop has mistakes; an exception of the loop passes, with a report."""
        __tracebackhide__ = True
        self._watched.__exit__(kind, error, traceback)
        diagnoses = self._watched.diagnoses
        if not diagnoses:
            return
        text = "\n".join(f"{each}\n    {each.remedy}" for each in diagnoses)
        if error is None:
            pytest.fail(text)
        self._item.add_report_section("call", SECTION, text)


@pytest.fixture
def watch(request: pytest.FixtureRequest) -> Callable[..., WatchedBlock]:
    """Watch a training loop, and fail the test at the end of the `with` block if the loop has mistakes.

    Takes the arguments of `playground.watch`::

        def test_training(watch):
            with watch(model, optimizer) as watched:
                train(model, optimizer)
            assert watched.trace.loss[-1] < 0.1
    """

    def watch(*arguments: Any, **options: Any) -> WatchedBlock:
        __tracebackhide__ = True
        import playground
        from playground.plugin_api import PlaygroundError

        try:
            watched = playground.watch(*arguments, **options)
        except PlaygroundError as error:
            pytest.fail(str(error))
        return WatchedBlock(watched, request.node)

    return watch
