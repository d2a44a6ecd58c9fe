"""From paths that a user names to scenario files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from playground.result import ScenarioFault

SCENARIO_SUFFIXES = (".yaml", ".yml")


def find_scenarios(paths: Sequence[Path]) -> tuple[list[Path], list[ScenarioFault]]:
    """Find scenario files: each path is a file, or a folder with all `*.yaml` and `*.yml` below it.

    Hidden files and folders are passed over. A file that is named twice is run once.

    :returns: the files in order, and what is wrong with the folders that gave none.
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
        if path.suffix in SCENARIO_SUFFIXES and path.is_file() and not hidden:
            yield path
