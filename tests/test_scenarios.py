"""The scenarios that we ship: each names its schema, says what it expects, and passes, twice with the same bits."""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from playground.plugins.manager import load_plugins
from playground.runner.batch.batch import run_batch
from playground.runner.loading.overrides import Changes
from playground.runner.loading.schema import scenario_schema
from playground.scenario.model import load_scenario

FOLDER = Path(__file__).parent.parent / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
SHIPPED = {
    "and_gate", "or_gate", "xor_gate", "and_gate_handwritten", "forward_pass", "bowl", "bowl_diverges",
    "quadratic_derivative", "square_derivative", "polynomial_fit", "rosenbrock", "himmelblau", "two_moons", "line",
    "and_gate_sweep", "backward_check",
}  # fmt: skip

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory):
    """Sweeps write into the working directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        yield


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(autoload=False)


@pytest.fixture(scope="module")
def validator(plugins):
    schema = scenario_schema(plugins)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.fixture(scope="module")
def batch(plugins):
    return run_batch(FILES, Changes(), plugins).batch


def test_every_one_of_them_is_here():
    assert {file.stem for file in FILES} >= SHIPPED


@each_file
def test_it_says_what_it_teaches_and_what_it_expects(file):
    scenario = load_scenario(file).scenario
    assert file.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=scenario.schema.json\n# "), (
        "the modeline, and a comment"
    )
    assert scenario.name == file.stem
    assert scenario.summary
    assert scenario.expect


@each_file
def test_it_fits_the_schema(file, validator):
    assert [error.message for error in validator.iter_errors(load_scenario(file).source.data)] == []


MUTATIONS = [
    ("task: minimize", "task: minimise"),
    ("lr: 0.15", "lrr: 0.15"),
    ("lr: 0.15", "lr: fast"),
    ("lr: 0.15", "lr: -1"),
    ("steps: 1000", "steps: -1"),
    ("steps: 1000", "stepz: 1000"),
    ("name: sgd", "name: sdg"),
    ("within: 1e-4", "wthin: 1e-4"),
]


@pytest.mark.parametrize(("old", "new"), MUTATIONS)
def test_the_schema_refuses_what_check_refuses(old, new, validator):
    text = (FOLDER / "bowl.yaml").read_text(encoding="utf-8")
    assert old in text
    data = yaml.safe_load(text.replace(old, new).replace("1e-", "1.0e-"))
    assert not validator.is_valid(data)


@pytest.mark.sampled(1)
@each_file
def test_it_passes(file, batch):
    (run,) = (run for run in batch.results if run.file == str(file))
    assert [each.what for each in run.expectations if not each.passed] == []
    assert run.verdict == "passed"
    assert [each.what for each in run.expectations if each.vacuous] == []


def trace_and_numbers(run):
    return run.id, run.status, run.trace.loss, run.loss, run.parameters, run.predictions, run.metrics


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits(plugins, batch):
    again = run_batch(FILES, Changes(), plugins).batch
    assert list(map(trace_and_numbers, again.runs)) == list(map(trace_and_numbers, batch.runs))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_in_other_processes(plugins, batch):
    files = [file for file in FILES if file.stem in ("and_gate", "line", "himmelblau", "two_moons")]
    beside = run_batch(files, Changes(), plugins, jobs=2).batch
    here = [run for run in batch.runs if run.scenario in [file.stem for file in files]]
    assert list(map(trace_and_numbers, beside.runs)) == list(map(trace_and_numbers, here))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["and_gate", "two_moons", "himmelblau"])
def test_another_seed_gives_another_run(name, plugins, batch):
    other = run_batch([FOLDER / f"{name}.yaml"], Changes(seed=99), plugins).batch.runs[0]
    (run,) = (run for run in batch.runs if run.scenario == name)
    assert other.trace.loss != run.trace.loss
    assert other.id != run.id


def test_comments_name_figures_that_are_so(batch):
    """`forward_pass.yaml` prints y = x·w + b; the sums must be those."""
    text = (FOLDER / "forward_pass.yaml").read_text(encoding="utf-8")
    printed = [
        float(number)
        for number in re.search(r"\[([\d., -]+)\] and the predictions", text.replace("\n# ", " "))[1].split(",")
    ]
    w1, w2, b = 3.2761, 3.4772, -1.3895
    assert printed == pytest.approx([w1 + w2 + b, w1 + b, w2 + b, b], abs=1e-4)
