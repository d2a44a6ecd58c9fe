"""The tasks we ship, through whole runs, against numbers worked out by hand or by torch."""

import math

import pytest
import torch

from playground import run
from playground.errors import ScenarioError
from playground.plugins.manager import load_plugins
from playground.runner.single.running import run_one
from playground.scenario.model import load_scenario


@pytest.fixture
def result(tmp_path, monkeypatch):
    """Run a scenario given as text: `result(text, changes)`."""
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")

    def result(text, changes=None, **options):
        path = tmp_path / "a.yaml"
        path.write_text(text, encoding="utf-8")
        return run(path, changes, **options)

    return result


def data(inputs, targets, **more):
    return {"name": "inline", "inputs": inputs, "targets": targets, **more}


LINEAR = "model: linear\noptimizer: sgd\nsteps: 0\n"


@pytest.mark.parametrize(
    ("loss", "targets", "start", "accuracy"),
    [
        # threshold 0.5 for a loss on probabilities or plain numbers, 0 for logits and margins
        ("mse", [[0], [1], [1]], {"weight": [[1]], "bias": [0]}, 1),
        ("mse", [[0], [1], [1]], {"weight": [[0.3]], "bias": [0]}, 2 / 3),
        ("bce_with_logits", [[0], [1], [1]], {"weight": [[0.3]], "bias": [0]}, 1),
        ("hinge", [[0], [1], [0]], {"weight": [[0.3]], "bias": [0]}, 2 / 3),
        # class indices: the largest output wins
        ("cross_entropy", [[0], [1], [2]], {"weight": [[0], [1], [2]], "bias": [0, 0, -1.5]}, 1),
        ("cross_entropy", [[0], [1], [2]], {"weight": [[0], [0], [0]], "bias": [0, 0, 1]}, 1 / 3),
        # three classes and a loss without indices: one column each
        ("mse", [[0], [1], [2]], {"weight": [[0], [1], [2]], "bias": [0, 0, -1.5]}, 1),
    ],
)
def test_accuracy(result, loss, targets, start, accuracy):
    changes = {"dataset": data([[0], [1], [2]], targets), "loss": loss, "start": start}
    found = result(f"task: classification\ndataset: and_gate\nloss: mse\n{LINEAR}", changes)
    assert found.metrics["accuracy"] == pytest.approx(accuracy)
    assert len(found.predictions) == 3


def test_several_labels_at_once_must_all_be_right(result):
    changes = {"dataset": data([[0], [1]], [[0, 1], [1, 1]]), "start": {"weight": [[1], [0]], "bias": [0, 1]}}
    text = f"task: classification\ndataset: and_gate\nloss: mse\n{LINEAR}"
    assert result(text, changes).metrics["accuracy"] == 1
    assert result(text, {**changes, "start": {"weight": [[1], [1]], "bias": [0, 0]}}).metrics["accuracy"] == 0.5


def test_cross_entropy_is_torchs(result):
    changes = {
        "dataset": data([[0], [1]], [[0], [2]], classes=3),
        "start": {"weight": [[1], [2], [3]], "bias": [0, 0, 0]},
    }
    found = result(f"task: classification\ndataset: and_gate\nloss: cross_entropy\n{LINEAR}", changes)
    logits = torch.tensor([[0.0, 0, 0], [1, 2, 3]])
    assert found.loss.last == pytest.approx(torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).item())


def test_the_start_does_not_depend_on_the_precision(result):
    text = f"task: classification\ndataset: and_gate\nloss: mse\n{LINEAR}"
    single, double = result(text, seed=3), result(text, {"dtype": "float64"}, seed=3)
    assert single.parameters == double.parameters


def test_r2(result):
    changes = {"dataset": data([[0], [1], [2]], [[0], [1], [5]]), "start": {"weight": [[2]], "bias": [0]}}
    found = result(f"task: regression\ndataset: and_gate\nloss: mse\n{LINEAR}", changes)
    assert found.metrics["r2"] == pytest.approx(1 - (0 + 1 + 1) / (4 + 1 + 9))
    assert found.loss.last == pytest.approx(2 / 3)


