import json

import pytest

from playground import run
from playground.result import json_value

BOWL = "task: minimize\nfunction: (2*x + 10)**2\nstart: {x: 1}\noptimizer: {name: sgd, lr: 0.15}\ndtype: float64\n"


def test_the_path_is_where_the_run_was(write):
    found = run(write("bowl.yaml", BOWL), steps=10, record=200)
    kept = found.trace.recording
    xs = [1.0]
    for _ in range(10):
        xs.append(-0.2 * xs[-1] - 6)  # a step of SGD on this bowl
    assert kept.steps == tuple(range(11))
    assert kept.parameters["x"] == pytest.approx(xs)
    assert kept.gradient_norms[:-1] == pytest.approx([abs(8 * x + 40) for x in xs[:-1]])
    assert kept.gradient_norms[-1] is None  # nobody differentiated there
    json.dumps(json_value(vars(kept)), allow_nan=False)


def test_it_is_thinned_and_has_both_ends(write):
    kept = run(write("bowl.yaml", BOWL), steps=1000, record=20).trace.recording
    assert (kept.steps[0], kept.steps[-1]) == (0, 1000)
    assert len(kept.steps) <= 21
    assert list(kept.steps) == sorted(set(kept.steps))
    assert {1, 10, 20, 50, 100, 200, 500} <= set(kept.steps)  # people ask for round steps


def test_a_run_that_ends_early_ends_its_path_there(write):
    found = run(write("bowl.yaml", BOWL + "stop: {loss: 1.0e-4}\n"), record=2000)
    kept = found.trace.recording
    assert kept.steps[-1] == found.steps < 1000
    assert kept.parameters["x"][-1] == found.parameters["x"]
    assert kept.gradient_norms[-1] == pytest.approx(abs(8 * found.parameters["x"] + 40))


@pytest.mark.parametrize("optimizer", ["adam", "torch.LBFGS"])
def test_looking_changes_nothing(write, optimizer):
    text = BOWL.replace("{name: sgd, lr: 0.15}", optimizer)
    seen, alone = (run(write("bowl.yaml", text), steps=20, record=count) for count in (50, 0))
    assert alone.trace.recording is None
    assert (seen.id, seen.trace.loss, seen.parameters, seen.evaluations) == (
        *(alone.id, alone.trace.loss, alone.parameters, alone.evaluations),
    )
