"""Objects in hand where YAML has names: `run`, `sweep` and `compare`."""

import copy
import functools
import gc
import pickle
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import playground as pg
from playground.errors import PlaygroundError
from playground.plugin_api import Data, DescentTask, Function, UpdateRule

PLUGIN = """
from dataclasses import dataclass

import torch
from torch import nn

from playground import hookimpl
from playground.plugin_api import Data, UpdateRule


def make_data(n=40, generator=None):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 2, generator=generator)
    return Data(x, (x[:, :1] * x[:, 1:] > 0).float(), ("x1", "x2"))


def make_pair():
    data = make_data()
    return data.inputs, data.targets.squeeze(1)


class MyNet(nn.Module):
    def __init__(self, inputs, outputs, hidden=8):
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.drop = nn.Dropout(0.1)
        self.last = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.last(self.drop(torch.tanh(self.first(x))))


def my_loss(prediction, target, power=2.0):
    return ((prediction - target).abs() ** power).mean()


class MyOpt(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, momentum=0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    state["v"] = group["momentum"] * state.get("v", 0) + p.grad
                    p.sub_(group["lr"] * state["v"])


@dataclass(frozen=True)
class MyRule(UpdateRule):
    lr: float = 0.1
    shrink: float = 1.0

    def update(self, parameter, gradient, state, step, lr):
        return self.shrink * parameter - lr * gradient, state


def fade(steps, low=0.1):
    return lambda step: low + (1 - low) * (1 - step / max(steps, 1))


def square(x):
    return (x**2).sum(-1) + x[..., 0]


@hookimpl
def playground_datasets():
    return {"make_data": make_data}


@hookimpl
def playground_models():
    return {"MyNet".lower(): MyNet}


@hookimpl
def playground_losses():
    return {"my_loss": my_loss}


@hookimpl
def playground_optimizers():
    return {"my_opt": MyOpt, "my_rule": MyRule}


@hookimpl
def playground_schedules():
    return {"fade": fade}


@hookimpl
def playground_functions():
    return {"square": square}
"""


@pytest.fixture
def mine(write, tmp_path, monkeypatch):
    """The components of a plugin's file, in hand; the file itself is not loaded unless a test asks for it."""
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    write("mine.py", PLUGIN)
    scope = {"__name__": "__main__"}
    exec(compile(PLUGIN, str(tmp_path / "mine.py"), "exec"), scope)
    return type("Mine", (), {key: staticmethod(value) for key, value in scope.items() if callable(value)})


CLASSIFY = {"task": "classification", "batch_size": 16, "steps": 40, "seed": 3}
MINIMIZE = {"task": "minimize", "start": {"x": [1.0, -2.0]}, "steps": 40}


def in_yaml(**keys):
    """The same in names: a file, and the plugin that has them."""
    import yaml

    Path("same.yaml").write_text(yaml.safe_dump(keys))
    return "same.yaml"


