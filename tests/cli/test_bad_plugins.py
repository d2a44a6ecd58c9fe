"""What a plugin can get wrong costs one line and never somebody else's run."""

import re

import pytest

BOWL = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
expect: {x: {near: -5, within: 0.001}}
"""
AND = """\
task: classification
dataset: and_gate
model: perceptron
loss: mse
optimizer: {name: adam, lr: 0.01}
steps: 2
"""
HEAD = "from playground import hookimpl\n"


def assert_lines(result, *messages):
    told = result.stderr.splitlines()
    assert len(told) == len(messages), told
    for line, message in zip(told, messages, strict=True):
        assert re.fullmatch(message, line), line
    assert "Traceback" not in result.stderr + result.stdout


BROKEN = {
    "raises": (
        "raise RuntimeError('too\\nsteep')",
        r"plugin odd \(.*odd\.py\): import: RuntimeError: too steep \(odd\.py, line 1\)",
    ),
    "exits": ("raise SystemExit(7)", r"plugin odd \(.*odd\.py\): import: SystemExit: 7 \(odd\.py, line 1\)"),
    "syntax": ("def (", r"plugin odd \(.*odd\.py\): import: SyntaxError: .*"),
    "misspelt hook": (
        f"{HEAD}@hookimpl\ndef playground_optimisers(): return {{}}",
        r"plugin odd \(.*odd\.py\): playground_optimisers: unknown hook; did you mean 'playground_optimizers'\?",
    ),
    "taken name": (
        f"{HEAD}@hookimpl\ndef playground_optimizers(): return {{'adam': dict}}",
        r"plugin odd \(.*odd\.py\): registration: optimizer 'adam' of plugin odd .* already taken by plugin builtin.*",
    ),
    "hook raises": (
        f"{HEAD}@hookimpl\ndef playground_losses(): return 1 / 0",
        r"plugin odd \(.*odd\.py\): playground_losses: ZeroDivisionError: division by zero \(odd\.py, line 3\)",
    ),
    "no mapping": (
        f"{HEAD}@hookimpl\ndef playground_losses(): return [abs]",
        r"plugin odd \(.*odd\.py\): playground_losses: returned a list; .*",
    ),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("source", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin(playground, write, source, message):
    write("odd.py", source)
    write("bowl.yaml", BOWL)
    asked = playground("-p", "odd.py", "run", "bowl.yaml")
    assert_lines(asked, message)
    assert asked.exit_code == 2  # what was asked for by name must be there
    write("pyproject.toml", '[tool.playground]\nplugins = ["odd.py"]\n')
    lived_with = playground("run", "bowl.yaml")
    assert_lines(lived_with, message)
    assert lived_with.exit_code == 0
    strict = playground("--strict-plugins", "run", "bowl.yaml")
    assert_lines(strict, message)
    assert strict.exit_code == 3
    assert strict.stdout == ""


def test_the_plugins_command_lists_what_failed(playground, write):
    write("odd.py", "1 / 0")
    result = playground("-p", "odd.py", "plugins")
    assert result.exit_code == 2
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAILED")]
    assert re.fullmatch(
        r"FAILED odd \(.*odd\.py\): import: ZeroDivisionError: division by zero \(odd\.py, line 1\)", failed[0]
    )
    assert playground("-p", "odd.py", "-p", "no:odd", "plugins").exit_code == 0
    write("pyproject.toml", '[tool.playground]\nplugins = ["odd.py"]\n')
    assert playground("plugins").exit_code == 0
    assert playground("--strict-plugins", "plugins").exit_code == 3


def test_a_plugin_that_is_not_there(playground, write):
    write("bowl.yaml", BOWL)
    result = playground("-p", "none.py", "run", "bowl.yaml")
    assert_lines(result, r"plugin none \(.*none\.py\): import: .*")
    assert result.exit_code == 2


COMPONENTS = """
from playground import hookimpl
from playground.core.task import DescentTask, DirectTask, Outcome
from playground.builtin.tasks.minimize import Minimize


