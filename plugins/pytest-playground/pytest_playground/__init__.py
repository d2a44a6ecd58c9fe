"""Scenarios as tests: `pytest scenarios/` runs each YAML file and fails if one of its expectations does not hold.

pytest loads this module in every session, so it imports only pytest; the first scenario imports playground and torch.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_playground.derivatives import check_derivatives
from pytest_playground.item import ScenarioFile, VacuousExpectationWarning
from pytest_playground.watching import watch

__all__ = ["VacuousExpectationWarning", "check_derivatives", "watch"]

FOLDERS = "playground_scenarios"
"""The ini option that names the folders with scenarios."""

ENDINGS = (".yaml", ".yml")

LOOKED_AT = 1 << 20
"""Bytes of a file that are searched for the key `task`; no scenario is longer."""

TASK = re.compile(rb"""^(?:\xef\xbb\xbf)?(task|"task"|'task')\s*:""", re.MULTILINE)
"""A top-level key `task`, which every scenario has and hardly any other YAML file."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    text = "folders in which every YAML file is a scenario (default: every YAML file with a top-level key `task`)"
    parser.addini(FOLDERS, text, type="paths", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect a file that the command line names, that is in a folder of scenarios, or that looks like a scenario.

    In a folder of scenarios, a file with a misspelt `task` is collected too and fails; elsewhere it is ignored.
    """
    if file_path.suffix not in ENDINGS:
        return None
    if not parent.session.isinitpath(file_path):
        folders = parent.config.getini(FOLDERS)
        if folders and not any(file_path.is_relative_to(folder) for folder in folders):
            return None
        if not folders and not _looks_like_a_scenario(file_path):
            return None
    return ScenarioFile.from_parent(parent, path=file_path)


def _looks_like_a_scenario(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return TASK.search(file.read(LOOKED_AT)) is not None
    except OSError:  # a broken link, or a file without read permission
        return False
