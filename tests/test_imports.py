"""What does not compute imports nothing heavy: `--help`, `list`, `check` of a file broken in syntax or structure."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "numpy",
    "sympy",
    "mpmath",
    "scipy",
    "pandas",
    "plotly",
    "matplotlib",
    "jinja2",
    "jax",
    "rich.progress",
)

PROBE = """
import json, sys
sys.argv = ["playground", *json.loads(sys.argv[1])]
from playground.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
print(json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""

CASES = {
    "--help": (["--help"], 0),
    "run --help": (["run", "--help"], 0),
    "--version": (["--version"], 0),
    "list": (["list"], 0),
    "list optimizer": (["list", "optimizer"], 0),
    "plugins": (["plugins"], 0),
    "syntax": (["check", "syntax.yaml"], 2),
    "unknown key": (["check", "key.yaml"], 2),
    "unknown optimizer": (["check", "optimizer.yaml"], 2),
    "wrong type": (["check", "type.yaml"], 2),
    "missing file": (["check", "missing.yaml"], 2),
}

BOWL = "task: minimize\nfunction: x**2\nstart: {x: 1}\noptimizer: sgd\n"


def imported(folder, arguments):
    """Run the command in a new process and return its exit code and what it had imported in the end."""
    environment = {**os.environ, "PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD": "1"}
    probe = [sys.executable, "-c", PROBE, json.dumps(arguments)]
    done = subprocess.run(probe, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    told = json.loads(done.stderr.splitlines()[-1])
    return told["code"], told["modules"]


def heavy(modules):
    return [module for module in modules if any(module == name or module.startswith(f"{name}.") for name in HEAVY)]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("arguments", "code"), CASES.values(), ids=CASES)
def test_nothing_heavy(write, tmp_path, arguments, code):
    write("syntax.yaml", "task: [minimize\n")
    write("key.yaml", BOWL + "stepz: 1\n")
    write("optimizer.yaml", BOWL.replace("sgd", "sdg"))
    write("type.yaml", BOWL + "steps: true\n")
    ended, modules = imported(tmp_path, arguments)
    assert ended == code
    assert heavy(modules) == []


@pytest.mark.slow
def test_a_sweep_asked_again_and_the_commands_that_read_the_store_import_no_torch(write, tmp_path):
    write("bowl.yaml", BOWL)
    command = ["sweep", "bowl.yaml", "--seeds", "3"]
    assert "torch" in imported(tmp_path, command)[1]
    for arguments in (command, ["results"], ["export"], ["report", "--report", "json=report.json"]):
        code, modules = imported(tmp_path, arguments)
        assert (code, "torch" in modules) == (0, False), arguments


@pytest.mark.sampled(1)
@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["results", "show", "--help"]])
def test_help_does_not_wait_for_pydantic(tmp_path, arguments):
    ended, modules = imported(tmp_path, arguments)
    assert ended == 0
    assert "pydantic" not in modules


@pytest.mark.slow
def test_the_probe_sees_what_is_imported(write, tmp_path):
    write("valid.yaml", BOWL)
    ended, modules = imported(tmp_path, ["check", "valid.yaml"])
    assert ended == 0
    assert "torch" in heavy(modules)
    assert "torch._dynamo" not in modules  # importing it takes as long as all the rest


@pytest.mark.slow
def test_training_does_not_wait_for_sympy(write, tmp_path):
    write("or.yaml", "task: classification\ndataset: or_gate\nmodel: linear\nloss: mse\nsteps: 9\noptimizer: adam\n")
    ended, modules = imported(tmp_path, ["run", "or.yaml"])
    assert ended == 0
    assert "sympy" not in modules


@pytest.mark.slow
def test_a_diagnosis_imports_no_compiler(write, tmp_path):
    write(
        "xor.yaml",
        "task: classification\ndataset: xor_gate\nmodel: linear\nloss: mse\nsteps: 60\n"
        "optimizer: {name: sgd, lr: 0.5}\nexpect: {diagnosis: cannot_represent}\n",
    )
    ended, modules = imported(tmp_path, ["run", "xor.yaml"])
    assert ended == 0
    assert "torch._dynamo" not in modules  # importing it takes longer than all that a diagnosis computes


def test_the_package_itself_waits_to_be_asked(tmp_path):
    code = "import json, sys, playground; playground.hookimpl; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout)
    assert heavy(modules) == []
    assert "pydantic" not in modules
