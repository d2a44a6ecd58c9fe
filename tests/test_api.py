"""`playground` from Python."""

import copy
import pickle

import pytest

import playground as package
from playground import hookimpl, load_scenario, run
from playground.errors import PluginError, ScenarioError

BOWL = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 100
expect: {x: {near: -5, within: 0.001}}
"""


@pytest.fixture
def bowl(write, tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    return write("bowl.yaml", BOWL)


def test_what_the_package_offers():
    functions = ["check_derivatives", "compare", "explain", "hookimpl", "load_scenario", "plot", "run", "sweep"]
    assert dir(package) == ["SweepOptions", *functions, "use", "watch"]
    assert hookimpl.project_name == "playground"
    with pytest.raises(AttributeError, match="has no attribute 'sweeep'"):
        package.sweeep  # noqa: B018


def test_run(bowl):
    result = run(bowl)
    assert (result.status, result.verdict, result.steps) == ("budget", "passed", 100)
    assert result.loss.first == result.trace.loss[0] == 144
    assert run(str(bowl)).trace == result.trace


def test_changes_seed_and_steps(bowl):
    result = run(bowl, {"optimizer.lr": 0.3, "expect": {"status": "diverged"}}, seed=5)
    assert (result.seed, result.status, result.verdict) == (5, "diverged", "passed")
    assert run(bowl, steps=1).parameters["x"] == pytest.approx(-6.2)
    assert run(bowl, {"start": {"x": [1, 2][0]}, "function": "abs(x)", "expect": {}}, steps=0).loss.last == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer.lr", 1e-7),
        ("summary", "on"),
        ("summary", 'a "quoted" \\ text, {[#'),
        ("summary", "πλάγια 🙂"),
        ("summary", "1e-3"),
        ("summary", "a: b # c"),
        ("summary", "two\nlines"),
        ("summary", "x" * 500),
        ("start", {"x": 1}),
        ("requires", []),
        ("batch_size", None),
        ("stop.divergence", float("inf")),
    ],
)
def test_a_change_arrives_as_it_was_given(bowl, key, value):
    data = load_scenario(bowl, {key: value}).source.data
    for part in key.split("."):
        data = data[part]
    assert data == value
    assert type(data) is type(value)


def test_numbers_of_numpy_are_numbers(bowl):
    import numpy as np

    data = load_scenario(bowl, {"steps": np.int64(5), "optimizer.lr": np.float32(0.5), "start": {"x": np.float64(2)}})
    assert (data.scenario.steps, data.source.data["optimizer"]["lr"], data.source.data["start"]) == (5, 0.5, {"x": 2.0})


def test_a_change_that_yaml_cannot_say(bowl):
    with pytest.raises(ScenarioError, match=r"^optimizer\.lr: expected plain data, got object$"):
        run(bowl, {"optimizer.lr": object()})


def test_faults_have_places(bowl, write):
    write("bad.yaml", BOWL.replace("sgd", "sdg"))
    with pytest.raises(ScenarioError, match=r"^bad.yaml:4:19: unknown optimizer 'sdg'; did you mean 'sgd'\?$"):
        run("bad.yaml")
    with pytest.raises(ScenarioError, match=r"^--set optimizer.lr=true: expected a number, got true$"):
        run(bowl, {"optimizer.lr": True})


@pytest.mark.parametrize(
    ("plugins", "got"),
    [("nope", "'nope'"), (3, "int"), ([3], "[3]"), (None, "NoneType"), (b"mine.py", "bytes")],
    ids=["a text", "a number", "a list of numbers", "None", "bytes"],
)
@pytest.mark.parametrize("function", ["run", "sweep", "load_scenario", "explain", "compare"])
def test_plugins_are_a_list_of_texts(bowl, function, plugins, got):
    with pytest.raises(PluginError) as error:
        getattr(package, function)(bowl, plugins=plugins)
    assert str(error.value) == f"plugins: expected a list of files and names, such as ['mine.py'], got {got}"


def test_plugins(bowl, write):
    write("gone.py", "1 / 0")
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        run(bowl, plugins=["gone.py"])
    write(
        "square.py",
        """
        from playground import hookimpl

        def square(x):
            return (x * x).sum(-1)

        @hookimpl
        def playground_functions():
            return {"square": square}
        """,
    )
    result = run(bowl, {"function": "square", "start": {"x": [3, 4]}, "expect": {}}, plugins=["square.py"], steps=0)
    assert result.loss.last == 25


def test_what_a_component_raises_ends_in_error_with_its_traceback(bowl, write):
    write(
        "bad.py",
        """
        from playground import hookimpl

        calls = []

        def bad(x):
            calls.append(x)
            return 1 / (100 - len(calls)) * x[..., 0] ** 2

        @hookimpl
        def playground_functions():
            return {"bad": bad}
        """,
    )
    result = run(bowl, {"function": "bad", "start": {"x": [1.0]}, "expect": {}}, plugins=["bad.py"])
    assert (result.status, result.verdict) == ("error", "failed")
    assert result.reason == "ZeroDivisionError: division by zero (bad.py, line 7)"
    assert "calls.append(x)" not in result.traceback
    assert "return 1 / (100 - len(calls))" in result.traceback


def test_a_result_is_plain_data_and_shows_itself(bowl):
    result = run(bowl)
    assert copy.deepcopy(result) == result
    assert pickle.loads(pickle.dumps(result)) == result
    assert "bowl" in result._repr_html_()


def test_a_run_leaves_the_global_generator_as_it_was(bowl):
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run(bowl)
    assert torch.rand(1) == expected


def test_run_takes_what_load_scenario_returns(bowl):
    loaded = load_scenario(bowl)
    assert run(loaded).loss == run(bowl).loss
    assert run(loaded, {"steps": 2}).steps == 2