PAIRS = {
    "a class of torch, a module, a function": (
        CLASSIFY,
        lambda m: {"dataset": m.make_data, "model": m.MyNet, "loss": m.my_loss, "optimizer": m.MyOpt},
        {"dataset": "make_data", "model": "mynet", "loss": "my_loss", "optimizer": "my_opt"},
    ),
    "a pair of tensors, with parameters": (
        CLASSIFY,
        lambda m: {
            "dataset": m.make_pair(),
            "model": pg.use(m.MyNet, hidden=5),
            "loss": functools.partial(m.my_loss, power=1.5),
            "optimizer": pg.use(m.MyOpt, lr=0.3, momentum=0.5),
            "schedule": pg.use(m.fade, low=0.2),
        },
        {
            "dataset": "make_data",
            "model": {"name": "mynet", "hidden": 5},
            "loss": {"name": "my_loss", "power": 1.5},
            "optimizer": {"name": "my_opt", "lr": 0.3, "momentum": 0.5},
            "schedule": {"name": "fade", "low": 0.2},
        },
    ),
    "a rule that is made": (
        CLASSIFY,
        lambda m: {"dataset": m.make_data(), "model": "mlp", "loss": "mse", "optimizer": m.MyRule(0.2, shrink=0.99)},
        {
            "dataset": "make_data",
            "model": "mlp",
            "loss": "mse",
            "optimizer": {"name": "my_rule", "lr": 0.2, "shrink": 0.99},
        },
    ),
    "functions with other names": (
        CLASSIFY,
        lambda m: {
            "dataset": TensorDataset(*m.make_pair()),
            "model": lambda inputs, outputs: m.MyNet(inputs, outputs),
            "loss": lambda p, t: ((p - t).abs() ** 2.0).mean(),
            "optimizer": lambda parameters: m.MyOpt(parameters, lr=0.1),
            "schedule": lambda step: 0.1 + 0.9 * (1 - step / 40),
        },
        {"dataset": "make_data", "model": "mynet", "loss": "my_loss", "optimizer": "my_opt", "schedule": "fade"},
    ),
    "a function of a vector": (
        MINIMIZE,
        lambda m: {"function": m.square, "optimizer": m.MyOpt},
        {"function": "square", "optimizer": "my_opt"},
    ),
    "a lambda of a vector": (
        MINIMIZE,
        lambda m: {"function": lambda v: (v**2).sum(-1) + v[..., 0], "optimizer": m.MyRule},
        {"function": "square", "optimizer": "my_rule"},
    ),
    "a function with its length": (
        MINIMIZE,
        lambda m: {"function": Function(m.square, dim=2, domain=()), "optimizer": "adam"},
        {"function": "square", "optimizer": "adam"},
    ),
}


@pytest.mark.parametrize("case", PAIRS)
def test_a_run_has_the_numbers_of_the_same_in_yaml(mine, case):
    keys, objects, names = PAIRS[case]
    mine_run = pg.run(**keys, **objects(mine))
    same = pg.run(in_yaml(**keys, **names), plugins=["mine.py"])
    assert mine_run.trace.loss == same.trace.loss
    assert mine_run.parameters == same.parameters
    assert mine_run.metrics == same.metrics
    assert len(mine_run.trace.loss) == 40


@pytest.mark.parametrize(
    ("case", "engine"),
    [
        ("a rule that is made", "batched"),
        ("functions with other names", "plain"),
        ("a function of a vector", "compiled"),
        ("a lambda of a vector", "compiled"),
        ("a lambda of a vector", "batched"),
    ],
)
def test_a_sweep_has_the_numbers_of_the_same_in_yaml(mine, case, engine):
    keys, objects, names = PAIRS[case]
    options = pg.SweepOptions(engine=engine)
    over = {"seed": [0, 4, 2]} if case == "functions with other names" else {"optimizer.lr": [0.05, 0.2]}
    keys = {key: value for key, value in keys.items() if key != "seed"}
    here = pg.sweep(**keys, **objects(mine), over=over, store=False, options=options)
    same = pg.sweep(in_yaml(**keys, **names), over=over, plugins=["mine.py"], options=options)
    assert list(here.engines) == list(same.engines) == [engine]
    assert here.engines == same.engines
    for mine_point, its_point in zip(here.summaries, same.summaries, strict=True):
        assert (mine_point.values, mine_point.loss) == (its_point.values, its_point.loss)
    assert [curve.quartiles for curve in here.curves()] == [curve.quartiles for curve in same.curves()]


def spiral():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, 2, generator=generator)
    return x, (x[:, 0] > x[:, 1]).long()


class Net(nn.Module):
    def __init__(self, width=6, activation=torch.tanh):
        super().__init__()
        self.first = nn.Linear(2, width)
        self.last = nn.Linear(width, 1)
        self.activation = activation

    def forward(self, x):
        return self.last(self.activation(self.first(x)))