def test_the_table_has_inputs_targets_and_predictions(result):
    changes = {
        "dataset": data([[0, 4], [1, 5]], [[3], [4]], names=["u", "v"]),
        "start": {"weight": [[1, 0]], "bias": [0]},
    }
    found = result(f"task: regression\ndataset: and_gate\nloss: mse\n{LINEAR}", changes)
    assert found.table.columns == ("u", "v", "target", "prediction")
    assert found.table.rows == ((0, 4, 3, 0), (1, 5, 4, 1))


MINIMIZE = "task: minimize\nfunction: sphere\noptimizer: {name: sgd, lr: 0.1}\nsteps: 0\n"


@pytest.mark.parametrize(
    ("function", "start", "distance"),
    [
        ({"name": "sphere", "dim": 3}, {"x": [1, 2, 2]}, 3),
        ("booth", {"x": [1, 3]}, 0),
        ("himmelblau", {"x": [3, 3]}, 1),  # the nearest of four is (3, 2)
    ],
)
def test_distance_to_the_nearest_minimum(result, function, start, distance):
    found = result(MINIMIZE, {"function": function, "start": start})
    assert found.metrics["distance"] == pytest.approx(distance, abs=1e-6)


def test_where_a_function_begins(result):
    assert result(MINIMIZE, {"function": "rosenbrock"}).parameters["x"] == pytest.approx([-1.2, 1])
    drawn = [result(MINIMIZE, {"function": "himmelblau"}, seed=seed).parameters["x"] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(-6 <= coordinate <= 6 for point in drawn for coordinate in point)


def test_several_variables_and_vectors(result):
    found = result(MINIMIZE, {"function": "x[0]**2 + 3*x[1] + y", "start": {"x": [2, 5], "y": 1}}, steps=1)
    assert found.loss.first == 4 + 15 + 1
    assert found.parameters["x"] == pytest.approx([2 - 0.4, 5 - 0.3])
    assert found.parameters["y"] == pytest.approx(0.9)


DERIVATIVE = "task: derivative\nfunction: x**2\nat: {x: [1]}\n"


@pytest.mark.product(8)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("changes", "derivative", "value"),
    [
        ({}, [2], [1]),
        ({"at": {"x": 3}}, [6], [9]),
        ({"at": {"x": [0, 1, -2]}}, [0, 2, -4], [0, 1, 4]),
        ({"function": "x**3", "order": 2, "derivative": "6*x", "at": {"x": [2]}}, [12], [8]),
        ({"function": "sin(x)", "derivative": "cos(x)", "at": {"x": [0, 1]}}, [1, math.cos(1)], [0, math.sin(1)]),
        ({"function": "x*y", "at": {"x": [2, 3], "y": [5, 7]}}, [[5, 2], [7, 3]], [10, 21]),
        ({"function": "x*y", "derivative": {"x": "y", "y": "x"}, "at": {"x": 2, "y": 5}}, [[5, 2]], [10]),
        ({"function": "x*y", "order": 2, "at": {"x": 2, "y": 5}}, [[0, 1, 0]], [10]),
        ({"function": "x[0]*x[1]**2", "at": {"x": [[2, 3]]}}, [[9, 12]], [18]),
        ({"function": {"name": "booth"}, "at": {"x": [[1, 3], [0, 0]]}}, [[0, 0], [-34, -38]], [0, 74]),
        ({"function": "exp(50*x)", "at": {"x": [1]}}, [50 * math.exp(50)], [math.exp(50)]),
    ],
)
def test_derivatives(result, changes, derivative, value, dtype):
    found = result(DERIVATIVE, {**changes, "dtype": dtype})
    assert [each.what for each in found.expectations if not each.passed] == []
    precision = {"rel": 1e-4, "abs": 1e-5} if dtype == "float32" else {"rel": 1e-12, "abs": 1e-12}
    flat = torch.tensor(found.metrics["derivative"], dtype=torch.float64).flatten().tolist()
    assert flat == pytest.approx(torch.tensor(derivative, dtype=torch.float64).flatten().tolist(), **precision)
    assert found.metrics["value"] == pytest.approx(value, **precision)


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"derivative": "3*x"}, ["autograd agrees with the given formula"]),
        ({"derivative": "2*x + 1e-4"}, ["autograd agrees with the given formula"]),
        ({"same_as": "x**2 + 1"}, ["the same function as x**2 + 1"]),
        ({"expect": {"derivative": [3]}}, ["derivative equals [3]"]),
        (
            {"function": "abs(x)", "at": {"x": [0]}},
            ["no kink, jump or pole at any point", "autograd agrees with the symbolic derivative"],
        ),
    ],
)
def test_disagreement_fails(result, changes, failing):
    found = result(DERIVATIVE, {"dtype": "float64", **changes})
    failed = [each.what for each in found.expectations if not each.passed]
    assert found.verdict == "failed"
    assert set(failed) <= set(failing)
    assert failing[0] in failed
    assert len(found.expectations) >= 2


