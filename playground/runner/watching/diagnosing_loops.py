"""Diagnoses a watched loop with every installed loop diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.plugins.manager import Plugins
from playground.result import Diagnosis
from playground.runner.diagnosing_by_level import ask_by_level

if TYPE_CHECKING:
    from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence


def diagnose_loop(evidence: LoopEvidence, plugins: Plugins) -> tuple[Diagnosis, ...]:
    """Return the diagnoses of a watched loop, sorted by name; see `ask_by_level`."""

    def ask(name: str, diagnoser: LoopDiagnoser) -> Diagnosis | None:
        finding = diagnoser.find(evidence)
        if finding is None:
            return None
        place = "" if finding.place is None else str(finding.place)
        return Diagnosis(name, finding.sentence, finding.remedy or diagnoser.remedy, place)

    return ask_by_level(plugins, "loop_diagnosis", ask)