def squares(prediction, target):
    return ((prediction - target) ** 2).mean()


class Steps(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * p.grad)


def bowl(x):
    return (x**2).sum(-1)


@dataclass(frozen=True)
class Rule(UpdateRule):
    lr: float = 0.1

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, state


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FIT = {"task": "classification", "dataset": spiral(), "model": Net, "loss": squares, "optimizer": Steps, "steps": 5}
DESCEND = {"task": "minimize", "function": bowl, "start": {"x": [1.0, -2.0]}, "optimizer": Steps, "steps": 5}


def test_the_example_of_a_run():
    x, y = spiral()
    MyNet, my_loss, MyOpt = Net, squares, Steps  # noqa: N806
    # fmt: off
    run = pg.run(task="classification", dataset=(x, y), model=MyNet, loss=my_loss, optimizer=pg.use(MyOpt, lr=0.1), steps=500, expect={"loss": {"below": 0.05}})  # noqa: E501
    # fmt: on
    assert (run.verdict, run.steps, run.scenario) == ("passed", 500, "classification Net")
    assert run.setup["optimizer"] == "Steps(lr=0.1)"
    assert "passed" in run._repr_html_()


def test_the_example_of_a_sweep():
    MyOpt = Steps  # noqa: N806
    # fmt: off
    found = pg.sweep(task="minimize", function=lambda v: (v**2).sum(), start={"x": [1.0, -2.0]}, optimizer=MyOpt, over={"optimizer.lr": [0.01, 0.1]}, seeds=50)  # noqa: E501
    # fmt: on
    assert (found.runs, found.axes, found.seeds) == (100, ("optimizer.lr",), 50)
    assert "minimize lambda" in found._repr_html_()


SHAPES = {
    "tensors": lambda x, y: (x, y),
    "a list": lambda x, y: [x, y],
    "arrays": lambda x, y: (x.numpy(), y.numpy()),
    "lists": lambda x, y: (x.tolist(), y.tolist()),
    "float64": lambda x, y: (x.double(), y.double()),
    "a column": lambda x, y: (x, y.unsqueeze(1)),
    "bools": lambda x, y: (x, y.bool()),
    "Data": lambda x, y: Data(x, y.unsqueeze(1).double(), ("x1", "x2")),
    "TensorDataset": lambda x, y: TensorDataset(x, y),
    "Dataset": lambda x, y: Samples(x, y),
    "a function": lambda x, y: lambda: (x, y),
    "a function of parameters": lambda x, y: pg.use(lambda n: (x[:n], y[:n]), n=60),
    "a gradient": lambda x, y: (x.clone().requires_grad_(), y),
}


class Samples(Dataset):
    def __init__(self, x, y):
        self.pairs = list(zip(x, y.tolist(), strict=True))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


@pytest.mark.parametrize("shape", SHAPES)
def test_forms_of_a_dataset(shape):
    expected = pg.run(**FIT).trace.loss
    assert pg.run(**{**FIT, "dataset": SHAPES[shape](*spiral())}).trace.loss == expected


def test_one_column_of_inputs():
    x = torch.linspace(-1, 1, 20)
    run = pg.run(task="regression", dataset=(x, 2 * x + 1), model="linear", loss="mse", optimizer="sgd", steps=3)
    assert run.setup["dataset"] == "data, 20 samples of 1 numbers"
    assert run.table.columns[:2] == ("x", "target")


def test_a_run_leaves_the_given_tensors_alone():
    class Careless(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            x.clamp_(0, 1)
            return self.layer(x)

    x, y = spiral()
    before = x.clone()
    pg.run(**{**FIT, "dataset": (x, y), "model": Careless})
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss,
        nn.functional.cross_entropy,
        pg.use(nn.functional.cross_entropy, label_smoothing=0.0),
        functools.partial(nn.functional.cross_entropy, reduction="mean"),
        pg.use(nn.CrossEntropyLoss, weight=torch.ones(2)),
    ],
    ids=["module", "class", "function", "use", "partial", "weights"],
)
def test_torchs_cross_entropy_gets_class_indices(loss):
    keys = {**FIT, "model": "mlp"}
    assert pg.run(**{**keys, "loss": loss}).trace.loss == pytest.approx(
        pg.run(**{**keys, "loss": "cross_entropy"}).trace.loss
    )


