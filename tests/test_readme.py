"""The README is short, sets up in two blocks, and shows a picture that the package index can load.

That its commands and its scenario give what it shows is held for every page in `tests/docs`.
"""

import re
import tomllib

import pytest

MAX_WORDS = 600


@pytest.fixture
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


def test_it_is_short(readme):
    assert len(readme.split()) <= MAX_WORDS


def test_the_first_block_runs_a_scenario_and_the_second_the_tests(readme, root):
    first, second = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    begin = ["python3 -m venv .venv", ". .venv/bin/activate"]
    assert first.splitlines() == [*begin, "pip install -e .", "playground run scenarios/and_gate.yaml"]
    assert second.splitlines() == [*begin, "pip install -e '.[test]'", "pytest -n auto"]
    assert "readme_block 2" in (root / ".ci" / "run").read_text(encoding="utf-8")


def test_the_package_index_can_load_its_pictures(readme, root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    raw = project["urls"]["Source"].replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)
    assert pictures
    for picture in pictures:
        assert picture.startswith(raw)
        assert (root / picture.removeprefix(raw)).is_file()
