"""What `playground new plugin` writes works as written: it installs, is found, tested, linted and typed."""

import os
import re
import subprocess
import sys
import tomllib

import pytest

from playground.cli.new import Kind
from playground.plugins.hookspecs import COMPONENT_HOOKS
from playground.scaffold.names import MAX_NAME_CHARACTERS
from playground.scaffold.plugin import ATTRIBUTE_NAMES, distribution_files, single_file_plugin

KINDS = tuple(ATTRIBUTE_NAMES)
NAMES = {
    "short": "a",
    "long": "x" * MAX_NAME_CHARACTERS,
    "two words": "my-own",
    "keyword": "lambda",
    "builtin": "print",
}


def run(folder, *words, **environment):
    """Run a module of this interpreter in a folder, and return what it says; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def write(folder, files):
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a folder with a distribution of every kind, and where they are installed."""
    folder = tmp_path_factory.mktemp("plugins")
    for kind in KINDS:
        write(folder / kind, distribution_files(f"new-{kind}", kind, "0.1.0"))
    quietly = ("-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    run(folder, "pip", "install", *quietly, "--target", "site", *(f"./{kind}" for kind in KINDS))
    return folder


def test_there_is_a_template_for_every_kind_that_a_scenario_or_the_command_line_names():
    assert set(KINDS) == set(Kind)
    assert set(COMPONENT_HOOKS.values()) - set(KINDS) == {"operation", "diagnosis", "loop_diagnosis", "suite"}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_clean_by_ruffs_rules_whatever_its_name(tmp_path, kind):
    pytest.importorskip("ruff")
    for name in NAMES.values():
        write(tmp_path / name / "file", single_file_plugin(name, kind))
        write(tmp_path / name / "folder", distribution_files(name, kind, "0.1.0"))
    run(tmp_path, "ruff", "check", "--no-cache", ".")
    run(tmp_path, "ruff", "format", "--no-cache", "--check", ".")


@pytest.mark.slow
def test_installed_ones_are_found_and_pass_their_own_tests(written):
    """One process runs the tests of all kinds, because starting one takes longer than a kind's tests."""
    path = os.pathsep.join([str(written / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": path, "PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD": ""}
    listed = run(written, "playground", "list", **environment)
    assert [kind for kind in KINDS if f" new_{kind} " not in listed] == []
    words = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    said = run(written, "pytest", *words, *(f"{kind}/tests" for kind in KINDS), **environment)
    assert int(re.search(r"(\d+) passed", said)[1]) > 5 * len(KINDS)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_mypy_has_nothing_to_say(written):
    """One process checks every kind: all have the same configuration, and most of the time goes to what they import."""
    pytest.importorskip("mypy")
    configurations = [tomllib.loads((written / kind / "pyproject.toml").read_text())["tool"]["mypy"] for kind in KINDS]
    assert all(
        found == {"strict": True, "files": [f"playground_new_{kind}", "tests"]}
        for kind, found in zip(KINDS, configurations, strict=True)
    )
    paths = [f"{kind}/{path}" for kind in KINDS for path in (f"playground_new_{kind}", "tests")]
    run(written, "mypy", "--strict", "--cache-dir", "cache", *paths)