@pytest.mark.parametrize(
    ("function", "start", "expected"),
    [
        (lambda x, y: x**2 + 3 * y, {"x": 2.0, "y": 1.0}, 7.0),
        (lambda a, b: (a**2).sum() + b, {"a": [1.0, 2.0], "b": 1.0}, 6.0),
        (lambda x: x**2, {"x": 3.0}, 9.0),
        (lambda w: (w**2).sum(), {"w": [1.0, 2.0]}, 5.0),
        (lambda w: (w**2).sum(), {"x": [1.0, 2.0]}, 5.0),
        (lambda v: v.square().sum(), {"x": np.array([3.0, 4.0])}, 25.0),
        (lambda a, b: a.sum() + b, {"a": torch.tensor([3.0, 4.0]), "b": np.float64(1)}, 8.0),
        (pg.use(lambda x, y, scale=1.0: scale * x * y, scale=5.0), {"x": 2.0, "y": 1.0}, 10.0),
        (functools.partial(lambda scale, v: scale * v.sum(), 2.0), {"x": [1.0, 2.0]}, 6.0),
        ("x**2 + y", {"x": 2.0, "y": 1.0}, 5.0),
    ],
    ids=[
        "named",
        "vector and number",
        "one number",
        "own name",
        "vector",
        "array",
        "arrays by name",
        "option",
        "partial",
        "formula",
    ],
)
def test_functions_and_their_variables(function, start, expected):
    run = pg.run(**{**DESCEND, "function": function, "start": start})
    assert run.loss.first == expected
    assert set(run.parameters) == set(start)


def test_a_module_is_where_every_run_starts():
    torch.manual_seed(5)
    net = Net()
    before = copy.deepcopy(net.state_dict())
    runs = [pg.run(**{**FIT, "model": net, "seed": seed}) for seed in (0, 1)]
    assert runs[0].trace.loss == runs[1].trace.loss
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert runs[0].setup["model"] == "Net"
    x, y = spiral()
    assert runs[0].loss.first == pytest.approx(squares(net(x), y.unsqueeze(1).float()).item())
    batches = [pg.run(**{**FIT, "model": net, "seed": seed, "batch_size": 10}) for seed in (0, 1)]
    assert batches[0].trace.loss != batches[1].trace.loss
    assert pg.run(**{**FIT, "model": torch.compile(net)}).trace.loss == runs[0].trace.loss


def test_frozen_parameters_of_a_module_stay():
    net = Net()
    net.first.requires_grad_(False)
    assert set(pg.run(**{**FIT, "model": net}).parameters) == {"last.weight", "last.bias"}


def test_a_mapping_as_in_yaml_may_have_objects():
    run = pg.run(**{**FIT, "optimizer": {"name": Steps, "lr": 0.2}, "model": {"name": Net, "activation": torch.relu}})
    assert (run.setup["optimizer"], run.setup["model"]) == ("Steps(lr=0.2)", "Net-relu")


def test_names_in_results():
    run = pg.run(**{**FIT, "schedule": lambda step: 1.0, "model": pg.use(Net, width=3, activation=torch.relu)})
    assert {key: value.partition(",")[0] for key, value in run.setup.items()} == {
        "dataset": "data",
        "model": "Net-relu(width=3)",
        "loss": "squares",
        "optimizer": "Steps(lr=0.1)",
        "schedule": "lambda",
        "parameters": "13",
    }


