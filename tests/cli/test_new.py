"""What `playground new` writes works as it is written, and nothing is overwritten."""

import re
import subprocess
import sys

import pytest

from playground.scaffold.plugin import ATTRIBUTE_NAMES, distribution_files


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", ATTRIBUTE_NAMES)
def test_a_single_file_runs(playground, kind):
    made = playground("new", "plugin", "own-thing", "--kind", kind, "--single-file")
    assert made.exit_code == 0, made.stderr
    result = playground("-p", "own_thing.py", "run", "own_thing.yaml")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "passed" in result.stdout


@pytest.mark.slow
def test_the_tests_of_a_single_file_pass(playground, tmp_path):
    """One process runs the tests of all kinds, because starting one takes longer than a kind's tests."""
    for kind in ATTRIBUTE_NAMES:
        made = playground("new", "plugin", "lambda", "--kind", kind, "--single-file", "--out", tmp_path / kind)
        assert made.exit_code == 0, made.stderr
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    words += [*(f"{kind}/test_lambda.py" for kind in ATTRIBUTE_NAMES), "-k", "not TestExecutor or test_results"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 5 * len(ATTRIBUTE_NAMES)


@pytest.mark.parametrize("kind", ATTRIBUTE_NAMES)
def test_the_files_of_a_distribution_compile(kind):
    files = distribution_files("own", kind, "0.1.0")
    for path, text in files.items():
        if path.endswith(".py"):
            compile(text, path, "exec")
    assert '"gradient-playground>=0.1,<0.2"' in files["pyproject.toml"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("task", ["minimize", "classification", "regression", "derivative"])
def test_a_scenario_passes(playground, task):
    assert playground("new", "scenario", "own", "--task", task).exit_code == 0
    result = playground("run", "own.yaml")
    assert result.exit_code == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["Own", "9th", "a b", "../up", "a" * 25, "a__b", "ü"])
def test_a_bad_name_is_one_line(playground, name):
    result = playground("new", "plugin", name)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "expected a lower-case letter" in result.stderr


def test_nothing_is_overwritten(playground, write):
    mine = write("own.yaml", "mine\n")
    result = playground("new", "plugin", "own", "--single-file")
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert mine.read_text() == "mine\n"
    assert not mine.with_name("own.py").exists()


def test_a_taken_name_is_told(playground):
    assert "already taken by plugin builtin" in playground("new", "plugin", "adam", "--single-file").stderr
