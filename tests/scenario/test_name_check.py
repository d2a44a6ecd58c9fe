"""Names in a scenario against what is installed."""

import pytest

from playground.errors import ScenarioError
from playground.scenario import check_names, parse_scenario, parse_source

KNOWN = {
    "task": ["derivative", "minimize"],
    "function": ["expression", "rosenbrock"],
    "optimizer": ["adam", "sgd"],
    "schedule": ["cosine"],
    "model": ["mlp"],
}


class Catalogue:
    """Two tasks, a few components, one plugin."""

    def names(self, kind):
        return KNOWN[kind]

    def plugin_names(self):
        return ["lion"]

    def task_parameters(self, name):
        return {"minimize": {"start": False}, "derivative": {"at": True, "derivative": False}}[name]

    def parameters(self, kind, name):
        return {"sgd": ["lr", "momentum"], "mlp": ["hidden"]}.get(name, [])

    def task_kinds(self, name):
        return {
            "minimize": {"function": True, "optimizer": True, "schedule": False},
            "derivative": {"function": True},
        }[name]


def messages(text):
    source = parse_source(text, "f")
    return str(source.locate(ScenarioError(*check_names(parse_scenario(source), Catalogue()))))


def test_a_good_scenario_has_no_faults():
    text = "task: minimize\nfunction: 2*x\noptimizer: sgd\nstart: {x: 1}\nsteps: 3\nrequires: [lion]"
    assert check_names(parse_scenario(parse_source(text, "f")), Catalogue()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "task: minimze\nstrat: 1\nfunction: rosenbrok\noptimizer: {name: adm}",
            [
                "f:1:7: unknown task 'minimze'; did you mean 'minimize'?",
                "f:3:11: unknown function 'rosenbrok'; did you mean 'rosenbrock'?",
                "f:4:19: unknown optimizer 'adm'; did you mean 'adam'?",
            ],
        ),
        (
            "task: minimize\nfunction: 2*x\noptimizer: zzz",
            ["f:3:12: unknown optimizer 'zzz' (accepted: adam, sgd); if a plugin has it, load that with -p FILE|NAME"],
        ),
        (
            "task: minimize\nfunction: 2*x\noptimizer: sgd\nlr: 1",
            ["f:4:1: unknown key 'lr'; did you mean 'optimizer.lr'?"],
        ),
        (
            "task: minimize\nfunction: 2*x\noptimizer: sgd\nlearning_rate: 1",
            ["f:4:1: unknown key 'learning_rate'; did you mean 'optimizer.lr'?"],
        ),
        (
            "task: minimize\nfunction: 2*x\noptimizer: sgd\nstrat: {x: 1}\nstepz: 4",
            [
                "f:4:1: unknown key 'strat'; did you mean 'start'?",
                "f:5:1: unknown key 'stepz'; did you mean 'steps'?",
            ],
        ),
        (
            "task: minimize\nfunction: 2*x\noptimizr: sgd",
            [
                "f:1:1: missing key 'optimizer', which the task 'minimize' needs",
                "f:3:1: unknown key 'optimizr'; did you mean 'optimizer'?",
            ],
        ),
        (
            "task: derivative\nfunction: 2*x\noptimizer: sgd",
            [
                "f:1:1: missing key 'at', which the task 'derivative' needs",
                "f:3:1: the task 'derivative' takes no optimizer; it takes function",
            ],
        ),
        (
            "task: new\nrequires: [lion, tiger]\noptimizer: stripes",
            [
                "f:2:18: needs the plugin 'tiger'; install it, for example with: pip install gradient-playground-tiger",
            ],
        ),
        ("task: minimize\nfunction: 2*x\noptimizer: sgd\nmodel: mlp", ["f:4:1: the task 'minimize' takes no model;"]),
    ],
)
def test_faults(text, expected):
    lines = messages(text).splitlines()
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(("folder", "quoted"), [("cats", ""), ("big cats", "'")])
def test_an_absent_plugin_that_stands_beside_the_scenario(tmp_path, folder, quoted):
    tmp_path /= folder
    tmp_path.mkdir()
    (tmp_path / "tiger.py").touch()
    scenario = parse_scenario(parse_source("task: minimize\nrequires: [tiger, puma]\n", "f"))
    found = check_names(scenario, Catalogue(), str(tmp_path / "x.yaml"))
    shown = f"{quoted}{tmp_path / 'tiger.py'}{quoted}"
    assert [fault.message for fault in found] == [
        f"needs the plugin 'tiger'; the file beside this one has it; load it with: -p {shown}",
        "needs the plugin 'puma'; install it, for example with: pip install gradient-playground-puma",
    ]
