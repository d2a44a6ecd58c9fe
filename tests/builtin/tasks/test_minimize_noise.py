"""`minimize` with a rotation, a stretch, a spread, and samples that weight and tilt the function."""

import contextlib
import io
import re

import pytest
import torch

from playground.builtin import noise
from playground.builtin.functions.classic import quadratic, rosenbrock
from playground.builtin.tasks.minimize import Minimize
from playground.core.data import Data
from playground.core.setting import Setting
from playground.errors import ScenarioError
from playground.expression import parse
from playground.plugins.manager import load_plugins
from playground.runner.ejecting.program import eject
from playground.runner.ejecting.rendering import render_script
from playground.runner.loading.overrides import Changes, load_with_changes
from playground.runner.single.running import run_one

DOUBLE = Setting(torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


DATA = {
    "normal": noise.normal_noise(generator(), dim=3),
    "student": noise.student_noise(generator(), dim=3),
    "factors of the whole": noise.factor_noise(generator(), dim=3),
    "factors of terms": noise.factor_noise(generator(), dim=3, terms=3),
    "masks": noise.masks(dim=3, terms=3),
    "drift": noise.drift(dim=3),
    "flips": noise.sign_flips(dim=3),
    "rare": noise.rare_push(dim=3),
}


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(autoload=False)


def start(seed, **options):
    torch.manual_seed(seed)
    return Minimize(rosenbrock(), **options).problem(DOUBLE).parameters["x"].detach()


@pytest.mark.parametrize(
    "changes", [{}, {"rotation": 3, "stretch": 4.0, "shift": 1.0}, {"shift": 1.0}], ids=["plain", "changed", "shifted"]
)
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_the_loss_over_all_data_is_the_function(data, changes):
    task = Minimize(quadratic(3, 100.0), dataset=data, **changes)
    problem, plain = task.problem(DOUBLE), Minimize(quadratic(3, 100.0), **changes).problem(DOUBLE)
    for seed in range(5):
        point = {"x": torch.randn(3, dtype=torch.float64, generator=generator(seed))}
        loss = problem.loss(problem.forward(point), problem.batches.data)
        torch.testing.assert_close(loss, plain.loss(plain.forward(point), ()), rtol=1e-15, atol=0)


def test_a_batch_tilts_and_weights():
    data = Data(torch.tensor([[1.0, 2.0], [-1.0, -2.0]]), torch.tensor([[0.5, 2.0], [1.5, 0.0]]), ("a", "b"))
    problem = Minimize(quadratic(2, 10.0), dataset=data).problem(Setting(torch.float64, batch_size=1))
    point = {"x": torch.tensor([3.0, 4.0], dtype=torch.float64)}
    first, second = (
        problem.loss(problem.forward(point), (a[None], b[None])) for a, b in zip(*problem.batches.data, strict=True)
    )
    assert first.item() == 0.5 * 4.5 + 2 * 80 + 3 + 8
    assert second.item() == 1.5 * 4.5 - 3 - 8


def test_a_sequence_is_visited_in_its_order():
    for seed in (0, 1):
        setting = Setting(torch.float64, seed=seed, batch_size=1)
        batches = Minimize(quadratic(3), dataset=DATA["drift"]).problem(setting).batches
        assert [batches.select_samples(step).item() for step in range(130)] == [step % 64 for step in range(130)]
    batches = Minimize(quadratic(3), dataset=DATA["normal"]).problem(setting).batches
    assert [batches.select_samples(step).item() for step in range(64)] != list(range(64))


def test_the_seed_spreads_the_start():
    one, again, other = start(0, spread=0.5), start(0, spread=0.5), start(1, spread=0.5)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    centre = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    found = torch.stack([start(seed, spread=0.5) for seed in range(200)]) - centre
    assert found.abs().max() <= 0.5
    assert found.abs().max(0).values.min() > 0.45


def test_the_spread_of_a_given_start():
    found = torch.stack([start(seed, start={"x": [1.0, 2.0]}, spread=0.1) for seed in range(50)])
    assert (found - torch.tensor([1.0, 2.0])).abs().max() <= 0.1


@pytest.mark.parametrize("options", [{"spread": 0.5}, {"start": {"x": [0.5, 2.0]}}], ids=["customary", "given"])
def test_partners_start_at_the_same_value(options):
    for seed in range(3):
        values = []
        for changes in ({}, {"rotation": 1}, {"stretch": 100.0}, {"rotation": 2, "stretch": 9.0}, {"shift": 1.5}):
            torch.manual_seed(seed)
            problem = Minimize(rosenbrock(), **options, **changes).problem(DOUBLE)
            values.append(problem.loss(problem.module, ()).item())
        assert values == pytest.approx([values[0]] * 5, rel=1e-12)


def test_distance_is_measured_in_the_new_coordinates():
    task = Minimize(rosenbrock(), rotation=1, stretch=4.0)
    problem = task.problem(DOUBLE)
    at = {"x": torch.tensor(task.function.minima[0].point, dtype=torch.float64)}
    assert problem.loss(problem.forward(at), ()).item() == pytest.approx(0, abs=1e-24)
    assert task.measure(problem, at)["distance"].item() == 0


def table(inputs, targets):
    return Data(torch.tensor(inputs), torch.tensor(targets), tuple(f"x{i}" for i in range(len(inputs[0]))))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (table([[1.0], [-1.0]], [[1.0], [1.0]]), "inputs: expected 2 columns, one for each coordinate, got 1"),
        (
            table([[0.0, 0.0]], [[1.0, 1.0, 1.0]]),
            "targets: expected 1 or 2 columns, one for each term of the function, got 3",
        ),
        (table([[1.0, 0.0]], [[1.0]]), "inputs: expected columns that average 0 over all samples"),
        (table([[0.0, 0.0]], [[2.0]]), "targets: expected columns that average 1 over all samples"),
    ],
    ids=["columns", "terms", "tilts", "weights"],
)
def test_data_that_do_not_average_to_the_function(data, message):
    with pytest.raises(ScenarioError, match=re.escape(message)):
        Minimize(quadratic(2), dataset=data).problem(DOUBLE)


