"""What commands tell GitHub: each command alike, each cause once, at its place in the repository."""

import re

import pytest

BAD = "name: a\ntask: minimize\nfunction: x**2\nstart: {x: 1}\noptimizer: sgdd\nsteps: 3\n"
DIVERGES = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 5}
steps: 300
expect: {loss: {below: 0.1}, x: {equals: -5}, status: budget}
"""


@pytest.fixture(autouse=True)
def _job(playground, monkeypatch, tmp_path):  # the fixture `playground` unsets what this sets
    (tmp_path / "sub").mkdir()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.chdir(tmp_path / "sub")


def annotations(result):
    return [line for line in result.stderr.splitlines() if line.startswith("::")]


@pytest.mark.parametrize("command", ["check", "run", "sweep", "explain", "eject"])
def test_every_command_annotates_a_fault(playground, tmp_path, command):
    (tmp_path / "sub" / "a.yaml").write_text(BAD)
    more = ["--seeds", "2"] if command == "sweep" else []
    (line,) = annotations(playground(command, "a.yaml", *more))
    assert line.startswith("::error file=sub/a.yaml,line=5,col=12::unknown optimizer 'sgdd'")


def test_a_fault_of_the_command_line_has_no_file(playground, tmp_path):
    (tmp_path / "sub" / "a.yaml").write_text(DIVERGES)
    (line,) = annotations(playground("eject", "a.yaml", "--set", "steps=x"))
    assert line == "::error::--set steps=x: expected a whole number, got 'x'"


def test_a_divergence_is_one_annotation_and_files_tell_equal_names_apart(playground, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "sub" / f"{name}.yaml").write_text(f"name: bowl\n{DIVERGES}")
    result = playground("run", ".")
    assert [line.partition("::bowl: ")[0] for line in annotations(result)] == [
        f"::error file=sub/{name}.yaml,line=7" for name in ("a", "b")
    ]
    table = result.stdout.splitlines()[2:4]
    assert [row.split()[0] for row in table] == ["a.yaml", "b.yaml"]
    assert "failed   a.yaml: loss below 0.1" in result.stdout
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert re.search(r"^\| bowl \(sub/a\.yaml\) \| ✘ failed \| diverged after \d+ steps? \|", summary, re.MULTILINE)
    playground("run", "a.yaml")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith(summary)


SHADY = """\
name: "::error::all is well"
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.1}
steps: 3
"""
PRINTS = """\
from playground import hookimpl

def shady(x):
    "::warning::a summary ##[error]of a function"
    return (x**2).sum()

@hookimpl
def playground_functions():
    return {"shady": shady}
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "command",
    [
        ("run", "a.yaml"),
        ("run", "a.yaml", "b.yaml"),
        ("sweep", "a.yaml", "--seeds", "2"),
        ("explain", "a.yaml"),
        ("check", "a.yaml", "--set", "optimizer=::error::x ##[error]y"),
        ("check", "::error::c.yaml"),
        ("list", "function"),
    ],
)
def test_no_line_of_text_is_a_command(playground, tmp_path, monkeypatch, command):
    for name in ("a", "b"):
        (tmp_path / "sub" / f"{name}.yaml").write_text(SHADY.replace("all is", f"{name} is"))
    (tmp_path / "sub" / "p.py").write_text(PRINTS)
    result = playground("-p", "p.py", *command)
    lines = [line.strip() for line in result.output.splitlines()]
    commands = [line for line in lines if line.startswith("::") or ("##[" in line and not line.startswith("::"))]
    assert set(commands) <= set(annotations(result))
    assert all(line.startswith(("::error file=", "::error::")) for line in commands)
    assert not {"::error::a is well", "::error::b is well"} & set(commands)
    if command[0] in ("run", "sweep", "list"):
        assert r"\x3a:" in result.stdout or r"#\x23[" in result.stdout  # elsewhere than at its beginning, `::` is text
        monkeypatch.delenv("GITHUB_ACTIONS")
        plain = playground("-p", "p.py", *command).output
        assert r"\x3a" not in plain
        assert r"\x23" not in plain
