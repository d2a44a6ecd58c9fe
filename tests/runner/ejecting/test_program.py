"""The program of a scenario gives the losses of its run, bit for bit, where playground cannot be imported."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from playground.errors import PlaygroundError
from playground.plugins.manager import load_plugins
from playground.plugins.parameters import scenario_parameters
from playground.runner.ejecting.program import eject
from playground.runner.ejecting.rendering import render_script
from playground.runner.loading.overrides import Changes, load_with_changes
from playground.runner.single.running import run_one

FOLDER = Path(__file__).parents[3] / "scenarios"
SCENARIOS = sorted(FOLDER.rglob("*.yaml"))
SWEEPS = ("and_gate_sweep",)

RUN_ALL = """
import contextlib, io, json, sys
sys.modules["playground"] = None  # whoever imports it raises
printed = {}
for name, text in json.load(sys.stdin).items():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, name, "exec"), {"__name__": "__main__"})
    printed[name] = out.getvalue()
print(json.dumps(printed))
"""


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(autoload=False)


def scenario(file, plugins, **changes):
    return load_with_changes(FOLDER / f"{file}.yaml", Changes(tuple(changes.items())), plugins)


def run_elsewhere(programs, folder):
    """Run programs in one process of its own, without playground; return what each prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN_ALL],
        input=json.dumps(programs), capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def numbers(printed):
    """Return the losses, or the values and derivatives, that a program prints."""
    if found := re.findall(r"^(?:first|last) loss +(\S+)$", printed, re.MULTILINE):
        return list(map(float, found))
    values = [float(each) for each in re.findall(r"^ *value +(\S+)$", printed, re.MULTILINE)]
    derivatives = [json.loads(each) for each in re.findall(r"derivative +(\[.*\])$", printed, re.MULTILINE)]
    return values, [entry for derivative in derivatives for entry in derivative]


def expected(run):
    """Return the same of a run."""
    if run.loss is not None:
        return [run.loss.first, run.loss.last]
    flat = [e for each in run.metrics["derivative"] for e in (each if isinstance(each, list) else [each])]
    return run.metrics["value"], flat


def loaded_without_sweep(file, plugins):
    changes = {"sweep": "null"} if file.stem in SWEEPS else {}
    return scenario(file.relative_to(FOLDER).with_suffix(""), plugins, **changes)


def compare(files, plugins, folder):
    programs = {file.stem: render_script(eject(loaded_without_sweep(file, plugins), plugins)) for file in files}
    printed = run_elsewhere(programs, folder)
    for file in files:
        assert repr(numbers(printed[file.stem])) == repr(
            expected(run_one(loaded_without_sweep(file, plugins), plugins))
        )


@pytest.mark.product(1)
@pytest.mark.slow
@pytest.mark.parametrize("part", range(3))
def test_every_bundled_scenario_gives_the_losses_of_its_run(part, plugins, tmp_path):
    compare(SCENARIOS[part::3], plugins, tmp_path)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["f", "loss", "step", "torch", "SGD", "print", "constant", "alpha"])
def test_a_variable_may_be_called_as_anything_in_the_program(plugins, tmp_path, name):
    path = tmp_path / "named.yaml"
    path.write_text(
        f"task: minimize\nfunction: ({name} - 1)**2 + x**2\nstart: {{{name}: 3, x: 1}}\n"
        "optimizer: {name: sgd, lr: 0.1}\nschedule: constant\nsteps: 5\n"
    )
    loaded = load_with_changes(path, Changes(), plugins)
    agrees(loaded, plugins)
    assert f'print(f"{name} = ' in render_script(eject(loaded, plugins))


CAPTURING = """
from dataclasses import dataclass

from playground import hookimpl
from playground.core.update import UpdateRule


def eager(lr: float = 0.01):
    factor = 2.0

    @dataclass(frozen=True)
    class Eager(UpdateRule):
        lr: float

        def update(self, parameter, gradient, state, step, lr):
            return parameter - factor * lr * gradient, state

    return Eager(lr)


@hookimpl
def playground_optimizers():
    return {"eager": eager}
"""


def test_a_rule_without_a_source_of_its_own_is_told_where_it_is_named(tmp_path):
    (tmp_path / "capturing.py").write_text(CAPTURING)
    mine = load_plugins(specs=[str(tmp_path / "capturing.py")], autoload=False)
    (tmp_path / "x.yaml").write_text("task: minimize\nfunction: x**2\nstart: {x: 1}\noptimizer: eager\n")
    loaded = load_with_changes(tmp_path / "x.yaml", Changes(), mine)
    with pytest.raises(PlaygroundError, match=r"Eager\.update uses 'factor' of the function around it") as caught:
        eject(loaded, mine)
    (fault,) = caught.value.faults
    assert fault.place.line == 4