def narrow(inputs: int, outputs: int):
    import torch
    return torch.nn.Linear(inputs + 1, outputs)

def tall(inputs: int, outputs: int):
    import torch
    return torch.nn.Linear(inputs, outputs + 1)

def nothing(inputs: int, outputs: int):
    return None

def choosy(inputs: int, outputs: int, width: int = 1):
    raise ValueError(f"width {width} is not my taste")

def many(prediction, target):
    return prediction - target

def constant(prediction, target):
    import torch
    return torch.tensor(1.0)

def raises(prediction, target):
    raise KeyError("no such\\ntarget")

def leaves(prediction, target):
    raise SystemExit(0)

class NoTask:
    pass

def secretly(function, start: dict = None):
    return Minimize(function, start)

def openly(function, start: dict = None) -> Minimize:
    return Minimize(function, start)

class Wordy(DirectTask):
    metrics = ("answer", "model")

    def answer(self, setting):
        import torch
        return Outcome({"answer": torch.tensor(42.0), "model": [torch.tensor([1.0, 2.0]), (3,)]})

class Objects(DirectTask):
    def answer(self, setting):
        return Outcome({"answer": object()})

class Silent(DirectTask):
    def answer(self, setting):
        pass

@hookimpl
def playground_models():
    return {"narrow": narrow, "tall": tall, "nothing": nothing, "choosy": choosy}

@hookimpl
def playground_losses():
    return {"many": many, "constant": constant, "raises": raises, "leaves": leaves}

@hookimpl
def playground_tasks():
    descents = {"secretly": secretly, "openly": openly}
    return {**descents, "no_task": NoTask, "wordy": Wordy, "objects": Objects, "silent": Silent}
"""

UNFIT = {
    "model takes more": (
        "model=narrow",
        r"a\.yaml:1:7: the parts do not fit: RuntimeError: .*mat1 and mat2 shapes cannot be multiplied .*",
    ),
    "model gives more": ("model=tall", r"a\.yaml:4:7: .*prediction.*\(4, 2\).*target.*\(4, 1\).*"),
    "model is None": ("model=nothing", r"a.yaml: --set model=nothing: model 'nothing': its factory returned None"),
    "model complains": ("model=choosy", r"a.yaml: --set model=choosy: model 'choosy': width 1 is not my taste"),
    "loss is not one number": (
        "loss=many",
        r"a.yaml: --set loss=many: the loss must be a single number .+, got shape \(4, 1\) from many \(odd.py, .+",
    ),
    "loss is constant": ("loss=constant", "a.yaml: --set loss=constant: nothing to descend: .*"),
    "loss raises": ("loss=raises", r"a\.yaml:1:7: the parts do not fit: KeyError: 'no such\\ntarget'.*"),
    "loss exits": ("loss=leaves", r"a\.yaml:1:7: the parts do not fit: SystemExit: 0.*"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("change", "message"), UNFIT.values(), ids=UNFIT)
def test_components_of_a_plugin_that_do_not_fit(playground, write, command, change, message):
    write("odd.py", COMPONENTS)
    if command == "check":  # which takes no changes
        key, value = change.split("=")
        write("a.yaml", re.sub(rf"{key}: \w+", f"{key}: {value}", AND))
        message = re.sub(r"a.yaml: --set \S+:", r"a\\.yaml:\\d:\\d+:", message)
        result = playground("-p", "odd.py", "check", "a.yaml")
    else:
        write("a.yaml", AND)
        result = playground("-p", "odd.py", "run", "a.yaml", "--set", change)
    assert_lines(result, message)
    assert result.exit_code == 2


TASKS = {
    "no task": (
        "task: no_task\n",
        2,
        r"a\.yaml:1:7: task 'no_task' is a NoTask, neither a DescentTask nor a DirectTask",
    ),
    "a descent that nobody could know of": (
        "task: secretly\nfunction: x**2\nstart: {x: 1}\n",
        2,
        r"a\.yaml:1:7: this task is a descent task, but its factory does not declare it: .*",
    ),
    "a descent by annotation": ("task: openly\nfunction: x**2\nstart: {x: 1}\noptimizer: sgd\nsteps: 1\n", 0, None),
    "tensors among the metrics": ("task: wordy\nexpect: {answer: 42}\n", 0, None),
}


@pytest.mark.parametrize(("text", "code", "message"), TASKS.values(), ids=TASKS)
def test_tasks_of_a_plugin(playground, write, text, code, message):
    write("odd.py", COMPONENTS)
    write("a.yaml", text)
    result = playground("-p", "odd.py", "run", "a.yaml")
    assert result.exit_code == code, result.stderr
    assert_lines(result, *([message] if message else []))


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("objects", "the task measured 'answer': expected numbers or text, got object"),
        ("silent", "the task answered: expected an Outcome, got NoneType"),
    ],
)
def test_a_task_that_does_not_return_data_ends_in_error(playground, write, task, reason):
    write("odd.py", COMPONENTS)
    write("a.yaml", f"task: {task}\n")
    result = playground("-p", "odd.py", "run", "a.yaml")
    assert result.exit_code == 1
    assert reason in result.stdout
    assert result.stderr == ""


EVENTS = """
from playground import hookimpl

