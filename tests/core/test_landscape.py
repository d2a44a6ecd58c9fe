import numpy as np
import pytest
import torch

from playground import run
from playground.core import landscape as module
from playground.core.landscape import principal_directions
from playground.core.setting import one_thread
from playground.errors import ScenarioError
from playground.views import CurveView, PathView, SurfaceView

MINIMIZE = "task: minimize\nfunction: {}\nstart: {}\noptimizer: {{name: sgd, lr: {}}}\nsteps: 20\ndtype: float64\n"
BOWL = MINIMIZE.format("(2*x + 10)**2", "{x: 1}", 0.15)
LINE = "task: regression\ndataset: {name: line, noise: 0}\nmodel: linear\nloss: mse\noptimizer: {name: sgd, lr: 0.1}\n"


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


def only(found, kind):
    (view,) = [view for view in found.views if isinstance(view, kind)]
    return view


def test_a_curve_is_the_function_its_derivative_and_where_the_run_touched_it(write):
    found = run(write("bowl.yaml", BOWL + "plot: {x: [-10, 4]}\n"), record=60)
    view = only(found, CurveView)
    x = np.array(view.x.values)
    assert (view.x.name, x[0], x[-1], len(x)) == ("x", -10, 4, module.CURVE_POINTS)
    np.testing.assert_allclose(view.y, (2 * x + 10) ** 2, atol=1e-12)
    np.testing.assert_allclose(view.slope, 8 * x + 40, atol=1e-12)
    np.testing.assert_allclose(view.minima, [(-5, 0)], atol=1e-9)  # found: an expression declares none
    assert view.steps == found.trace.recording.steps
    assert view.path[0] == (1, 144, 48)  # the tutorial's derivative
    assert [contact.x for contact in view.path] == list(found.trace.recording.parameters["x"])
    assert [contact.y for contact in view.path] == pytest.approx([found.losses[step] for step in view.steps])


def test_a_curve_that_never_turns_up_again_has_no_minimum(write):
    assert only(run(write("a.yaml", MINIMIZE.format("exp(x)", "{x: 1}", 0.1)), record=5), CurveView).minima == ()


def test_a_surface_is_the_function_over_both_coordinates(write):
    view = only(run(write("b.yaml", MINIMIZE.format("booth", "{x: [0, 0]}", 0.01)), record=60), SurfaceView)
    assert (view.x.name, view.y.name, view.minima, view.path[0]) == ("x[0]", "x[1]", ((1.0, 3.0),), (0.0, 0.0))
    a, b = np.meshgrid(view.x.values, view.y.values)
    np.testing.assert_allclose(view.values, (a + 2 * b - 7) ** 2 + (2 * a + b - 5) ** 2, atol=1e-9)
    assert view.x.values[0] < 0 < 1 < view.x.values[-1]  # the start and the minimum are to be seen


def test_two_parameters_of_a_model_are_a_surface_too(write):
    view = only(run(write("line.yaml", LINE), record=60), SurfaceView)
    w, b = np.meshgrid(view.x.values, view.y.values)
    x = np.linspace(-1, 1, 50)
    expected = ((w[..., None] * x + b[..., None] - 2 * x - 1) ** 2).mean(axis=-1)
    assert (view.x.name, view.y.name) == ("weight[0, 0]", "bias[0]")
    np.testing.assert_allclose(view.values, expected, rtol=1e-4, atol=1e-6)


def test_a_line_in_many_dimensions_is_explained_by_one_direction():
    direction = torch.tensor([3.0, -4.0, 0.0, 0.0], dtype=torch.float64)
    directions, explained = principal_directions(torch.linspace(0, 1, 9, dtype=torch.float64)[:, None] * direction + 7)
    assert explained == pytest.approx((1, 0), abs=1e-12)
    assert directions[:, 0].tolist() == pytest.approx([-0.6, 0.8, 0, 0])  # the largest entry is positive


@pytest.mark.parametrize(
    "points", [[[1.0, 2.0, 3.0]], [[1.0] * 3] * 4, [[float("nan")] * 3] * 4, [[1e300] * 3, [0.0] * 3]]
)
def test_points_without_two_directions_have_them_all_the_same(points):
    directions, explained = principal_directions(torch.tensor(points, dtype=torch.float64))
    assert directions.shape == (3, 2)
    assert all(0 <= share <= 1 for share in explained)


def test_principal_directions_are_those_of_numpys_covariance():
    points = torch.randn(30, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * torch.arange(1, 6)
    values, vectors = np.linalg.eigh(np.cov(points.numpy().T))
    directions, explained = principal_directions(points)
    assert explained == pytest.approx((values[-1] / values.sum(), values[-2] / values.sum()))
    assert abs(directions[:, 0].numpy() @ vectors[:, -1]) == pytest.approx(1)


def test_the_plane_of_a_path_has_the_loss_where_the_run_ended(write):
    text = LINE.replace("model: linear", "model: {name: mlp, hidden: [3]}") + "steps: 50\nplot: {x: [-2, 2]}\n"
    found = run(write("mlp.yaml", text), record=20)
    view = only(found, PathView)
    assert view.path[-1] == (0, 0)
    assert 0.5 < sum(view.explained) <= 1 + 1e-12
    nearest = [min(range(module.PLANE_SIDE_POINTS), key=lambda i: abs(side.values[i])) for side in (view.x, view.y)]
    assert view.values[nearest[1]][nearest[0]] == pytest.approx(found.loss.last, abs=0.1)
    assert np.isfinite(view.values).all()


def test_the_plane_of_a_straight_path_is_as_high_as_wide(write):
    found = run(write("line.yaml", MINIMIZE.format("(a + b + c)**2", "{a: 1, b: 1, c: 1}", 0.01)), record=20)
    view = only(found, PathView)
    assert view.y.values == view.x.values


@pytest.mark.slow
def test_what_cannot_be_mapped_is_evaluated_point_by_point(write, tmp_path):
    write(
        "plain.py",
        """
        from playground import hookimpl

        def branching(x):
            return x.square().sum() if x.sum().item() > 0 else -x.sum()

        @hookimpl
        def playground_functions():
            return {"branching": lambda: branching}
    """,
    )
    text = MINIMIZE.format("branching", "{x: [1, 1]}", 0.1)
    found = run(write("b.yaml", text), record=5, plugins=[str(tmp_path / "plain.py")])
    view = only(found, SurfaceView)
    a, b = np.meshgrid(view.x.values, view.y.values)
    np.testing.assert_allclose(view.values, np.where(a + b > 0, a**2 + b**2, -a - b))


@pytest.mark.parametrize("optimizer", ["adam", "torch.LBFGS"])
def test_looking_changes_nothing(write, optimizer):
    text = LINE.replace("{name: sgd, lr: 0.1}", optimizer) + "steps: 20\n"
    seen, alone = (run(write("line.yaml", text), record=count) for count in (9, 0))
    assert (seen.parameters, seen.loss, seen.predictions, alone.views) == (
        *(alone.parameters, alone.loss, alone.predictions, ()),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOWL + "plot: {z: [0, 1]}\n", r"7:8: range of 'z': no picture has that axis \(accepted: x\)"),
        (LINE + "plot: {weigth: [0, 1]}\n", r"range of 'weigth': no picture has that axis"),
    ],
)
def test_a_range_of_nothing_is_refused(write, text, message):
    with pytest.raises(ScenarioError, match=message):
        run(write("a.yaml", text))