MODEL = "task: derivative\ndataset: moons\nmodel: {name: mlp, hidden: [3], output: sigmoid}\nloss: mse\n"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": "linear", "loss": "mae"},
        {"dataset": "blobs", "model": "linear", "loss": "cross_entropy"},
        {"dataset": "line", "model": "polynomial", "order": 2},
        {"model": {"name": "mlp", "hidden": [30, 30]}},
    ],
)
def test_the_backward_of_a_model_and_its_loss(result, changes, dtype):
    found = result(MODEL, {**changes, "dtype": dtype})
    assert [(each.what, each.note) for each in found.expectations if not each.passed] == []
    parameters, direction = found.points
    assert set(direction["derivatives"][0]["by"]) == {"a random direction"}
    checked = parameters["derivatives"]
    assert len(checked) <= 64
    assert checked[0]["by"][0].startswith(("layer1.weight[", "weight[", "coefficients["))


@pytest.mark.slow
def test_the_loss_that_is_checked_is_the_one_that_is_trained(result):
    training = MODEL.replace("derivative", "classification") + "optimizer: sgd\nsteps: 0\nseed: 3\n"
    assert result(MODEL, {"seed": 3}).metrics["value"] == [pytest.approx(result(training, {}).loss.first, rel=1e-6)]


def test_what_is_wrong_is_told_with_its_place_and_shown(result):
    found = result(DERIVATIVE, {"derivative": "3*x", "at": {"x": [1, 2]}})
    (wrong,) = [each for each in found.expectations if not each.passed]
    assert wrong.note == "at x = 1 by x: autograd 2, given 3; only given disagrees (2 of 2 derivatives)"
    assert [point["derivatives"][0]["finding"] for point in found.points] == ["wrong_route"] * 2


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("function", "points"),
    [
        ({"name": "ackley"}, [[-8.6, 23.4], [6.2, -14.6]]),
        ({"name": "griewank"}, [[-198.7, -474.9], [-599.6, -229.8]]),
        ({"name": "goldstein_price"}, [[-0.58, -1.53], [-1.48, -1.88]]),
        ("sin(1000*x[0])", [[1.57], [-2.08], [2.53]]),
        ("sin(50*x[0])", [[2.7647613105656035], [2.454287004589249]]),
        ("x[0]**2 - 1000*x[0] + 250000", [[499.84], [499.317], [500.0286]]),
        ("log(x[0])", [[1e-5], [0.056]]),
        ("relu(x[0])", [[1e-7], [1e-3]]),
        ("tanh(10*x[0])", [[0.75], [0.94]]),
    ],
)
def test_steep_wavy_and_cancelling_functions_raise_no_alarm(result, function, points, order, dtype):
    changes = {"function": function, "at": {"x": points}, "order": order, "dtype": dtype}
    assert [(each.what, each.note) for each in result(DERIVATIVE, changes).expectations if not each.passed] == []


