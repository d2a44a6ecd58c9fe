"""The map of the source names files and names that exist."""

import re

import pytest


@pytest.fixture
def map_text(root):
    return (root / "playground" / "README.md").read_text(encoding="utf-8")


def test_every_file_and_folder_exists(root, map_text):
    package = root / "playground"
    paths = {str(path.relative_to(package)) for path in package.rglob("*")}
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", map_text))
    named = {name for name in named if not name.startswith("tests/")}
    missing = [name for name in named if not any(f"/{path}".endswith(f"/{name.rstrip('/')}") for path in paths)]
    assert missing == []


def test_every_part_has_its_line(root, map_text):
    parts = {path.name for path in (root / "playground").iterdir() if not path.name.startswith("_")}
    unnamed = [part for part in sorted(parts - {"README.md", "py.typed"}) if not re.search(rf"`{part}/?`", map_text)]
    assert unnamed == []