@hookimpl
def playground_run_started(spec):
    print("started", spec["name"], spec["seed"])

@hookimpl
def playground_run_finished(result):
    print("finished", result.scenario, result.status, result.verdict)
    if result.scenario == "bowl":
        raise OSError("nobody is listening")
"""


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_events_are_broadcast_and_their_failures_told_once(playground, write, capfd, jobs):
    write("loud.py", EVENTS)
    for name in ("bowl", "other"):
        write(f"all/{name}.yaml", BOWL)
    result = playground("-p", "loud.py", "run", "all", "--seed", "3", "-j", jobs)
    told = (result.stderr + capfd.readouterr().err).splitlines()  # worker processes write past the runner
    assert result.exit_code == 0
    assert "started" not in result.stdout
    assert sorted(line for line in told if not line.startswith("plugin")) == [
        "finished bowl budget passed",
        "finished other budget passed",
        "started bowl 3",
        "started other 3",
    ]
    (failure,) = (line for line in told if line.startswith("plugin"))
    assert re.fullmatch(
        r"plugin loud \(.*\): playground_run_finished: OSError: nobody is listening \(loud\.py, line 11\)", failure
    )


def test_a_failing_event_under_strict_plugins(playground, write):
    write("loud.py", EVENTS)
    write("bowl.yaml", BOWL)
    result = playground("--strict-plugins", "-p", "loud.py", "run", "bowl.yaml")
    assert result.exit_code == 3
    assert "passed" in result.stdout


def test_what_a_plugin_prints_does_not_touch_the_document(playground, write):
    import json

    write("loud.py", EVENTS)
    write("bowl.yaml", BOWL)
    result = playground("-p", "loud.py", "run", "bowl.yaml", "--json")
    assert json.loads(result.stdout)["runs"][0]["scenario"] == "bowl"


def test_debug_shows_the_traceback_behind_a_line(playground, write):
    write("odd.py", COMPONENTS)
    write("a.yaml", AND.replace("perceptron", "choosy"))
    write("b.yaml", "task: objects\n")
    for command in ("run", "check"):
        result = playground("--debug", "-p", "odd.py", command, "a.yaml")
        assert result.exit_code == 2
        assert 'raise ValueError(f"width {width} is not my taste")' in result.stderr
        assert "Traceback" not in playground("-p", "odd.py", command, "a.yaml").stderr
    result = playground("--debug", "-p", "odd.py", "run", "b.yaml")
    assert result.exit_code == 1
    assert "ComponentError: the task measured" in result.stderr