@pytest.mark.parametrize("key", ["rotation", "stretch", "shift", "dataset"])
def test_formulas_have_no_coordinates(key):
    value = {"rotation": 1, "stretch": 2.0, "shift": 1.0, "dataset": DATA["normal"]}[key]
    with pytest.raises(ScenarioError, match="expected a function of one vector, got a formula") as error:
        Minimize(parse("x**2"), start={"x": 1.0}, **{key: value}).problem(DOUBLE)
    assert error.value.faults[0].path == (key,)


SCENARIO = """
task: minimize
function: {{name: quadratic, dim: 4, condition: 100}}
rotation: 1
stretch: 4
shift: 2
dataset: {{name: {}, dim: 4}}
batch_size: 4
dtype: float64
optimizer: {{name: sgd, lr: 0.001}}
steps: 50
"""


@pytest.mark.parametrize("dataset", ["student_noise", "drift"])
def test_a_program_has_the_losses_of_the_run(dataset, tmp_path, plugins):
    file = tmp_path / "x.yaml"
    file.write_text(SCENARIO.format(dataset))
    loaded = load_with_changes(file, Changes(), plugins)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(render_script(eject(loaded, plugins)), {"__name__": "__main__"})
    run = run_one(loaded, plugins)
    losses = re.findall(r"^(?:first|last) loss +(\S+)$", printed.getvalue(), re.MULTILINE)
    assert list(map(float, losses)) == [run.loss.first, run.loss.last]


def test_a_program_has_no_terms(tmp_path, plugins):
    file = tmp_path / "x.yaml"
    file.write_text(SCENARIO.format("masks, terms: 4"))
    with pytest.raises(ScenarioError, match="samples that weight the terms of a function cannot be written"):
        eject(load_with_changes(file, Changes(), plugins), plugins)
