"""Expectations of a comparison: `better than adam`, `not worse than adam by more than 1.25`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from playground.comparison import EffectFinding, PairFinding
from playground.errors import ComponentError, suggest_names

_FORM = re.compile(
    r"(?P<relation>better than|worse than|not worse than|equivalent to) (?P<baseline>\S.*?)"
    r"(?: by more than (?P<factor>[\d.]+)[×x]?)?"
)

ACCEPTED = "'better than adam', 'not worse than adam by more than 1.25' or 'equivalent to adam'"


@dataclass(frozen=True, kw_only=True)
class ComparisonExpectation:
    """What must be shown of the first optimizer and a baseline.

    :param relation: `better than`, `worse than`, `not worse than` or `equivalent to`.
    :param factor: by more than this; 1 if nothing is said.
    :param text: as it was written.
    """

    relation: str
    baseline: str
    factor: float | None
    text: str

    def find_miss(self, pairs: Sequence[PairFinding]) -> str:
        """Return why the findings do not meet it; empty if they do."""
        pair = next(each for each in pairs if each.baseline == self.baseline)
        found = pair.headline
        if self._is_met(found):
            return ""
        interval = f"{found.factor:.2f}× [{found.low:.2f}, {found.high:.2f}]"
        where = "on problems like these" if pair.like_these else "on this suite"
        return f"expected {self.text}, found {found.text}: {pair.optimizer} needs {interval} {where}"

    def _is_met(self, found: EffectFinding) -> bool:
        factor = self.factor or 1.0
        match self.relation:
            case "better than":
                return found.word == "better" and found.high < 1 / factor
            case "worse than":
                return found.word == "worse" and found.low > factor
            case "equivalent to":
                return found.equivalent
            case _:  # with a factor it must be shown; without, it must not be shown to be worse
                return found.word != "worse" if self.factor is None else found.high < factor


def parse_expectation(text: str, baselines: Sequence[str]) -> ComparisonExpectation:
    """Read an expectation.

    :param baselines: labels that it may name.
    :raises ComponentError: it has another form, or names no baseline.
    """
    match = _FORM.fullmatch(" ".join(text.split()))
    if match is None:
        raise ComponentError(f"expected {ACCEPTED}, got {text!r}")
    baseline = match["baseline"]
    if baseline not in baselines:
        raise ComponentError(f"expect {text!r}: {baseline!r} is not compared{suggest_names(baseline, baselines)}")
    factor = None if match["factor"] is None else float(match["factor"])
    if factor is not None and (factor < 1 or match["relation"] == "equivalent to"):
        raise ComponentError(
            f"expect {text!r}: a factor of at least 1 may follow 'better', 'worse' and 'not worse' only"
        )
    return ComparisonExpectation(relation=match["relation"], baseline=baseline, factor=factor, text=text)