@pytest.mark.sampled(2)
@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_it_is_laid_out_and_clean_by_ruffs_rules(file, plugins):
    ruff = pytest.importorskip("ruff").find_ruff_bin()
    text = render_script(eject(loaded_without_sweep(file, plugins), plugins))
    assert "playground" not in re.sub(r'^""".*?"""', "", text, count=1, flags=re.DOTALL)
    for command in (["format", "--check", "--line-length=120"], ["check", "--line-length=120"]):
        done = subprocess.run(
            [ruff, *command, "--isolated", "-"], input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def agrees(loaded, plugins):
    """Run the program here, and compare every loss with the run's."""
    names = {"__name__": "__main__"}
    threads = torch.get_num_threads()
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(render_script(eject(loaded, plugins)), "program", "exec"), names)
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)
    run = run_one(loaded, plugins)
    assert repr(names["losses"]) == repr(list(run.trace.loss))
    assert repr(numbers(out.getvalue())) == repr([run.loss.first, run.loss.last])


SECOND = {
    "two variables": {"function": "x**2*y + x*sin(y)", "at": "{x: [1, 2], y: [2, 3]}", "derivative": "{x: 2*y}"},
    "a vector": {"function": "rosenbrock", "at": "{x: [[-1.2, 1]]}"},
    "a line": {"function": "3*x - 1", "at": "{x: [2]}"},
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("changes", SECOND.values(), ids=SECOND)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_second_derivatives_are_those_of_the_run(changes, dtype, plugins):
    rest = {"order": "2", "same_as": "null", "expect": "{}", "dtype": dtype}
    loaded = scenario("square_derivative", plugins, **{"derivative": "null", **rest, **changes})
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(render_script(eject(loaded, plugins)), "program", "exec"), {"__name__": "__main__"})
    run = run_one(loaded, plugins)
    assert repr(numbers(out.getvalue())) == repr(expected(run))
    differences = re.findall(r"central differences (\[.*\])$", out.getvalue(), re.MULTILINE)
    for printed, derivative in zip(differences, run.metrics["derivative"], strict=True):
        assert json.loads(printed) == pytest.approx(
            derivative if isinstance(derivative, list) else [derivative], 1e-5, 1e-6
        )


def test_second_derivatives_of_a_model_are_refused_where_they_are_asked_for(plugins):
    with pytest.raises(PlaygroundError, match="eject does not support second derivatives by a model's parameters"):
        eject(scenario("backward_check", plugins, order="2"), plugins)


def names_of(kind, but=()):
    return [name for name in load_plugins(specs=("no:mistakes",), autoload=False).names(kind) if name not in but]


RULES = [
    *(name for name in names_of("optimizer", ("torch.Muon", "torch.SparseAdam"))),
    "{name: sgd, lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.01}",
    "{name: sgd, lr: 0.1, momentum: 0.9, dampening: 0.5}",
    "{name: adam, amsgrad: true, weight_decay: 0.01}",
    "{name: rmsprop, momentum: 0.9, centered: true, weight_decay: 0.1}",
    "{name: lion, weight_decay: 0.1}",
    "{name: nadam, weight_decay: 0.1}",
]
SCHEDULES = [
    "constant",
    "{name: cosine, warmup: 5}",
    "{name: exponential, gamma: 0.9}",
    "{name: linear_warmup, warmup: 5}",
    "one_cycle",
    "polynomial",
    "{name: step, every: 5}",
]
STOPS = ["{loss: 0.3}", "{gradient: 0.05}", "{patience: {steps: 3, improvement: 0.1}}", "{divergence: 1.001}"]


@pytest.mark.product(7)
@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_every_optimizer(rule, plugins):
    agrees(scenario("xor_gate", plugins, optimizer=rule, steps="20"), plugins)


@pytest.mark.product(5)
@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "torch.SGD"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule(schedule, optimizer, plugins):
    agrees(scenario("xor_gate", plugins, schedule=schedule, optimizer=optimizer, steps="20"), plugins)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "torch.Adam"])
@pytest.mark.parametrize("clip", ["{value: 0.01}", "{norm: 0.01}", "{value: 0.1, norm: 0.05}"])
def test_every_clipping(clip, optimizer, plugins):
    agrees(scenario("xor_gate", plugins, clip=clip, optimizer=optimizer, steps="20"), plugins)


@pytest.mark.slow
@pytest.mark.parametrize("stop", STOPS)
def test_every_stop_rule(stop, plugins):
    agrees(scenario("xor_gate", plugins, stop=stop, optimizer="{name: sgd, lr: 2}"), plugins)


@pytest.mark.product(6)
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", names_of("loss"))
def test_every_loss(loss, dtype, plugins):
    agrees(scenario("xor_gate", plugins, loss=loss, dtype=dtype, steps="20"), plugins)


