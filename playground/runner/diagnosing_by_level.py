"""Asks diagnoses level by level: causes before their possible effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.result import Diagnosis


def ask_by_level(plugins: Plugins, kind: str, ask: Callable[[str, Any], Diagnosis | None]) -> tuple[Diagnosis, ...]:
    """Return what the installed diagnoses of a kind find, sorted by name.

    Diagnoses of low levels, the possible causes, are tried first. If one is found, those of higher levels, its possible
    effects, are skipped. Diagnoses without a level are always tried. One that cannot be built, or that raises, counts
    as not found.

    :param kind: `diagnosis` or `loop_diagnosis`.
    :param ask: returns what a diagnosis, given by name and itself, finds.
    """
    built = dict(_build_all(plugins, kind))
    found: dict[str, Diagnosis] = {}

    def try_level(level: int | None) -> None:
        for name, each in built.items():
            if each.level == level:
                with suppress(*ISOLATED_EXCEPTIONS):
                    if (diagnosis := ask(name, each)) is not None:
                        found[name] = diagnosis

    for level in sorted({each.level for each in built.values() if each.level is not None}):
        try_level(level)
        if found:
            break
    try_level(None)
    return tuple(found[name] for name in sorted(found))


def _build_all(plugins: Plugins, kind: str) -> Iterator[tuple[str, Any]]:
    for name in plugins.registry.names(kind):
        with suppress(*ISOLATED_EXCEPTIONS):
            yield name, build(plugins.registry.get(kind, name), {}, {})
