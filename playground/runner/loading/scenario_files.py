"""Finds the scenario files in the paths of a command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from playground.result import ScenarioFault

SCENARIO_SUFFIXES = (".yaml", ".yml")

TARGETS_SUFFIX = ".targets"
"""Before the suffix of a file with the frozen targets of a suite, which is no scenario."""


def find_scenarios(paths: Sequence[Path]) -> tuple[list[Path], list[ScenarioFault]]:
    """Find scenario files. A path is a file, or a folder that stands for all `*.yaml` and `*.yml` files below it.

    Hidden files and folders are skipped. A file that is named twice appears once.

    :returns: the files in order, and a fault for each folder without a scenario.
    """
    files: dict[Path, None] = {}
    errors = []
    for path in paths:
        found = sorted(_scan_folder(path)) if path.is_dir() else [path]
        if not found:
            errors.append(
                ScenarioFault(
                    str(path), 0, 0, f"no scenario in this folder (looked for *{', *'.join(SCENARIO_SUFFIXES)})"
                )
            )
        files.update(dict.fromkeys(found))
    return list(files), errors


def _scan_folder(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if (
            path.suffix in SCENARIO_SUFFIXES
            and path.is_file()
            and not hidden
            and not path.stem.endswith(TARGETS_SUFFIX)
        ):
            yield path