def test_a_name_that_is_taken():
    def mse(prediction, target):
        return 7 * ((prediction - target) ** 2).mean()

    ours, theirs = pg.run(**{**FIT, "loss": mse}), pg.run(**{**FIT, "loss": "mse"})
    assert ours.loss.first == pytest.approx(7 * theirs.loss.first)
    assert ours.setup["loss"].endswith(".mse")
    assert pg.run(**{**FIT, "loss": "mse"}).loss == theirs.loss  # a call changes nothing for the next one


def test_given_plugins_are_not_changed():
    from playground.plugin_api import load_plugins

    plugins = load_plugins()
    before = {kind: plugins.names(kind) for kind in ("model", "loss", "optimizer")}
    pg.run(**FIT, plugins=plugins)
    assert {kind: plugins.names(kind) for kind in before} == before
    assert plugins.in_hand == ()


def test_several_objects_on_one_axis():
    found = pg.sweep(
        **{**DESCEND, "optimizer": Steps},
        over={"optimizer": [Steps, "adam", pg.use("sgd", momentum=0.9), Rule(0.3), lambda p: Steps(p, lr=0.2)]},
        store=False,
    )
    assert [each.values for each in found.summaries] == [
        {"optimizer": "Steps"},
        {"optimizer": "adam"},
        {"optimizer": "sgd", "optimizer.momentum": 0.9},
        {"optimizer": "Rule", "optimizer.lr": 0.3},
        {"optimizer": "lambda"},
    ]


def test_the_value_of_a_parameter_on_an_axis_is_one_value():
    over = {
        "model": [
            pg.use("mlp", hidden=[3, 2]),
            {"name": "mlp", "hidden": [[4], [5]]},
            pg.use(Net, activation=torch.relu),
            Net,
        ]
    }
    found = pg.sweep(**FIT, over=over, store=False)
    assert [(each.values["model"], each.values.get("model.hidden")) for each in found.summaries] == [
        ("mlp", [3, 2]),
        ("mlp", [4]),
        ("mlp", [5]),
        ("Net-relu", None),
        ("Net", None),
    ]


def test_two_lambdas_have_two_names():
    found = pg.sweep(**DESCEND, over={"function": [lambda v: v.sum(), lambda v: 2 * v.sum()]}, store=False)
    assert [each.values["function"] for each in found.summaries] == ["lambda", "tests.test_objects.lambda"]
    assert found.summaries[0].loss.median == pytest.approx(found.summaries[1].loss.median / 2, abs=2)


def test_keywords_replace_the_keys_of_a_file(write):
    write(
        "bowl.yaml",
        "task: minimize\nfunction: (2*x + 10)**2\nstart: {x: 1}\noptimizer: {name: sgd, lr: 0.15}\nsteps: 9\n",
    )
    run = pg.run("bowl.yaml", optimizer=Steps)
    assert run.setup["optimizer"] == "Steps(lr=0.15)"
    assert run.trace.loss == pytest.approx(pg.run("bowl.yaml").trace.loss)
    run = pg.run("bowl.yaml", function=lambda x: x**2, steps=2)
    assert (run.loss.first, run.steps, run.scenario) == (1.0, 2, "bowl")
    assert pg.run("bowl.yaml", {"optimizer": pg.use(Steps, lr=0.2), "start.x": 2}).setup["optimizer"] == "Steps(lr=0.2)"
    found = pg.sweep("bowl.yaml", over={"optimizer.lr": [0.1, 0.2]}, optimizer=Steps, store=False)
    assert found.scenario == "bowl"


def test_a_loaded_scenario_keeps_its_objects():
    loaded = pg.load_scenario(**FIT)
    assert pg.run(loaded).trace.loss == pg.run(**FIT).trace.loss
    other = pg.run(loaded, model=nn.Linear(2, 1), steps=2)
    assert (other.setup["model"], other.steps) == ("Linear", 2)
    assert pg.sweep(loaded, {"optimizer.lr": [0.1, 0.2]}, store=False).runs == 2


