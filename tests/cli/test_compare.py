"""`playground compare` and `playground suite`: options, output, exit codes, and files that contain a comparison."""

import json
import textwrap
from xml.etree import ElementTree

import pytest

PROBLEM = """
    task: minimize
    function: {function}
    optimizer: {{name: sgd, lr: 0.01}}
    steps: 40
    dtype: float64
"""

SUITE = """
    problems:
      bowl: {family: bowl, probe: ill-conditioning, least: 0.0}
      booth: {family: booth, probe: valley, least: 0.0}
"""


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text).strip() + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """The targets of the suite, made once."""
    from playground.plugins.manager import load_plugins
    from playground.runner.comparing.freezing import format_targets, freeze_suite
    from playground.runner.comparing.suites import load_suite

    folder = tmp_path_factory.mktemp("frozen")
    make_suite(folder)
    return format_targets(freeze_suite(load_suite(folder / "own.yaml", frozen=False), load_plugins(), folder, jobs=1))


def make_suite(folder, more=""):
    write(folder / "own" / "bowl.yaml", PROBLEM.format(function="{name: quadratic, dim: 2}"))
    write(folder / "own" / "booth.yaml", PROBLEM.format(function="booth"))
    write(folder / "own.yaml", textwrap.dedent(SUITE) + textwrap.dedent(more))


@pytest.fixture
def suite(tmp_path, monkeypatch, frozen):
    """`own.yaml` with its targets in the working directory."""
    monkeypatch.chdir(tmp_path)
    make_suite(tmp_path)
    (tmp_path / "own.targets.yaml").write_text(frozen, encoding="utf-8")
    return tmp_path


COMPARE = ("compare", "rmsprop", "--against", "sgd", "--suite", "own.yaml", "--studies", "2", "-j", "1")


def test_everything_at_once(playground, suite):
    result = playground(*COMPARE, "--html", "v.html", "--junit-xml", "v.xml", "--expect", "not worse than sgd")
    assert result.exit_code in (0, 1), result.stderr
    assert "rmsprop" in result.stdout
    assert "on this suite" in result.stdout
    assert "no statement on problems like these: 2 families" in result.stdout
    page = (suite / "v.html").read_text(encoding="utf-8")
    assert "rmsprop" in page
    (case,) = ElementTree.parse(suite / "v.xml").getroot().iter("testcase")
    assert (case.find("failure") is None) is (result.exit_code == 0)


def test_json_is_one_document(playground, suite):
    result = playground(*COMPARE, "--json")
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)["comparisons"]
    assert found["pairs"][0]["baseline"] == "sgd"
    assert found["protocol"]["look"] == 1
    assert found["optimizers"] == ["rmsprop", "sgd"]


def test_an_expectation_that_is_not_met(playground, suite):
    result = playground(*COMPARE, "--expect", "better than sgd by more than 1000")
    assert result.exit_code == 1
    assert "✘ better than sgd by more than 1000, found" in " ".join(result.stdout.split())


FAULTS = {
    "optimizer": (("adm", "--suite", "own.yaml"), "unknown optimizer 'adm'; did you mean 'adam'"),
    "baseline": (("adam", "--against", "sgd,adamm", "--suite", "own.yaml"), "unknown optimizer 'adamm'"),
    "suite": (("adam", "--suite", "cor"), "unknown suite 'cor'; did you mean 'core'"),
    "no file": (("adam", "--suite", "none.yaml"), "none.yaml"),
    "more": (("adam", "--more", "seeds"), "--more seeds: unknown (accepted: families, studies)"),
    "claim": (("adam", "--suite", "own.yaml", "--expect", "good"), "expected 'better than adam'"),
    "twice": (("adam", "--against", "adam", "--suite", "own.yaml"), "'adam' is compared twice"),
    "brackets": (("adam(lr)", "--suite", "own.yaml"), "expected PARAMETER=VALUE within the brackets"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_and_exit_with_2(playground, suite, name):
    words, message = FAULTS[name]
    result = playground("compare", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (suite / ".playground").exists()


def test_a_suite_without_targets(playground, suite):
    (suite / "own.targets.yaml").unlink()
    result = playground("compare", "adam", "--suite", "own.yaml")
    assert result.exit_code == 2
    assert "2 problems without targets: run `playground suite freeze own.yaml`" in result.stderr


@pytest.mark.slow
def test_freezing_writes_the_same_targets_again(playground, suite, frozen):
    (suite / "own.targets.yaml").unlink()
    result = playground("suite", "freeze", "own.yaml", "-j", "1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "own.targets.yaml: targets of 2 problems\n"
    assert (suite / "own.targets.yaml").read_text(encoding="utf-8") == frozen


def test_a_problem_that_cannot_be_used_is_named(playground, suite):
    write(suite / "own" / "bowl.yaml", PROBLEM.format(function="0*x + 1") + "\n    start: {x: 1}")
    result = playground("suite", "freeze", "own.yaml", "-j", "1")
    assert result.exit_code == 2
    assert "bowl: no targets: " in result.stderr


def test_list_problems(playground, suite):
    result = playground("suite", "list", "own.yaml")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[1].split()[:4] == ["bowl", "bowl", "ill-conditioning", "40"]
    assert lines[-1] == "2 problems, 2 of them in 2 families count in a verdict; own.yaml"


@pytest.mark.slow
def test_run_judges_the_comparison_of_a_file(playground, suite):
    make_suite(
        suite, "compare: {optimizer: rmsprop, against: [sgd], studies: 2, expect: [worse than sgd by more than 99]}\n"
    )
    result = playground("run", "own.yaml")
    assert result.exit_code == 1
    assert "✘ worse than sgd by more than 99, found" in " ".join(result.stdout.split())
    assert playground("check", "own.yaml").exit_code == 0


@pytest.mark.slow
def test_run_of_a_folder_has_scenarios_and_comparisons(playground, suite):
    make_suite(suite, "compare: {optimizer: rmsprop, against: [sgd], studies: 2}\n")
    result = playground("run", ".", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (len(found["runs"]), len(found["comparisons"])) == (2, 1)


RUN_FAULTS = {
    "no comparison": ("", "a suite is compared on: add compare: {optimizer: adam"),
    "optimizer": ("compare: {optimizer: adm}\n", "unknown optimizer 'adm'"),
    "key": ("compare: {optimizer: adam, againts: [sgd]}\n", "unknown key 'againts'; did you mean 'against'"),
    "another suite": ("compare: {optimizer: adam, suite: core}\n", "names another suite"),
}


@pytest.mark.parametrize("name", RUN_FAULTS)
def test_faults_of_a_comparison_in_a_file_have_a_place(playground, suite, name):
    more, message = RUN_FAULTS[name]
    make_suite(suite, more)
    result = playground("run", "own.yaml")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("own.yaml:")
    assert len(result.stderr.splitlines()) == 1
