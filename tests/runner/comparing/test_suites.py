"""Suites: what their files must contain, and when their targets hold."""

import re
import textwrap

import pytest

from playground.errors import PlaygroundError
from playground.plugins.manager import load_plugins
from playground.runner.comparing.suites import find_suite, load_suite, targets_path


@pytest.fixture
def copied(suite_folder, tmp_path):
    """A copy of the suite that a test may change; returns its file."""
    for source in (suite_folder / "tiny.yaml", targets_path(suite_folder / "tiny.yaml"), *suite_folder.glob("tiny/*")):
        target = tmp_path / source.relative_to(suite_folder)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    return tmp_path / "tiny.yaml"


def fault_of(file, frozen=True):
    with pytest.raises(PlaygroundError) as caught:
        load_suite(file, frozen)
    return [str(fault) for fault in caught.value.faults]


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_suite_and_its_targets(copied):
    suite = load_suite(copied)
    assert (suite.name, list(suite.problems), suite.families) == (
        "tiny",
        ["bowl", "booth", "matyas"],
        ["bowl", "booth", "matyas"],
    )
    for problem in suite.problems.values():
        assert list(problem.targets) == sorted(problem.targets, reverse=True)
        assert len(problem.targets) == 5


FAULTS = {
    "no such scenario": ("matyas: {", "matya: {", r"tiny/matya\.yaml"),
    "unknown key": ("probe: valley", "prob: valley", "unknown key 'prob'; did you mean 'probe'"),
    "no family": ("family: bowl, ", "", "family"),
    "contrast": ("without: bowl", "without: bwl", "unknown problem 'bwl'; did you mean 'bowl'"),
    "tier": ("probe: valley", "probe: valley, tier: fast", "quick|slow"),
    "no problems": ("problems:", "others:", "unknown key 'others'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_the_file(copied, name):
    old, new, message = FAULTS[name]
    replace(copied, old, new)
    faults = fault_of(copied)
    assert any(re.search(message, fault) for fault in faults), faults
    assert all(re.match(r".*\.yaml(:\d+:\d+)?: ", fault) for fault in faults)


def test_targets_that_are_missing(copied):
    targets_path(copied).unlink()
    assert fault_of(copied) == [f"{copied}:3:9: 3 problems without targets: run `playground suite freeze {copied}`"]
    assert len(load_suite(copied, frozen=False).problems) == 3


def test_targets_of_another_scenario(copied):
    replace(copied.parent / "tiny" / "bowl.yaml", "dim: 2", "dim: 3")
    (fault,) = fault_of(copied)
    assert "problem 'bowl' that changed since their targets were made: run `playground suite freeze" in fault


@pytest.mark.parametrize(
    ("old", "new"), [("lr: 0.01", "lr: 0.5"), ("sgd, lr: 0.01", "adam"), ("task:", "seed: 3\ntask:")]
)
def test_optimizer_and_seed_of_a_scenario_do_not_matter(copied, old, new):
    before = load_suite(copied).hash
    replace(copied.parent / "tiny" / "bowl.yaml", old, new)
    assert load_suite(copied).hash == before


@pytest.mark.parametrize(("old", "new"), [("family: bowl", "family: dish"), ("least: 0.0", "least: -1.0")])
def test_the_hash_covers_what_the_verdict_depends_on(copied, old, new):
    before = load_suite(copied).hash
    replace(copied, old, new)
    assert load_suite(copied).hash != before


def test_a_problem_without_an_optimizer(copied):
    (copied.parent / "tiny" / "bowl.yaml").write_text("task: derivative\nfunction: x**2\nat: {x: 1}\n")
    assert any("needs an optimizer to replace" in fault for fault in fault_of(copied))


def test_names_and_files_of_suites(tmp_path):
    plugins = load_plugins()
    assert find_suite("core", plugins).name == "core.yaml"
    assert find_suite(str(tmp_path / "own.yaml"), plugins) == tmp_path / "own.yaml"
    with pytest.raises(PlaygroundError, match="unknown suite 'cor'; did you mean 'core'"):
        find_suite("cor", plugins)


def test_a_suite_of_a_plugin(suite_folder, tmp_path):
    plugin = tmp_path / "suites.py"
    plugin.write_text(
        textwrap.dedent(f"""
        from pathlib import Path
        from playground import hookimpl

        @hookimpl
        def playground_suites():
            return {{"mine": lambda: Path({str(suite_folder / "tiny.yaml")!r}), "wrong": lambda: 3}}
        """)
    )
    plugins = load_plugins(specs=(str(plugin),))
    assert load_suite(find_suite("mine", plugins)).name == "tiny"
    with pytest.raises(PlaygroundError, match="suite 'wrong' returned a int; expected the Path of its file"):
        find_suite("wrong", plugins)