class Square(nn.Module):
    def forward(self, x):
        return (x**2).sum(-1)


class Distance:
    def __call__(self, prediction, target):
        return (prediction - target).abs().mean()


def test_callable_objects_are_functions():
    run = pg.run(**{**DESCEND, "function": Square()})
    assert (run.setup["function"], run.loss.first) == ("Square", 5.0)
    run = pg.run(**{**FIT, "loss": Distance()})
    assert run.setup["loss"] == "Distance"
    assert run.loss.first == pg.run(**{**FIT, "loss": "mae"}).loss.first


def test_the_same_tensors_are_the_same_data():
    x, y = spiral()
    found = pg.sweep(**{**FIT, "dataset": (x, y)}, over={"dataset": [(x, y), (x + 1, y)]}, store=False)
    assert [each.values["dataset"] for each in found.summaries] == ["data", "data-2"]


class Halve(DescentTask):
    def __init__(self, function, times: int = 1):
        self.function, self.times = function, times

    def problem(self, setting):
        from playground.core.point import MovingPoint
        from playground.core.problem import Problem

        function = Function(lambda x: self.function(x) / 2**self.times, dim=2, domain=())
        return Problem(MovingPoint(function, {"x": [1.0, -2.0]}, setting), lambda forward, batch: forward())


def test_a_class_of_tasks_with_keys_of_its_own():
    keys = {"task": Halve, "function": bowl, "optimizer": Steps, "steps": 1}
    run = pg.run(**keys, times=3)
    assert (run.task, run.loss.first) == ("Halve", 5 / 8)
    with pytest.raises(PlaygroundError, match=r"^run\(\): unknown key 'tims'; did you mean 'times'\?$"):
        pg.run(**keys, tims=3)


def test_recordings_and_explanations():
    run = pg.run(**DESCEND, record=60)
    assert run.trace.recording.steps[-1] == 5
    assert run.views
    text = pg.explain(pg.load_scenario(**DESCEND), step=2).text()
    assert "Steps" in text
    assert f"{run.trace.loss[2]:.4f}" in text


def test_pictures():
    pytest.importorskip("matplotlib")
    assert pg.plot(pg.run(**DESCEND, record=20), "surface").axes
    assert pg.plot(pg.sweep(**DESCEND, over={"optimizer.lr": [0.1, 0.2, 0.3]}, store=False), "lr").axes


def make(factor, offset=0.0):
    return lambda v: factor * (v**2).sum() + offset


def test_the_store_keeps_results_by_source_and_closed_over_values():
    def computed(function, **keys):
        found = pg.sweep(**{**DESCEND, "function": function, **keys}, over={"optimizer.lr": [0.1, 0.2]}, seeds=2)
        return found.computed

    assert computed(make(1.0)) == 4
    assert computed(make(1.0)) == 0
    assert computed(make(2.0)) == 4
    assert computed(make(1.0, offset=1.0)) == 4
    assert computed(make(2.0)) == 0
    assert computed(lambda v: 2.0 * (v**2).sum()) == 4
    assert computed(make(1.0), optimizer=Rule) == 4
    assert computed(make(1.0), optimizer=pg.use(Steps)) == 0
    assert computed(make(1.0), optimizer=functools.partial(Steps)) == 0


def test_the_store_keeps_results_by_data_and_modules():
    def computed(**keys):
        return pg.sweep(**{**FIT, **keys}, seeds=2).computed

    x, y = spiral()
    assert [computed(), computed(), computed(dataset=(x.clone(), y))] == [2, 0, 0]
    assert computed(dataset=(x + 0.1, y)) == 2
    net = Net()
    assert [computed(model=net), computed(model=copy.deepcopy(net))] == [2, 0]
    with torch.no_grad():
        net.last.bias.add_(1.0)
    assert computed(model=net) == 2
    assert pg.sweep(**FIT, seeds=3).computed == 1


