"""Diagnoses a watched loop with every installed loop diagnosis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.result import Diagnosis

if TYPE_CHECKING:
    from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence


def diagnose_loop(evidence: LoopEvidence, plugins: Plugins) -> tuple[Diagnosis, ...]:
    """Return the diagnoses of a watched loop, sorted by name.

    As for runs, diagnoses of low levels are tried first, and if one is found, those of higher levels are skipped.
    """
    built = dict(_build_diagnosers(plugins))
    found: dict[str, Diagnosis] = {}
    for level in sorted({each.level for each in built.values() if each.level is not None}):
        found |= _run_diagnosers(evidence, {name: each for name, each in built.items() if each.level == level})
        if found:
            break
    found |= _run_diagnosers(evidence, {name: each for name, each in built.items() if each.level is None})
    return tuple(found[name] for name in sorted(found))


def _build_diagnosers(plugins: Plugins) -> Iterator[tuple[str, LoopDiagnoser]]:
    for name in plugins.registry.names("loop_diagnosis"):
        with suppress(*ISOLATED_EXCEPTIONS):  # a diagnosis that cannot be built is skipped
            yield name, build(plugins.registry.get("loop_diagnosis", name), {}, {})


def _run_diagnosers(evidence: LoopEvidence, diagnosers: Mapping[str, LoopDiagnoser]) -> dict[str, Diagnosis]:
    found = {}
    for name, diagnoser in diagnosers.items():
        with suppress(*ISOLATED_EXCEPTIONS):  # a diagnosis that raises counts as not found
            if (finding := diagnoser.find(evidence)) is not None:
                place = "" if finding.place is None else str(finding.place)
                found[name] = Diagnosis(name, finding.sentence, finding.remedy or diagnoser.remedy, place)
    return found
