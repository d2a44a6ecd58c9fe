"""The guide to plugins has every hook as it is, and whatever it shows runs."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from playground.plugins.hookspecs import ARGUMENTS
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


def follow(playground, words):
    name, *arguments = shlex.split(words)
    assert name == "playground"
    result = playground(*arguments)
    assert result.exit_code == 0, f"{words}\n{result.output}\n{result.stderr}"
    return result


def test_every_hook_has_a_section_with_its_signature():
    told = [hook for heading in SECTIONS for hook in re.findall(r"`(\w+\(.*?\))`", heading)]
    assert sorted(told) == sorted(f"{hook}({', '.join(arguments)})" for hook, arguments in ARGUMENTS.items())


@pytest.mark.parametrize("heading", SECTIONS)
def test_an_example_is_loaded_and_its_scenario_runs(playground, tmp_path, heading):
    (code,), (scenario,) = blocks(SECTIONS[heading], "python"), blocks(SECTIONS[heading], "yaml")
    (tmp_path / "example.py").write_text(code)
    (tmp_path / "example.yaml").write_text(scenario)
    hooks = set(re.findall(r"`(\w+)\(", heading))
    assert hooks <= set(re.findall(r"^def (playground_\w+)", code, re.MULTILINE))
    plugins = load_plugins(specs=(str(tmp_path / "example.py"),), autoload=False, folder=tmp_path)
    assert not plugins.failures
    for words in ("playground -p example.py run example.yaml", *commands(SECTIONS[heading])):
        follow(playground, words)


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
    names = {}
    exec(compile(test, "test", "exec"), names)
    contract = names["TestHalving"]()
    for rule in (each for each in dir(contract) if each.startswith("test_")):
        getattr(contract, rule)()


@pytest.mark.parametrize("name", ["root", "robust_line"])
def test_the_longer_single_file_passes(playground, name):
    folder = FOLDER / "single_file"
    follow(playground, f"playground -p {folder / 'newton.py'} run {folder / name}.yaml")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("function=x*y", "Newton's method is for a function of one number; this one has x, y"),
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
    [("start.x=0", "the tangent at x = 0 is level"), ("at_most=2", "✘  residual at most 1e-12")],
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
