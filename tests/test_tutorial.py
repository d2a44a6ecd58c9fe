"""Every figure of the tutorial that this project grew out of; where it slipped, ours."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from playground import load_scenario, run

SCENARIOS = Path(__file__).parent.parent / "scenarios"
OR, AND = [1, 1, 1, 0], [1, 0, 0, 0]


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")


def scenario(name):
    return SCENARIOS / f"{name}.yaml"


def rounded(predictions):
    return [round(row[0]) for row in predictions]


def test_1_the_tutorials_table_is_or_not_and():
    data = load_scenario(scenario("or_gate")).source.data["dataset"]
    assert data["inputs"] == [[1, 1], [1, 0], [0, 1], [0, 0]]
    assert [a or b for a, b in data["inputs"]] == [row[0] for row in data["targets"]] == OR
    result = run(scenario("and_gate"), steps=0)
    assert [row[2] for row in result.table.rows] == [a and b for a, b in data["inputs"]] == AND


def test_2_forward_with_the_given_numbers():
    result = run(scenario("forward_pass"))
    logits = [5.3638, 1.8866, 2.0877, -1.3895]
    assert [row[0] for row in result.predictions] == pytest.approx([0.9953, 0.8684, 0.8897, 0.1995], abs=1e-4)
    assert [row[0] for row in result.predictions] == pytest.approx([1 / (1 + math.exp(-y)) for y in logits], abs=1e-5)
    assert round(result.loss.last, 6) == 0.017327
    assert result.loss.first == result.loss.last
    assert abs(result.loss.last - 0.0173596) > 1e-5  # what the tutorial prints does not belong to its own predictions


def test_2_the_sums_before_the_sigmoid():
    identity = run(scenario("forward_pass"), {"model.activation": "identity", "expect": {}})
    assert [row[0] for row in identity.predictions] == pytest.approx([5.3638, 1.8866, 2.0877, -1.3895], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gate", "table", "low", "high"), [("or_gate", OR, 0.0025, 0.023), ("and_gate", AND, 0.007, 0.039)]
)
@pytest.mark.parametrize("seeds", [range(5), pytest.param(range(5, 20), marks=pytest.mark.exhaustive)], ids=str)
def test_3_training_by_hand_from_twenty_seeds(gate, table, low, high, seeds):
    model = {"model": "handwritten", "optimizer": {"name": "adam", "lr": 0.01}, "expect": {}}
    for seed in seeds:
        result = run(scenario(gate), model, seed=seed)
        assert rounded(result.predictions) == table, seed
        assert low <= result.loss.last <= high, seed
        assert len(result.trace.loss) == 1000


@pytest.mark.slow
def test_3_weights_begin_uniformly_between_minus_one_and_one():
    drawn = []
    for seed in range(10):
        begin = run(scenario("or_gate"), {"model": "handwritten", "expect": {}}, seed=seed, steps=0).parameters
        drawn += [*begin["b"], *(value for row in begin["w"] for value in row)]
    assert len(set(drawn)) == 30
    assert min(drawn) > -1
    assert max(drawn) < 1
    assert min(drawn) < -0.5 < 0.5 < max(drawn)


def by_torch(w, b, steps=1000):
    """The tutorial's loop, written out with torch alone."""
    x = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0]])
    target = torch.tensor([[1.0], [1], [1], [0]])
    w, b = torch.tensor(w, requires_grad=True), torch.tensor(b, requires_grad=True)
    optimizer = torch.optim.Adam([w, b], lr=0.01)
    losses = []
    for _ in range(steps):
        loss = ((torch.sigmoid(x.matmul(w) + b) - target) ** 2).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


@pytest.mark.slow
def test_4_by_hand_and_with_a_module_is_the_same_descent_loss_by_loss():
    w, b = [[0.3], [-0.7]], [0.1]
    hand = run(scenario("or_gate"), {"model": "handwritten", "start": {"w": w, "b": b}})
    module = run(scenario("or_gate"), {"start": {"weight": [[0.3, -0.7]], "bias": b}})
    assert len(hand.trace.loss) == 1000
    assert hand.trace.loss == pytest.approx(module.trace.loss, rel=1e-6, abs=1e-9)
    assert [row[0] for row in hand.parameters["w"]] == pytest.approx(module.parameters["weight"][0], rel=1e-5)
    assert hand.trace.loss == pytest.approx(by_torch(w, b), rel=1e-5, abs=1e-8)


@pytest.mark.slow
def test_4_in_double_precision_they_agree_to_rounding():
    start = {"w": [[0.3], [-0.7]], "b": [0.1]}
    hand = run(scenario("or_gate"), {"model": "handwritten", "start": start, "dtype": "float64"})
    module = run(scenario("or_gate"), {"start": {"weight": [[0.3, -0.7]], "bias": [0.1]}, "dtype": "float64"})
    assert hand.trace.loss == pytest.approx(module.trace.loss, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(("name", "value"), [("quadratic_derivative", 13), ("square_derivative", 48)])
def test_5_derivatives_by_backward(name, value):
    result = run(scenario(name))
    assert result.metrics["derivative"] == [value]
    for point in result.points:
        for entry in point["derivatives"]:
            assert entry["given"] == pytest.approx(value, rel=1e-12)
            assert entry["symbolic"] == pytest.approx(value, rel=1e-12)
            assert entry["central"] == pytest.approx(value, rel=1e-6)
    assert result.verdict == "passed"


def test_5_a_wrong_formula_fails():
    result = run(scenario("square_derivative"), {"derivative": "2*(2*x + 10)", "same_as": "4*x**2 + 100"})
    failed = [each.what for each in result.expectations if not each.passed]
    assert result.verdict == "failed"
    assert len(failed) == 2


def test_6_the_bottom_of_the_bowl():
    result = run(scenario("bowl"))
    assert result.parameters["x"] == pytest.approx(-5, abs=1e-6)
    assert result.loss.last == pytest.approx(0, abs=1e-10)
    errors = [math.sqrt(loss) / 2 for loss in result.trace.loss[:6]]  # |x + 5|, which shrinks by a factor of 0.2
    assert [after / before for before, after in pairwise(errors)] == pytest.approx([0.2] * 5, rel=1e-4)


def test_6_one_step_maps_x_as_the_tutorial_says():
    assert run(scenario("bowl"), steps=1).parameters["x"] == pytest.approx(-0.2 * 1 - 6)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("lr", "status"), [(0.1, "budget"), (0.249, "budget"), (0.25, "budget"), (0.251, "diverged"), (0.3, "diverged")]
)
def test_6_it_diverges_beyond_a_quarter(lr, status):
    result = run(scenario("bowl"), {"optimizer.lr": lr, "dtype": "float64", "expect": {}}, steps=2000)
    assert result.status == status
    assert ("> 2/8 = 0.25" in result.reason) is (status == "diverged")
    if lr == 0.25:
        assert set(result.trace.loss) == {144.0}  # it oscillates for ever


def test_7_a_loss_must_be_differentiable_or_there_is_nothing_to_descend(tmp_path):
    (tmp_path / "step.py").write_text(
        "from playground import hookimpl\n"
        "def mistakes(prediction, target):\n    return (prediction.round() != target).double().mean()\n"
        '@hookimpl\ndef playground_losses():\n    return {"mistakes": mistakes}\n'
    )
    with pytest.raises(Exception, match="nothing to descend: the loss depends on no parameter"):
        run(scenario("and_gate"), {"loss": "mistakes"}, plugins=[str(tmp_path / "step.py")])
