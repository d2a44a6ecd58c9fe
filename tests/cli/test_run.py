"""`playground run` on good input: options, documents, reports, exit codes."""

import json
import os
import re
from xml.etree import ElementTree

import pytest

BOWL = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 100
expect: {x: {near: -5, within: 0.001}}
"""
NOISY = """\
task: classification
dataset: {name: moons, samples: 40, noise: 0.1}
model: {name: mlp, hidden: [4]}
loss: bce_with_logits
optimizer: adam
batch_size: 8
steps: 20
"""
SLOPE = "task: derivative\nfunction: x**2\nat: {x: [1]}\nexpect: {derivative: [2]}\n"
INVALID = "task: minimise\n"


@pytest.fixture
def folder(write):
    """Four scenarios: passed, failed, not valid, and without a descent."""
    write("all/a_passed.yaml", BOWL)
    write("all/b_failed.yaml", BOWL.replace("near: -5", "near: 5"))
    write("all/c_invalid.yaml", INVALID)
    write("all/d_slope.yaml", SLOPE)


def runs(result):
    document = json.loads(result.stdout)
    assert document["schema"] == 1
    return {run["scenario"]: run for run in document["runs"]}


def test_one_broken_scenario_never_stops_the_others(playground, folder):
    result = playground("run", "all", "--json")
    assert {name: run["verdict"] for name, run in runs(result).items()} == {
        "a_passed": "passed",
        "b_failed": "failed",
        "d_slope": "passed",
    }
    (error,) = json.loads(result.stdout)["errors"]
    assert (error["file"], error["line"], error["column"]) == ("all/c_invalid.yaml", 1, 7)
    assert result.exit_code == 2
    assert result.stderr == f"all/c_invalid.yaml:1:7: {error['message']}\n"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["a_passed", "d_slope"], 0),
        (["a_passed", "b_failed"], 1),
        (["a_passed", "c_invalid"], 2),
        (["b_failed", "c_invalid"], 2),
        (["a_passed", "gone"], 2),
    ],
)
def test_the_larger_trouble_names_the_exit_code(playground, folder, files, code):
    result = playground("run", *(f"all/{name}.yaml" for name in files))
    assert result.exit_code == code
    if files != ["a_passed", "gone"]:
        assert re.search("passed|failed", result.stdout)


def test_the_table_names_every_run_and_what_failed(playground, folder):
    result = playground("run", "all")
    for name in ("a_passed", "b_failed", "d_slope"):
        assert re.search(rf"^{name}\b", result.stdout, re.MULTILINE)
    assert "x near 5 within 0.001" in result.stdout
    assert result.stderr.startswith("all/c_invalid.yaml:1:7: unknown task 'minimise'")


@pytest.mark.slow
def test_side_by_side_gives_the_same_runs_in_the_same_order(playground, write, folder):
    write("all/e_noisy.yaml", NOISY)
    alone = json.loads(playground("run", "all", "--json").stdout)
    beside = json.loads(playground("run", "all", "--json", "-j", 2).stdout)
    for document in (alone, beside):
        for run in document["runs"]:
            del run["seconds"]
    assert alone == beside
    assert [run["scenario"] for run in alone["runs"]] == ["a_passed", "b_failed", "d_slope", "e_noisy"]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_fail_fast(playground, write, jobs):
    for index in range(2):
        write(f"all/a{index}.yaml", BOWL.replace("near: -5", "near: 5"))
    for index in range(4):
        write(f"all/b{index}.yaml", BOWL)
    found = runs(playground("run", "all", "--fail-fast", "--json", "-j", jobs))
    assert any(run["verdict"] == "failed" for run in found.values())
    assert len(found) <= jobs


def test_fail_fast_stops_at_what_is_not_valid(playground, write):
    write("all/a.yaml", INVALID)
    write("all/b.yaml", BOWL)
    assert runs(playground("run", "all", "--fail-fast", "--json")) == {}


def test_options_change_every_scenario_that_they_fit(playground, folder):
    found = runs(playground("run", "all", "--seed", 7, "--steps", 3, "--json"))
    assert {run["seed"] for run in found.values()} == {7}
    assert [found[name]["steps"] for name in ("a_passed", "b_failed", "d_slope")] == [3, 3, 0]


def test_set_changes_values_components_and_keys_that_the_file_has_not(playground, write):
    write("a.yaml", BOWL)
    result = playground(
        "run",
        "a.yaml",
        "--json",
        "--set",
        "optimizer.lr=0.2",
        "--set",
        "optimizer.momentum=0.1",
        "--set",
        "dtype=float64",
    )
    assert runs(result)["a"]["setup"]["optimizer"] == "sgd(lr=0.2, momentum=0.1)"
    result = playground(
        "run", "a.yaml", "--json", "--set", "optimizer=lion", "--set", "name=b=c", "--set", "start.x=-5"
    )
    assert runs(result)["b=c"]["setup"]["optimizer"].startswith("lion")


def test_zero_steps_are_a_forward_pass(playground, write):
    write("a.yaml", BOWL.replace("steps: 100", "steps: 0").replace("x: {near: -5, within: 0.001}", "loss: 144"))
    run = runs(playground("run", "a.yaml", "--json"))["a"]
    assert (run["steps"], run["loss"]["first"], run["loss"]["last"], run["verdict"]) == (0, 144, 144, "passed")
    assert not run["expectations"][0]["vacuous"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("expect", "code"),
    [
        ("{}", 1),
        ("{status: diverged}", 0),
        ("{status: budget}", 1),
        ("{status: diverged, loss: {above: 1000}}", 0),
        ("{status: diverged, loss: {below: 1000}}", 1),
        ("{loss: {above: 1000}}", 1),
    ],
)
def test_a_run_that_diverges(playground, write, expect, code):
    write("a.yaml", BOWL.replace("lr: 0.15", "lr: 0.3").replace("{x: {near: -5, within: 0.001}}", expect))
    result = playground("run", "a.yaml", "--json")
    run = runs(result)["a"]
    assert run["status"] == "diverged"
    assert "lr 0.3 > 2/8 = 0.25" in run["reason"]
    assert result.exit_code == code
    implied = [each["what"] for each in run["expectations"] if each["what"] == "status is not diverged"]
    assert bool(implied) is ("status" not in expect)


def test_numbers_that_are_not_finite_are_null_beside_the_status(playground, write):
    write(
        "a.yaml", BOWL.replace("lr: 0.15", "lr: 1e30").replace("{x: {near: -5, within: 0.001}}", "{status: nonfinite}")
    )
    result = playground("run", "a.yaml", "--json", "--set", "stop.divergence=.inf")
    run = runs(result)["a"]
    assert (run["status"], run["loss"]["last"], result.exit_code) == ("nonfinite", None, 0)


def test_a_vacuous_expectation_is_reported_and_does_not_fail(playground, write):
    write("a.yaml", BOWL.replace("x: {near: -5, within: 0.001}", "loss: {below: 1000}"))
    result = playground("run", "a.yaml")
    assert result.exit_code == 0
    assert "already held before the first step" in " ".join(result.stdout.split())


REPORTS = [["--junit-xml", "out/x.xml"], ["--report", "junit=out/x.xml"]]


@pytest.mark.parametrize("option", REPORTS)
def test_a_report_is_written_whole(playground, folder, tmp_path, option):
    result = playground("run", "all", *option)
    assert result.exit_code == 2
    suite = ElementTree.parse(tmp_path / "out" / "x.xml").getroot().find("testsuite")
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
    }
    assert os.listdir(tmp_path / "out") == ["x.xml"]


def test_reports_of_a_plugin(playground, write, tmp_path):
    write(
        "mine.py",
        """
        from playground import hookimpl

        def names(results, path):
            path.write_text(" ".join(run.scenario for run in results.runs))

        def breaks(results, path):
            path.write_text("half of")
            raise ValueError("no ink")

        @hookimpl
        def playground_reporters():
            return {"names": names, "breaks": breaks}
        """,
    )
    write("a.yaml", BOWL)
    write("b.txt", "what was here")
    result = playground(
        "-p",
        "mine.py",
        "run",
        "a.yaml",
        "--report",
        "breaks=b.txt",
        "--report",
        "names=c.txt",
        "--report",
        "names=mine.py/d",
    )
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "b.txt: not written: ValueError: no ink"
    assert re.fullmatch("mine.py/d: cannot be written: .*", result.stderr.splitlines()[1])
    assert (tmp_path / "b.txt").read_text() == "what was here"
    assert (tmp_path / "c.txt").read_text() == "a"
    assert not list(tmp_path.glob(".*.part"))
    assert "passed" in result.stdout


@pytest.mark.parametrize("target", ["a.yaml/x.xml", "folder", "a.yaml/deep/x.xml"])
def test_a_report_that_cannot_be_written(playground, write, tmp_path, target):
    write("a.yaml", BOWL)
    (tmp_path / "folder").mkdir()
    result = playground("run", "a.yaml", "--junit-xml", target)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(rf"{target}: cannot be written: .+", line)
    assert sorted(os.listdir(tmp_path)) == ["a.yaml", "folder"]


def test_annotations_on_github(playground, folder, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = playground("run", "all", "--json")
    json.loads(result.stdout)
    commands = [line for line in result.stderr.splitlines() if line.startswith("::")]
    assert any(
        re.match("::error file=all/c_invalid.yaml,line=1,col=7::unknown task 'minimise'", line) for line in commands
    )
    assert any(line.startswith("::error file=all/b_failed.yaml,line=6::") for line in commands)
    assert len(commands) == 2


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("expect:\n  x: {near: 5, within: 0.1}\n", 7),
        ("expect:\n  x:\n    below: 9\n    above: 8\n", 9),
        ("expect:\n  x:\n    5\n", 8),
        ("expect: {x: {rounded: -5}}\n", 0),
    ],
)
def test_an_expectation_knows_its_line(playground, write, text, line):
    write("a.yaml", BOWL.replace("expect: {x: {near: -5, within: 0.001}}\n", text))
    changes = [] if line else ["--set", "expect.x.rounded=7"]
    (*_, last) = runs(playground("run", "a.yaml", "--json", *changes))["a"]["expectations"]
    assert (last["passed"], last["line"]) == (False, line if line else 6)


def test_version_and_help(playground):
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", playground("--version").stdout)
    for command in ("run", "check", "list", "show", "plugins", "schema"):
        result = playground(command, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith("Usage: ")


@pytest.mark.slow
def test_list_and_show(playground):
    listed = playground("list").stdout
    assert {"task", "optimizer", "adam", "torch.LBFGS", "torch.ASGD,", "and_gate", "derivative"} <= set(listed.split())
    first, *lines = playground("list", "task").stdout.splitlines()
    assert first == "task"
    assert [line.split(maxsplit=1) for line in lines][2] == ["minimize", "Minimize a function from a starting point."]
    assert [line.split()[0] for line in lines] == ["classification", "derivative", "minimize", "regression"]
    shown = playground("show", "optimizer", "adam").stdout
    assert all(word in shown for word in ("lr", "beta1", "builtin"))


def test_check_says_what_is_valid(playground, folder):
    result = playground("check", "all")
    assert result.stdout.splitlines() == [f"all/{name}.yaml: valid" for name in ("a_passed", "b_failed", "d_slope")]
    assert result.exit_code == 2
    assert playground("check", "all/a_passed.yaml", "all/d_slope.yaml").exit_code == 0
