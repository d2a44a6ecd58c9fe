import numpy as np
import pytest

from playground import run
from playground.core import predictions as module
from playground.core.setting import one_thread
from playground.views import BoundaryView, FitView

GATE = "task: classification\ndataset: {}\nmodel: {}\nloss: {}\noptimizer: {{name: adam, lr: 0.1}}\nsteps: 30\n"


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


def at(view, grid, x, y):
    """The value of a grid at the point nearest to a place."""
    column = np.abs(np.array(view.x.values) - x).argmin()
    row = np.abs(np.array(view.y.values) - y).argmin()
    return grid[row][column]


def test_the_last_boundary_is_what_the_model_predicts(write):
    text = GATE.format("and_gate", "perceptron", "mse") + "plot: {a: [0, 1], b: [0, 1]}\n"
    found = run(write("gate.yaml", text), record=10)
    view = found.views[0]
    assert isinstance(view, BoundaryView)
    assert (view.level, view.classes, view.targets) == (0.5, 2, (1, 0, 0, 0))
    assert view.steps == found.trace.recording.steps
    assert len(view.values) == len(view.steps)
    predicted = [at(view, view.values[-1], *sample) for sample in view.inputs]
    assert predicted == pytest.approx([row[0] for row in found.predictions], abs=1e-6)
    assert view.values[0] != view.values[-1]


@pytest.mark.parametrize(("loss", "level"), [("bce_with_logits", 0.0), ("bce", 0.5), ("cross_entropy", 0.0)])
def test_the_level_divides_as_the_task_does(write, loss, level):
    model = "{name: mlp, hidden: [4], output: sigmoid}" if loss == "bce" else "mlp"
    found = run(write("gate.yaml", GATE.format("xor_gate", model, loss)), steps=200, record=3)
    view = found.views[0]
    told = [at(view, view.values[-1], *sample) > level for sample in view.inputs]
    assert view.level == level
    assert np.mean(np.array(told) == view.targets) == found.metrics["accuracy"] == 1


def test_more_classes_are_shown_as_such(write):
    found = run(write("blobs.yaml", GATE.format("blobs", "linear", "cross_entropy")), record=3)
    view = found.views[0]
    assert (view.level, view.classes) == (None, 3)
    assert set(np.unique(view.values[-1])) == {0, 1, 2}


def test_a_fit_is_the_models_curve_with_its_data(write):
    text = "task: regression\ndataset: line\nmodel: linear\nloss: mse\noptimizer: {name: sgd, lr: 0.1}\n"
    found = run(write("line.yaml", text), record=10)
    view = found.views[0]
    assert isinstance(view, FitView)
    (weight,), (bias,) = found.parameters["weight"][0], found.parameters["bias"]
    np.testing.assert_allclose(view.values[-1], weight * np.array(view.x.values) + bias, rtol=1e-5, atol=1e-5)
    assert len(view.inputs) == len(view.targets) == 50


@pytest.mark.parametrize(
    "dataset",
    [
        "{name: inline, inputs: [[1, 2, 3], [3, 2, 1]], targets: [[0], [1]]}",
        "{name: inline, inputs: [[1], [3]], targets: [[0], [1]]}",
    ],
)
def test_no_boundary_is_shown_where_inputs_are_not_two(write, dataset):
    found = run(write("a.yaml", GATE.format(dataset, "perceptron", "mse")), record=3)
    assert not any(isinstance(view, BoundaryView) for view in found.views)


def test_of_many_samples_some_are_shown(write):
    text = GATE.format("{name: moons, samples: 5000}", "perceptron", "mse")
    view = run(write("moons.yaml", text), steps=1, record=3).views[0]
    assert len(view.inputs) == len(view.targets) == module.MAX_SHOWN_SAMPLES
    assert set(view.targets) == {0, 1}
