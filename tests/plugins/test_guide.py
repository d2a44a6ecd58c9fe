"""The guide to plugins has every hook as it is, and whatever it shows runs."""

import contextlib
import inspect
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

import playground.testing
from playground.plugins.hookspecs import ARGUMENTS, COMPONENT_HOOKS
from playground.plugins.manager import load_plugins

FOLDER = Path(__file__).parents[2] / "plugins"
GUIDE = (FOLDER / "README.md").read_text(encoding="utf-8")
TUTORIAL, REFERENCE = GUIDE.split("# Every hook\n")
HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
SECTIONS = dict(zip(HEADING.findall(REFERENCE), HEADING.split(REFERENCE)[2::2], strict=True))


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text):
    return [line.removeprefix("$ ") for block in blocks(text, "console") for line in block.splitlines()]


def hold(code):
    """Hold what a shown test says against its contract."""
    names = {}
    exec(compile(code, "test", "exec"), names)
    (contract,) = [made() for name, made in names.items() if name.startswith("Test")]
    for rule in (each for each in dir(contract) if each.startswith("test_")):
        with contextlib.suppress(pytest.skip.Exception):
            getattr(contract, rule)()


def follow(playground, words):
    name, *arguments = shlex.split(words)
    assert name == "playground"
    result = playground(*arguments)
    assert result.exit_code == 0, f"{words}\n{result.output}\n{result.stderr}"
    return result


def test_every_hook_has_a_section_with_its_signature():
    told = [hook for heading in SECTIONS for hook in re.findall(r"`(\w+\(.*?\))`", heading)]
    assert sorted(told) == sorted(f"{hook}({', '.join(arguments)})" for hook, arguments in ARGUMENTS.items())


@pytest.mark.sampled(1)
@pytest.mark.parametrize("heading", SECTIONS)
def test_an_example_is_loaded_and_its_scenario_runs(playground, tmp_path, heading):
    (code, *_), scenarios = blocks(SECTIONS[heading], "python"), blocks(SECTIONS[heading], "yaml")
    (tmp_path / "example.py").write_text(code)
    assert len(scenarios) == (
        heading != "`playground_loop_diagnoses()`"
    )  # which is about loops, and not about scenarios
    for scenario in scenarios:
        (tmp_path / "example.yaml").write_text(scenario)
    hooks = set(re.findall(r"`(\w+)\(", heading))
    assert hooks <= set(re.findall(r"^def (playground_\w+)", code, re.MULTILINE))
    plugins = load_plugins(specs=(str(tmp_path / "example.py"),), autoload=False, folder=tmp_path)
    assert not plugins.failures
    for words in (*["playground -p example.py run example.yaml"] * len(scenarios), *commands(SECTIONS[heading])):
        follow(playground, words)


@pytest.mark.slow
def test_what_the_examples_write_is_there(playground, tmp_path):
    for heading, file, text in (
        ("`playground_reporters()`", "names.txt", "none example\n"),
        (
            "`playground_run_started(spec)` and `playground_run_finished(result)`",
            "log.txt",
            "started logged\nbudget logged\n",
        ),
    ):
        test_an_example_is_loaded_and_its_scenario_runs(playground, tmp_path, heading)
        assert (tmp_path / file).read_text() == text


def test_the_example_of_an_operation_is_explained(playground, tmp_path):
    heading = "`playground_operations()`"
    (tmp_path / "example.py").write_text(blocks(SECTIONS[heading], "python")[0])
    (tmp_path / "example.yaml").write_text(blocks(SECTIONS[heading], "yaml")[0])
    (words,) = commands(SECTIONS[heading])
    assert "exp(−" in follow(playground, words).output


