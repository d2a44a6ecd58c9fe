"""Each mistake gets its diagnosis and no other, and a healthy run none."""

import re
from pathlib import Path

import pytest

from playground.errors import ScenarioError
from playground.plugins.manager import load_plugins
from playground.runner.single.preparing import check_structure
from playground.runner.single.running import run_one
from playground.runner.sweeping.sweep import run_sweep
from playground.scenario.expect import Check
from playground.scenario.model import Loaded, load_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"
BROKEN = sorted((SCENARIOS / "broken").glob("*.yaml"))
HEALTHY = [
    file
    for file in sorted(SCENARIOS.glob("*.yaml"))
    if file.stem not in ("bowl_diverges", "backward_check", "and_gate_sweep") and "derivative" not in file.stem
]


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(specs=[str(SCENARIOS / "broken" / "mistakes.py")], autoload=False)


pytestmark = pytest.mark.usefixtures("one_thread")


def changed(file, **update):
    loaded = load_scenario(file)
    return Loaded(loaded.scenario.model_copy(update=update), loaded.source)


def written(folder, text):
    file = folder / "x.yaml"
    file.write_text(text, encoding="utf-8")
    return load_scenario(file)


BOWL = "task: minimize\nfunction: (2*x + 10)**2\nstart: {x: 1}\nsteps: 200\n"


def test_every_diagnosis_has_its_scenario(plugins):
    assert tuple(file.stem for file in BROKEN) == plugins.names("diagnosis")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_mistake_gets_its_diagnosis_and_no_other(file, plugins):
    run = run_one(load_scenario(file), plugins)
    assert [each.name for each in run.diagnoses] == [file.stem]
    assert run.verdict == "passed"
    (diagnosis,) = run.diagnoses
    assert diagnosis.sentence.endswith(".")
    assert any(sign.isdigit() for sign in diagnosis.sentence)
    assert diagnosis.remedy


def silent(file, seed, steps, plugins):
    """Ask a run for a diagnosis, as if it had ended badly."""
    run = run_one(changed(file, seed=seed, steps=steps, expect={"diagnosis": Check(equals="dead_relu")}), plugins)
    assert run.diagnoses == (), (file.stem, seed)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("file", HEALTHY, ids=lambda file: file.stem)
def test_a_healthy_run_has_none(file, plugins):
    for seed in (0, 1):
        silent(file, seed, 30, plugins)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", HEALTHY, ids=lambda file: file.stem)
@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 50), marks=pytest.mark.exhaustive)], ids=str)
def test_fifty_healthy_runs_have_none(file, seeds, plugins):
    for seed in seeds:
        silent(file, seed, min(300, load_scenario(file).scenario.steps), plugins)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "optimizer",
    [
        "{name: sgd, lr: 0.01, momentum: 0.99}",
        "{name: sgd, lr: 0.01, momentum: 0.9, weight_decay: 10}",
        "{name: sgd, lr: 0.01, momentum: 0.9, nesterov: true}",
        *("adam", "radam", "nadam", "lion", "rprop", "adagrad", "adadelta", "rmsprop", "adamax", "adamw"),
        *("torch.SGD", "torch.ASGD", "torch.LBFGS", "torch.RAdam"),
    ],
)
def test_no_optimizer_we_ship_is_accused(optimizer, plugins, tmp_path):
    text = f"{BOWL}optimizer: {optimizer}\nexpect: {{diagnosis: wrong_sign}}\n".replace("steps: 200", "steps: 3")
    assert run_one(written(tmp_path, text), plugins).diagnoses == ()


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("optimizer", "calmer"),
    [
        ("{name: sgd, lr: 0.3}", "below 0.25"),
        ("{name: sgd, lr: 0.6, momentum: 0.9}", "below 0.475"),
        ("{name: torch.SGD, lr: 0.3}", "at 0.03"),
        ("{name: torch.SGD, lr: 40, momentum: 0.9}", "at 0.4"),
        ("{name: torch.ASGD, lr: 0.3}", "at 0.03"),
    ],
)
def test_a_rate_is_too_large_for_any_optimizer_that_it_throws_out(optimizer, calmer, plugins, tmp_path):
    run = run_one(written(tmp_path, f"{BOWL}optimizer: {optimizer}\n"), plugins)
    (found,) = run.diagnoses
    assert found.name == "rate_too_large"
    assert found.sentence.endswith(f"; {calmer} the distance shrinks.")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rate", [0.2501, 0.25001, 0.2500001, 0.250000001])
