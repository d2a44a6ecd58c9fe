"""What `run` returns: a run that knows what it was made of, so that it can be repeated for a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Self

from playground.errors import PlaygroundError
from playground.figures.numbers import format_short
from playground.result import Run, Status
from playground.runner.loading.calls import LoadedCall
from playground.runner.single.memory import limit_memory
from playground.runner.single.record_options import RecordOptions
from playground.runner.single.running import run_one

if TYPE_CHECKING:
    from playground.report.html.live_page import LivePage


@dataclass(frozen=True)
class RunOrigin:
    """What a run was made of.

    :param call: the scenario, with the plugins and objects that it names.
    :param memory: bytes that the run may use; None for the default limit.
    """

    call: LoadedCall
    memory: int | None = None

    def run(self, record: RecordOptions) -> Run:
        """Make the run, or make it again.

        :raises ScenarioError: the scenario is not valid.
        """
        with limit_memory(self.memory):
            return run_one(self.call.loaded, self.call.plugins, record=record)


class RepeatableRun(Run):
    """A run that this process has made: plain data as every `Run`, and a page on request.

    What the run was made of is no field. It is left out of copies, of comparisons and of what is stored.
    """

    @classmethod
    def make(cls, origin: RunOrigin, record: RecordOptions) -> Self:
        """Make a run.

        :raises ScenarioError: the scenario is not valid.
        """
        run = origin.run(record)
        made = cls(**{each.name: getattr(run, each.name) for each in fields(run)})
        object.__setattr__(made, "_origin", origin)
        return made

    def live(self) -> LivePage:
        """Repeat the run with everything that a page shows, and return the page; a notebook displays it.

        Objects in hand are used as they are now. If that gives other losses, the page says so.

        :raises PlaygroundError: this is a copy, or jinja2 or plotly is not installed.
        """
        from playground.report.html.live_page import make_live_page
        from playground.report.html.reporter import Html

        origin: RunOrigin | None = vars(self).get("_origin")
        if origin is None:
            what = "this is a copy of a run, which does not know what the run was made of"
            raise PlaygroundError(f"live(): {what}; call it on what playground.run returned")
        reporter = Html()
        run = origin.run(RecordOptions(reporter.record, live=reporter.live))
        return make_live_page(run, _describe_difference(self, run))

    def __getstate__(self) -> Mapping[str, Any]:
        """Return the fields, for copies and pickles."""
        return {name: value for name, value in vars(self).items() if name != "_origin"}


def _describe_difference(before: Run, now: Run) -> str:
    """Return a sentence about the first loss that differs between a run and its repetition; empty if none does."""
    if before.status is Status.INTERRUPTED or now.status is Status.INTERRUPTED:
        return ""
    pairs = zip_longest(before.losses, now.losses, fillvalue=math.nan)
    for step, (first, second) in enumerate(pairs):
        if first != second and not (math.isnan(first) and math.isnan(second)):
            what = f"the loss before step {step} was {format_short(first)} and is {format_short(second)} now"
            return (
                f"This is another run than the first one: {what}. An object that it was given has changed since, "
                "or draws random numbers that no seed determines."
            )
    return ""