@pytest.mark.parametrize(
    ("function", "wrong", "x"),
    [
        ("x**2 + 5*x + 1", "2*x + 6", 100),  # a large value excuses nothing
        ("(2*x + 10)**2", "8*x", 1000),
        ("x**2", "3*x", 4e-5),  # nor does a small derivative
        ("0.001*x**2", "0.001*x", 0.05),
    ],
)
def test_a_wrong_formula_fails_in_float32_too(result, function, wrong, x):
    found = result(DERIVATIVE, {"function": function, "derivative": wrong, "at": {"x": x}, "dtype": "float32"})
    assert [each.what for each in found.expectations if not each.passed] == ["autograd agrees with the given formula"]


def test_routes_are_told_point_by_point(result):
    found = result(DERIVATIVE, {"derivative": "2*x", "at": {"x": [1, 4]}, "dtype": "float64"})
    assert [(point["at"], point["value"]) for point in found.points] == [({"x": 1}, 1), ({"x": 4}, 16)]
    for point, slope in zip(found.points, (2, 8), strict=True):
        (entry,) = point["derivatives"]
        assert entry["by"] == ["x"]
        assert [entry[route] for route in ("autograd", "given", "symbolic")] == [slope] * 3
        assert entry["central"] == pytest.approx(slope, rel=1e-8)
        assert entry["central_error"] < 1e-6


PLAIN = """
import torch
from playground import hookimpl


def halved(x):
    return (x.detach() * x).sum(-1)


def pair(x):
    return torch.stack([x.sum(), x.prod()])


@hookimpl
def playground_functions():
    return {"halved": halved, "pair": pair}
"""


def plain_function(folder, text):
    (folder / "plain.py").write_text(PLAIN, encoding="utf-8")
    (folder / "x.yaml").write_text(f"task: derivative\n{text}\n", encoding="utf-8")
    plugins = load_plugins(specs=["plain.py"], autoload=False, folder=folder)
    return run_one(load_scenario(folder / "x.yaml"), plugins)


def test_a_plain_function_of_a_plugin_is_checked(tmp_path):
    found = plain_function(tmp_path, "function: halved\nat: {x: [[1, 2], [3, 4]]}")
    assert found.metrics["derivative"] == [[1, 2], [3, 4]]
    notes = [each.note for each in found.expectations if not each.passed]
    assert len(notes) == 2
    assert all("a wrong backward: it is 0.5 times as large, in forward mode as well" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("function: halved\nat: {x: [1, 2]}", "x.yaml:3:5: this function takes a vector x: at: {x: [[...], ...]}"),
        ("function: halved\nat: {x: [[1, 2], [3]]}", "x.yaml:3:18: expected a list of 2 numbers for 'x', got [3]"),
        ("function: pair\nat: {x: [[1, 2]]}", "x.yaml:2:11: the function must be a single number (a 0-d tensor)"),
    ],
)
def test_a_plain_function_that_does_not_fit_is_one_line_with_its_place(text, message, tmp_path):
    with pytest.raises(ScenarioError) as caught:
        plain_function(tmp_path, text)
    assert message in str(caught.value)


@pytest.mark.parametrize("function", ["relu(x)**2", "abs(x)*x", "max(x, 0)**3"])
def test_a_route_without_an_answer_at_a_crease_has_no_vote(result, function):
    found = result(
        DERIVATIVE, {"function": function, "at": {"x": 0}, "dtype": "float64", "expect": {"derivative": [0]}}
    )
    assert [each.what for each in found.expectations if not each.passed] == []


def test_an_overflow_of_autograd_fails(result):
    found = result(DERIVATIVE, {"function": "x*1e-35*1e20*1e20", "derivative": "7", "dtype": "float32"})
    failed = [each for each in found.expectations if not each.passed]
    assert "autograd agrees with central differences" in [each.what for each in failed]
    assert all("overflow of the dtype: in float64 autograd gives 100000" in each.note for each in failed)