def test_a_rate_just_above_its_bound_is_told_from_it(rate, plugins, tmp_path):
    more = "dtype: float64\nexpect: {diagnosis: rate_too_large}\n"
    run = run_one(written(tmp_path, f"{BOWL}optimizer: {{name: sgd, lr: {rate}}}\n{more}"), plugins)
    (found,) = run.diagnoses
    pattern = r"at the rate (\S+) multiplies the distance to the minimum by (\S+); below (\S+) the distance shrinks"
    shown, growth, bound = map(float, re.search(pattern, found.sentence).groups())
    assert (shown, bound) == (rate, 0.25)
    assert growth > 1


@pytest.mark.sampled(1)
@pytest.mark.parametrize("scenario", ["and_gate", "bowl", "line"])
@pytest.mark.parametrize(
    ("rate", "dtype"), [("1e20", "float32"), ("1e36", "float32"), ("1e38", "float32"), ("1e300", "float64")]
)
def test_a_rate_beyond_all_measure_is_taken_for_no_other_mistake(scenario, rate, dtype, plugins):
    optimizer = f"{{name: sgd, lr: {rate}}}"
    changes = [("optimizer", optimizer), ("expect", "{loss: {below: 1e-30}}"), ("steps", "5"), ("dtype", dtype)]
    run = run_one(load_scenario(SCENARIOS / f"{scenario}.yaml", changes), plugins)
    assert {each.name for each in run.diagnoses} <= {"rate_too_large", "saturated_sigmoid"}


@pytest.mark.parametrize("optimizer", ["{name: adam, lr: 1000}", "{name: torch.Adam, lr: 1000}"])
def test_a_rate_that_throws_nothing_out_is_not_blamed(optimizer, plugins, tmp_path):
    text = f"{BOWL}optimizer: {optimizer}\nexpect: {{diagnosis: rate_too_large}}\n".replace("200", "20")
    assert run_one(written(tmp_path, text), plugins).diagnoses == ()


@pytest.mark.parametrize("changes", [{"loss": "hinge", "model": "linear"}, {}], ids=["margins", "no margins"])
def test_a_relu_whose_0_is_as_good_as_it_gets_is_not_dead(changes, plugins, tmp_path):
    text = BOWL.replace("(2*x + 10)**2", "relu(x - 3)") + "optimizer: {name: sgd, lr: 0.5}\n"
    loaded = written(tmp_path, text)
    if changes:
        settled = {**changes, "optimizer": "{name: sgd, lr: 0.5}", "steps": "300"}
        loaded = load_scenario(SCENARIOS / "and_gate.yaml", tuple(settled.items()))
    run = run_one(
        Loaded(loaded.scenario.model_copy(update={"expect": {"steps": Check(equals=1)}}), loaded.source), plugins
    )
    assert run.loss.last == 0
    assert (run.verdict, run.diagnoses) == ("failed", ())


def test_a_relu_that_is_dead_in_a_function(plugins, tmp_path):
    text = BOWL.replace("(2*x + 10)**2", "(relu(x) - 1)**2").replace("x: 1", "x: -1") + "optimizer: sgd\n"
    run = run_one(written(tmp_path, text + "expect: {loss: {below: 0.5}}\n"), plugins)
    assert [each.name for each in run.diagnoses] == ["dead_relu"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("factor", "named"), [("1.01", False), ("4", True)])
def test_a_product_explodes_by_its_factors_not_by_what_is_between_them(factor, named, plugins, tmp_path):
    text = f"""
task: minimize
function: ((a*b*c*d*f*g)/0.001*h*k)**4
start: {{{", ".join(f"{each}: {factor}" for each in "abcdfghk")}}}
optimizer: {{name: sgd, lr: 1}}
steps: 9
"""
    run = run_one(written(tmp_path, text), plugins)
    assert run.status in ("nonfinite", "diverged")
    assert ("exploding_product" in [each.name for each in run.diagnoses]) == named


