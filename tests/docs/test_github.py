"""What the forge reads: the workflow, the forms, and what CONTRIBUTING.md says of marks and contracts."""

import re
import tomllib

import pytest
import yaml

import playground.testing


@pytest.fixture
def load(root):
    return lambda name: yaml.safe_load((root / name).read_text(encoding="utf-8"))


@pytest.fixture
def contributing(root):
    return (root / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


def rows(text, begin):
    """The first cells of the table that begins with a line, without backticks."""
    table = text[text.index(begin) :].partition("\n\n")[0].splitlines()[2:]
    return [re.split(r" \| ", line.strip("| "))[0].strip("`") for line in table]


def test_the_workflow_runs_every_check_and_may_only_read(load):
    workflow = load(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in job
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert job["strategy"]["matrix"]["python"][0] == "3.11"


def test_the_forms_ask_for_something(load, root):
    forms = [form.name for form in (root / ".github/ISSUE_TEMPLATE").glob("*.yml") if form.name != "config.yml"]
    assert len(forms) == 2
    for name in forms:
        form = load(f".github/ISSUE_TEMPLATE/{name}")
        assert {"name", "description", "body"} <= form.keys()
        assert len({field["id"] for field in form["body"]}) == len(form["body"])


def test_pre_commit_runs_what_ci_runs(load):
    hooks = {hook["id"] for each in load(".pre-commit-config.yaml")["repos"] for hook in each["hooks"]}
    assert hooks == {"ruff-check", "ruff-format", "mypy", "names"}


def test_every_mark_is_described(root, contributing):
    pytest_options = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    marks = [line.partition(":")[0] for line in pytest_options["ini_options"]["markers"]]
    assert sorted(rows(contributing, "| mark | tests |")) == sorted(["none", *marks])


def test_every_kind_of_component_is_described_with_its_contract(contributing):
    contracts = {name for name in playground.testing.__all__ if name.endswith("Contract")}
    assert {f"{kind.title().replace(' ', '')}Contract" for kind in rows(contributing, "| kind | add |")} == contracts
    assert contracts == set(re.findall(r"`(\w+Contract)`", contributing))