@pytest.mark.product(4)
@pytest.mark.slow
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "gelu", "sin"])
@pytest.mark.parametrize("model", ["mlp", "perceptron", "handwritten"])
def test_every_model_with_activations(model, activation, plugins):
    changed = f"{{name: {model}, activation: {activation}}}"
    agrees(scenario("xor_gate", plugins, model=changed, loss="mse", steps="20"), plugins)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["linear", "{name: linear, bias: false}", "{name: polynomial, degree: 3}"])
def test_every_other_model(model, plugins):
    agrees(scenario("xor_gate", plugins, model=model, loss="mse", steps="20"), plugins)


NOISE = ("normal_noise", "student_noise", "factor_noise", "masks", "drift", "sign_flips", "rare_push")
OF_OTHER_TASKS = (*NOISE, "linear_response", "echo", "reversal")
"""Datasets without classes."""


@pytest.mark.product(6)
@pytest.mark.slow
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("dataset", names_of("dataset", ("csv", "inline", "line", *OF_OTHER_TASKS)))
def test_every_dataset(dataset, loss, plugins):
    known = {each.name for each in scenario_parameters(plugins.registry.get("dataset", dataset))}
    chosen = f"{{name: {dataset}, samples: 40}}" if "samples" in known else dataset
    agrees(scenario("two_moons", plugins, dataset=chosen, loss=loss, batch_size="3", steps="20"), plugins)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", names_of("function", ("expression",)))
def test_every_function(function, dtype, plugins):
    changes = {"function": function, "dtype": dtype, "optimizer.lr": "1e-4", "steps": "20"}
    agrees(scenario("himmelblau", plugins, **changes), plugins)


PLUGIN = """
import math
from dataclasses import dataclass
import torch
from torch import nn
from playground import hookimpl
from playground.core.update import UpdateRule

TURNS = 2  # how often it swings

def swung(x):
    return torch.sin(TURNS * x)

class Swing(nn.Module):
    def __init__(self, inputs: int, outputs: int, width: int = 3):
        super().__init__()
        self.idle = nn.Parameter(torch.ones(1))
        self.first, self.second = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.norm, self.drop = nn.BatchNorm1d(width), nn.Dropout(0.3)

    def forward(self, x):
        # up and down
        return self.second(self.drop(self.norm(swung(self.first(x)))))

class loss(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).abs().pow(math.e).mean()

@dataclass(frozen=True)
class Push(UpdateRule):
    lr: float = 0.1
    kind: str = "plain"

    def update(self, parameter, gradient, state, step, lr):
        if self.kind == "plain":
            return parameter - lr * gradient, state
        return parameter - lr * gradient.sign(), state

@dataclass(frozen=True)
class Root(UpdateRule):
    lr: float = 0.1
    power: float = 0.5

    @staticmethod
    def sign(x):
        return x.sign()

    @classmethod
    def size(cls, x, power):
        return x.abs() ** power

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * self.sign(gradient) * self.size(gradient, self.power), state

@hookimpl
def playground_models():
    return {"swing": Swing}

@hookimpl
def playground_losses():
    return {"bent": loss}

@hookimpl
def playground_optimizers():
    return {"push": Push, "root": Root}
"""


@pytest.fixture
def with_plugin(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    return load_plugins(autoload=False, specs=["mine.py"], folder=tmp_path)


@pytest.mark.slow
def test_a_plugin_with_readable_source_is_written_out(with_plugin):
    changes = {"model": "swing", "loss": "bent", "optimizer": "{name: push, lr: 0.2}", "steps": "30"}
    loaded = scenario("xor_gate", with_plugin, **changes)
    agrees(loaded, with_plugin)
    text = render_script(eject(loaded, with_plugin))
    assert "TURNS = 2" in text
    assert "# up and down" in text
    assert "sign()" not in text, "what can never happen does not stand in the program"


@pytest.mark.slow
def test_a_rule_with_static_and_class_methods_is_written_out(with_plugin):
    loaded = scenario("xor_gate", with_plugin, optimizer="root", steps="30")
    agrees(loaded, with_plugin)
    assert "The update rule Root." in render_script(eject(loaded, with_plugin)), (
        "not the docstring that `dataclass` made up"
    )


@pytest.mark.sampled(1)
@pytest.mark.parametrize("optimizer", ["{name: adamw, weight_decay: 0.5}", "{name: torch.AdamW, weight_decay: 0.5}"])
def test_buffers_draws_and_parameters_that_nothing_depends_on_are_as_in_the_run(optimizer, with_plugin):
    changes = {"model": "swing", "loss": "mse", "optimizer": optimizer, "steps": "30", "clip": "{norm: 0.1}"}
    agrees(scenario("xor_gate", with_plugin, **changes), with_plugin)
