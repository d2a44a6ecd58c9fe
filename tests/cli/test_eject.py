"""The command `eject`: a script, a notebook, a file, and what is wrong in one line."""

import ast
import json
import re
import shutil

import pytest

PLUGIN = """
from dataclasses import dataclass, field
import torch
from torch import nn
import playground.core.gradients as clipping
from playground import hookimpl
from playground.core.problem import Problem
from playground.core.task import DescentTask
from playground.core.update import UpdateRule

class Bare(DescentTask):
    def problem(self, setting):
        return Problem(nn.Linear(1, 1), lambda forward, batch: forward(torch.ones(1, 1)).sum())

def inner(factor):
    class Closed(nn.Linear):
        def __init__(self, inputs: int, outputs: int):
            super().__init__(inputs, outputs)
            self.factor = factor
    return Closed

def model(x):
    return x

class Clashing(nn.Linear):
    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs)

    def forward(self, x):
        return model(super().forward(x))

class Whole(nn.Linear):
    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs)
        self.norm = clipping.norm

@dataclass(frozen=True)
class Push(UpdateRule):
    lr: float = 0.1

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, super().init(parameter)

@dataclass(frozen=True)
class Odd(UpdateRule):
    lr: float = 0.1
    table: object = field(default_factory=object, init=False)

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, self.table and state

scope = {}
exec('def unseen(prediction, target): return (prediction - target).abs().mean()', scope)

@hookimpl
def playground_tasks():
    return {"bare": Bare}

@hookimpl
def playground_models():
    return {"closed": inner(2), "clashing": Clashing, "whole": Whole}

@hookimpl
def playground_losses():
    return {"unseen": scope["unseen"]}

@hookimpl
def playground_optimizers():
    return {"push": Push, "odd": Odd}
"""


@pytest.fixture
def eject(playground, root, tmp_path):
    shutil.copytree(root / "scenarios", tmp_path / "scenarios")
    (tmp_path / "mine.py").write_text(PLUGIN)

    def eject(name, *options):
        return playground("-p", "mine.py", "eject", f"scenarios/{name}.yaml", *options)

    return eject


def test_a_script(eject):
    result = eject("and_gate")
    assert result.exit_code == 0, result.stderr
    assert ast.get_docstring(ast.parse(result.stdout)).startswith("and_gate: One linear neuron")
    headings = re.findall("^# %% (.+)$", result.stdout, re.MULTILINE)
    assert headings[1:4] == ["The data", "The model", "The loss"]


@pytest.mark.slow
def test_set_changes_the_scenario(eject):
    assert "for step in range(7):" in eject("and_gate", "--set", "steps=7").stdout


@pytest.mark.slow
def test_to_a_file(eject, tmp_path):
    printed = eject("bowl").stdout
    assert eject("bowl", "--out", "out/bowl.py").stdout == ""
    assert (tmp_path / "out" / "bowl.py").read_text() == printed
    again = eject("bowl", "--out", "out/bowl.py", "--set", "steps=7")
    assert again.exit_code == 2
    assert again.stderr == (
        "out/bowl.py: exists already and is not overwritten; choose another file, or overwrite it with --force\n"
    )
    assert (tmp_path / "out" / "bowl.py").read_text() == printed
    assert eject("bowl", "--out", "out/bowl.py", "--set", "steps=7", "--force").exit_code == 0
    assert "range(7)" in (tmp_path / "out" / "bowl.py").read_text()
    failed = eject("bowl", "--out", "scenarios")
    assert failed.exit_code == 2
    assert re.fullmatch("scenarios: cannot be written: .+\n", failed.stderr)


@pytest.mark.slow
def test_a_notebook_has_the_cells_of_the_script(eject):
    notebook = json.loads(eject("xor_gate", "--as", "notebook").stdout)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        assert all(isinstance(line, str) for line in cell["source"])
        assert ("outputs" in cell) is ("execution_count" in cell) is (cell["cell_type"] == "code")
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    script = eject("xor_gate").stdout
    assert ast.dump(ast.parse(code)) == ast.dump(ast.Module(ast.parse(script).body[1:], []))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nowhere", [], "scenarios/nowhere.yaml: "),
        (
            "bowl",
            ["--as", "noteboook"],
            "did you mean 'notebook'? (accepted: script, notebook)",
        ),
        ("bowl", ["--set", "optimizer.lrr=1"], "lrr"),
        (
            "and_gate_sweep",
            [],
            "and_gate_sweep.yaml:15:1: a sweep is many runs, and a program is one run; `--set sweep=null`",
        ),
        ("backward_check", ["--set", "order=2"], "eject does not support second derivatives by a model's parameters"),
        ("and_gate", ["--set", "model=closed"], "inner.<locals>.Closed of module"),
        ("and_gate", ["--set", "model=clashing"], "has the name of a variable of the program; rename it"),
        ("and_gate", ["--set", "model=whole"], "whole module: 'import playground.core.gradients as clipping'"),
        (
            "xor_gate",
            ["--set", "loss=unseen"],
            "cannot be written into a stand-alone program: unseen belongs to no module, so it has no source",
        ),
        ("xor_gate", ["--set", "optimizer=push"], "Push.update calls super()"),
        (
            "xor_gate",
            ["--set", "optimizer=odd"],
            "a object cannot be written out (accepted: numbers, texts, lists of them)",
        ),
    ],
)
def test_one_line_for_what_is_wrong(eject, name, options, message):
    result = eject(name, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_task_that_does_not_say_how_it_is_written(eject, write):
    write("scenarios/bare.yaml", "name: bare\ntask: bare\noptimizer: sgd\nsteps: 3\n")
    result = eject("bare")
    assert result.exit_code == 2
    assert result.stderr == "scenarios/bare.yaml:2:7: task 'bare' cannot be written as a program: it has no `listing`\n"


def test_a_table_from_a_file_is_written_into_the_program(eject, write, tmp_path):
    write("scenarios/table.csv", "a,b,t\n1.5,2,0\n0.1,1,1\n")
    result = eject("and_gate", "--set", "dataset={name: csv, file: table.csv, target: t, classes: 2}")
    assert result.exit_code == 0, result.stderr
    assert "inputs = torch.tensor([[1.5, 2.0], [0.1, 1.0]], dtype=torch.float32)" in result.stdout