def test_a_result_without_a_store():
    found = pg.sweep(**DESCEND, over={"optimizer.lr": [0.1, 0.2]}, seeds=3, store=False)
    folder = Path(found.store).parent
    assert not Path(".playground").exists()
    assert folder.exists()
    assert (len(found.curves()), len(found.ensemble().runs.seed), found.runs) == (2, 6, 6)
    assert found._repr_html_()
    copied = copy.deepcopy(found)
    assert pickle.loads(pickle.dumps(found)).summaries == found.summaries
    del found
    gc.collect()
    assert copied.curves()
    del copied
    gc.collect()
    assert not folder.exists()


def test_every_run_of_a_result_without_a_store():
    pytest.importorskip("pandas")
    assert len(pg.sweep(**DESCEND, seeds=3, store=False).to_pandas()) == 3


def test_what_has_no_fingerprint_runs_without_a_store():
    with open(__file__) as file:

        def odd(v):
            return (v**2).sum() + 0 * len(file.name)

        keys = {**DESCEND, "function": odd, "over": {"optimizer.lr": [0.1, 0.2]}}
        assert pg.run(**{key: each for key, each in keys.items() if key != "over"}).loss.first == 5
        with pytest.raises(PlaygroundError) as error:
            pg.sweep(**keys)
        assert str(error.value) == (
            "sweep(): function: results of 'odd' cannot be kept in the store: 'file' is a TextIOWrapper, whose content "
            "cannot be read; give store=False to keep none"
        )
        with pytest.raises(PlaygroundError, match=r"^sweep\(\): function: results of 'odd' cannot be kept"):
            pg.sweep(pg.load_scenario(**{**DESCEND, "function": odd}), seeds=2)
        assert pg.sweep(**keys, store=False).runs == 2
        assert not Path(".playground").exists()


def test_other_processes_have_no_objects():
    found = pg.sweep(**DESCEND, seeds=2, options=pg.SweepOptions(jobs=2))
    assert found.notes[-1] == (
        "one process, because others have no objects of this one (optimizer 'Steps', function 'bowl'); "
        "the compiled engine uses all cores"
    )
    for executor in ("processes", "serial"):
        with pytest.raises(PlaygroundError) as error:
            pg.sweep(**DESCEND, seeds=2, options=pg.SweepOptions(executor=executor))
        assert str(error.value) == (
            f"executor '{executor}' has no objects of this process (optimizer 'Steps', function 'bowl'); "
            "register them in a plugin, or leave the executor out"
        )


@pytest.mark.parametrize("call", [pg.run, functools.partial(pg.sweep, seeds=3, store=False)], ids=["run", "sweep"])
def test_no_object_is_kept_alive(call):
    net, loss, bowl = nn.Linear(2, 1), (lambda p, t: ((p - t) ** 2).mean()), (lambda v: (v**2).sum())
    data = TensorDataset(*spiral())
    seen = [weakref.ref(each) for each in (net, loss, bowl, data)]
    call(**{**FIT, "dataset": data, "model": net, "loss": loss})
    call(**{**DESCEND, "function": bowl})
    del net, loss, bowl, data
    gc.collect()
    assert [each() for each in seen] == [None] * 4


def test_nothing_is_printed(capsys):
    pg.sweep(**DESCEND, seeds=2, store=False)
    pg.run(**DESCEND)
    assert capsys.readouterr() == ("", "")


def test_use_shows_itself_and_refuses_what_cannot_be_a_component():
    assert repr(pg.use(Steps, lr=0.1)) == "use(Steps, lr=0.1)"
    assert repr(pg.use("adam", lr=0.1)) == "use('adam', lr=0.1)"
    assert repr(pg.use(pg.use(Steps, lr=0.1), lr=0.2)) == "use(Steps, lr=0.2)"
    with pytest.raises(PlaygroundError, match=r"^use\(\): expected a class, a function or a name, got int$"):
        pg.use(3)