NOISY = """
task: regression
dataset: {name: line, samples: 20, slope: 2, intercept: -1, noise: 0.5}
model: linear
loss: mse
start: {weight: [[2]], bias: [-1]}
seed: 1
batch_size: 1
steps: 30
optimizer: {name: OPTIMIZER, lr: 1.2}
schedule: {name: exponential, gamma: 0.5}
expect: {loss: {below: 0.001}}
"""


@pytest.mark.parametrize("optimizer", ["sgd", "torch.SGD"])
def test_a_rate_that_a_schedule_lowered_is_not_blamed(optimizer, plugins, tmp_path):
    run = run_one(written(tmp_path, NOISY.replace("OPTIMIZER", optimizer)), plugins)
    assert run.loss.last > run.loss.first
    assert (run.verdict, run.diagnoses) == ("failed", ())


def test_a_rate_that_a_schedule_made_too_large_is_that_of_the_last_step(plugins, tmp_path):
    text = f"{BOWL}optimizer: {{name: sgd, lr: 1.0}}\nschedule: {{name: constant, warmup: 30}}\n"
    run = run_one(written(tmp_path, text), plugins)
    (found,) = run.diagnoses
    rate = run.steps / 31
    assert f"at the rate {rate:g} multiplies the distance to the minimum by {abs(1 - 8 * rate):.3g};" in found.sentence
    assert run.reason.endswith(f"lr {rate:g} > 2/8 = 0.25, the largest stable rate")


def test_an_adaptive_optimizer_is_served_by_unscaled_features(plugins):
    def found(optimizer):
        file = SCENARIOS / "broken" / "unscaled_features.yaml"
        run = run_one(load_scenario(file, [("optimizer", optimizer)]), plugins)
        return [each.name for each in run.diagnoses]

    assert found("{name: torch.SGD, lr: 0.0001}") == ["unscaled_features"]
    assert found("{name: torch.Adam, lr: 0.0001}") == []


def test_a_run_that_does_as_expected_is_not_asked(plugins, tmp_path):
    run = run_one(
        written(tmp_path, BOWL + "optimizer: {name: sgd, lr: 0.1}\nexpect: {x: {near: -5, within: 1}}"), plugins
    )
    assert (run.verdict, run.diagnoses) == ("passed", ())


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ("rate_to_large", "x.yaml:6:10: unknown diagnosis 'rate_to_large'; did you mean 'rate_too_large'?"),
        ("{below: 1}", "x.yaml:6:10: expected the name of a diagnosis, such as diagnosis: rate_too_large"),
        ("rate_too_large}\nsweep: {over: {optimizer.lr: [0.1, 0.3]}", "x.yaml:6:10: the runs of a sweep are not"),
    ],
)
def test_bad_input_is_one_line_with_its_place(expected, message, plugins, tmp_path):
    loaded = written(tmp_path, f"{BOWL}optimizer: {{name: sgd, lr: 0.3}}\nexpect: {{diagnosis: {expected}}}\n")
    with pytest.raises(ScenarioError) as caught:
        check_structure(loaded, plugins)
    assert message in str(caught.value)


def test_a_mistake_that_is_expected_and_absent_fails(plugins, tmp_path):
    text = f"{BOWL}optimizer: {{name: sgd, lr: 0.1}}\nexpect: {{diagnosis: rate_too_large}}\n"
    run = run_one(written(tmp_path, text), plugins)
    (expectation,) = run.expectations
    assert (expectation.passed, expectation.what, expectation.value) == (False, "diagnosis rate_too_large", "none")
    assert expectation.line == 6


def test_runs_of_a_sweep_are_not_diagnosed_and_that_is_told_before_any(plugins, tmp_path):
    loaded = written(tmp_path, f"{BOWL}optimizer: {{name: sgd, lr: 0.3}}\nexpect: {{diagnosis: rate_too_large}}\n")
    with pytest.raises(ScenarioError, match=r"x\.yaml:6:10: the runs of a sweep are not diagnosed"):
        run_sweep(loaded, plugins, folder=tmp_path)