@pytest.mark.sampled(1)
@pytest.mark.parametrize("hook", ["playground_operations", "playground_diagnoses", "playground_loop_diagnoses"])
def test_the_test_of_an_example_passes(playground, tmp_path, monkeypatch, hook):
    section = SECTIONS[f"`{hook}()`"]
    code, test = blocks(section, "python")
    (tmp_path / "example.py").write_text(code)
    for scenario in blocks(section, "yaml"):
        (tmp_path / "example.yaml").write_text(scenario)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "example", raising=False)
    hold(test)


CONTRACTS = [getattr(playground.testing, name) for name in playground.testing.__all__ if name.endswith("Contract")]


def test_every_kind_has_a_contract():
    kinds = sorted(kind.title().replace("_", "") + "Contract" for kind in COMPONENT_HOOKS.values())
    assert kinds == sorted(contract.__name__ for contract in CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_a_contract_is_in_the_guide_with_what_it_takes(contract):
    (row,) = re.findall(rf"^\| `{contract.__name__}` \|(.*)\|$", TUTORIAL, re.MULTILINE)
    given, declared, held = row.split(" | ")
    methods, without_value = contract.__abstractmethods__, inspect.get_annotations(contract).keys() - vars(contract)
    for method in methods:
        _, *arguments = inspect.signature(getattr(contract, method)).parameters.values()
        words = ", ".join(str(each.replace(annotation=inspect.Parameter.empty)) for each in arguments)
        assert f"`{method}({words})`" in given
    assert all(f"`{name}`" in given for name in without_value)
    optional = {name for name in vars(contract) if not name.startswith(("_", "test_"))} - methods
    assert set(re.findall(r"`(\w+)(?:\(\))?`", declared)) == optional
    assert held.strip()


@pytest.mark.slow
def test_the_single_file_runs_as_it_is_shown(playground, tmp_path):
    (tmp_path / "halving.py").write_text(blocks(TUTORIAL, "python")[0])
    (tmp_path / "halving.yaml").write_text(blocks(TUTORIAL, "yaml")[0])
    told = commands(TUTORIAL)
    assert len(told) == 3
    for words in told:
        follow(playground, words)


def test_the_distribution_that_is_shown_fits_together(tmp_path, monkeypatch):
    schedule, package, test = blocks(TUTORIAL, "python")
    project = tomllib.loads(blocks(TUTORIAL, "toml")[1])
    (entry,) = project["project"]["entry-points"]["playground"].values()
    assert entry == "playground_halving"
    assert all(not each.startswith("playground") for each in project["project"]["dependencies"])
    folder = tmp_path / entry
    folder.mkdir()
    (folder / "__init__.py").write_text(package)
    (folder / "schedule.py").write_text(schedule)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = load_plugins(specs=(entry,), autoload=False, folder=tmp_path)
    assert not plugins.failures
    assert plugins.registry.get("schedule", "halving").load()(100)(150) == 0.5
    hold(test)


@pytest.mark.parametrize("name", ["root", "robust_line"])
def test_the_longer_single_file_passes(playground, name):
    folder = FOLDER / "single_file"
    follow(playground, f"playground -p {folder / 'newton.py'} run {folder / name}.yaml")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("function=x*y", "Newton's method takes a function of one number; this one has x, y"),
        ("start={y: 2}", "expected a start for x"),
        ("tolerance=0", "expected more than 0"),
    ],
)
def test_mistakes_with_the_longer_one_are_told_in_a_line(playground, change, told):
    folder = FOLDER / "single_file"
    result = playground("-p", folder / "newton.py", "run", folder / "root.yaml", "--set", change)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [("start.x=0", "the tangent at x = 0 is horizontal"), ("at_most=2", "✘  residual at most 1e-12")],
)
def test_a_root_that_is_not_found_fails(playground, change, told):
    folder = FOLDER / "single_file"
    path = folder / "root.yaml"
    result = playground(
        "-p", folder / "newton.py", "run", path, "--set", change, "--set", "expect={iterations: {at_most: 9}}"
    )
    assert result.exit_code == 1
    assert told in result.output


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", GUIDE))))
def test_a_link_leads_somewhere(link):
    assert (FOLDER / link).exists()
