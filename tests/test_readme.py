"""What the README says is so: its scenario, its plugin, and every command."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from playground.cli import run as run_module
from playground.errors import ExitCode


@pytest.fixture
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


def block(readme, language, after):
    """The first fenced block of a language after a phrase."""
    return re.search(rf"```{language}\n(.*?)```", readme[readme.index(after) :], re.DOTALL)[1]


@pytest.fixture
def checkout(playground, readme, root, tmp_path):
    """The test's folder with what the README assumes: the scenarios and their plugin, and the one saved as it says."""
    shutil.copytree(root / "scenarios", tmp_path / "scenarios")
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / "bold.py").write_text(block(readme, "python", "Save it as `bold.py`"), encoding="utf-8")
    return playground


def commands(readme):
    """Every console line with a command, and the lines shown below it."""
    for console in re.findall(r"```console\n(.*?)```", readme, re.DOTALL):
        for line, shown in re.findall(r"^\$ (playground .*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE):
            yield line, shown.splitlines()


def test_the_first_scenario(playground, readme, write):
    write("bowl.yaml", block(readme, "yaml", "## A scenario"))
    result = playground("run", "bowl.yaml")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "passed" in result.stdout


def test_the_plugin(checkout):
    result = checkout("-p", "bold.py", "run", "scenarios/and_gate.yaml", "--set", "optimizer=sign", "--json")
    assert result.exit_code == 0, result.stdout
    assert '"optimizer": "sign(lr=0.01)"' in result.stdout
    shown = checkout("-p", "bold.py", "show", "optimizer", "sign").stdout
    assert "Step by the same length against every gradient's sign" in shown
    assert re.search(r"lr\b.*0\.01", shown)


def test_the_contract(checkout, readme, tmp_path):
    test = block(readme, "python", "Test it against the contract")
    (tmp_path / "test_bold.py").write_text(test, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_bold.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_plugin_of_a_project(checkout, readme, write):
    write("pyproject.toml", block(readme, "toml", "load a file always"))
    assert "sign" in checkout("list", "optimizer").stdout


EXIT_CODES = {
    "playground explain scenarios/forward_pass.yaml --sample 1": 0,
    "playground run scenarios/and_gate.yaml --set optimizer.lr=0.1 --seed 7": 0,
    "playground run scenarios/and_gate.yaml --set 'optimizer={name: lion, lr: 0.01}'": 0,
    "playground run scenarios/bowl.yaml --set optimizer.lr=0.3": 1,
    "playground run scenarios/and_gate.yaml --set optimizer.lrr=0.1": 2,
    "playground -p bold.py run scenarios/and_gate.yaml --set optimizer=sign": 0,
    "playground -p bold.py show optimizer sign": 0,
    "playground --strict-plugins run scenarios/ -j 2 --junit-xml results.xml": 0,
}


def test_every_command_runs_as_described(checkout, readme):
    told = dict(commands(readme))
    assert set(EXIT_CODES) <= set(told), "a command has changed: change it here too"
    for line, code in EXIT_CODES.items():
        result = checkout(*shlex.split(line)[1:])
        assert result.exit_code == code, (line, result.stdout, result.stderr)
        printed = " ".join((result.stdout + result.stderr).split())
        for shown in told[line]:
            for part in shown.split("…"):
                assert " ".join(part.split()) in printed, (line, part)


def test_the_table_of_keys_is_complete(playground, readme):
    table = readme[readme.index("| key | what it says |") : readme.index("A component in the place of another")]
    told = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    schema = json.loads(playground("schema").stdout)
    assert told - {"key"} == set(schema["properties"])


def test_the_table_of_exit_codes(readme):
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", readme, re.MULTILINE)]
    assert codes == [code.value for code in ExitCode]


def test_the_table_of_commands_and_options(playground, readme):
    for command in re.findall(r"^\| `playground (\w+)", readme, re.MULTILINE):
        assert playground(command, "--help").exit_code == 0
    options = set(re.findall(r"`(-[-\w]+)", readme[readme.index("`run` takes") : readme.index("Every command takes")]))
    assert len(options) >= 7
    assert options <= set(re.findall(r"(?<![\w-])(-[-\w]+)", playground("run", "--help").stdout))
    assert run_module.__doc__


def test_in_python(checkout, readme):
    names = {}
    exec(compile(block(readme, "python", "## In Python"), "README.md", "exec"), names)
    assert names["result"].parameters["x"] == pytest.approx(-5)
    assert names["result"].verdict == "passed"
