"""Samples that are held out: the same for every engine and seed, measured and never trained on."""

import json
import subprocess
import sys

import pytest
import torch

from playground import run
from playground.core.data import Split
from playground.errors import ScenarioError

SCENARIO = """\
task: regression
dataset: line
model: linear
loss: mse
optimizer: {name: sgd, lr: 0.1}
validation: 0.2
batch_size: 7
steps: 30
"""


def test_a_split_depends_on_its_seed_alone():
    one, same, other = Split.of(50, 0.2, 0), Split.of(50, 0.2, 0), Split.of(50, 0.2, 1)
    assert torch.equal(one.held_out, same.held_out)
    assert not torch.equal(one.held_out, other.held_out)
    assert sorted([*one.kept.tolist(), *one.held_out.tolist()]) == list(range(50))
    assert len(one.held_out) == 10


@pytest.mark.parametrize(("samples", "share"), [(1, 0.5), (4, 0.01), (4, 0.99)])
def test_a_part_without_samples_is_refused(samples, share):
    with pytest.raises(ScenarioError, match="leaves none to"):
        Split.of(samples, share, 0)


def test_what_is_measured_is_the_loss_of_the_held_out_samples(write):
    found = run(write("a.yaml", SCENARIO))
    weight, bias = found.parameters["weight"][0][0], found.parameters["bias"][0]
    trained = {row[0] for row in found.table.rows}
    assert len(found.predictions) == 40
    steps, values = found.trace.validation.steps, found.trace.validation.values
    assert steps == tuple(range(31))
    assert values["validation_loss"][-1] == found.metrics["validation_loss"]
    assert values["validation_r2"][-1] == found.metrics["validation_r2"]
    split = Split.of(50, 0.2, 0)
    from playground.core.seeding import make_generator
    from playground.plugins.manager import load_plugins

    data = load_plugins(autoload=False).registry.get("dataset", "line").load()(generator=make_generator(0, "dataset"))
    kept, held_out = split.take(data)
    loss = (held_out.inputs * weight + bias - held_out.targets).square().mean().item()
    assert found.metrics["validation_loss"] == pytest.approx(loss, rel=1e-5)
    assert trained <= set(kept.inputs.flatten().tolist())


def test_measuring_changes_no_step(write):
    changes = {"model": {"name": "mlp", "hidden": [4]}, "optimizer": "adam"}
    watched = run(write("a.yaml", SCENARIO), changes)
    from playground.core import validating

    budget = validating.thin_steps
    try:
        validating.thin_steps = lambda steps: ()
        alone = run(write("a.yaml", SCENARIO), changes)
    finally:
        validating.thin_steps = budget
    assert watched.trace.loss == alone.trace.loss
    assert watched.parameters == alone.parameters


@pytest.mark.slow
def test_every_engine_measures_alike(playground, write):
    write("a.yaml", SCENARIO)
    seen = []
    for engine in ("compiled", "batched", "plain"):
        result = playground("sweep", "a.yaml", "--seeds", "3", "--engine", engine, "--fresh")
        assert result.exit_code == 0, result.stderr
        rows = json.loads(playground("export", "--format", "json", "--where", f"engine={engine}").stdout)
        rows = rows["runs"] if isinstance(rows, dict) else rows
        seen.append([row["metrics"]["validation_loss"] for row in sorted(rows, key=lambda row: row["seed"])])
    assert len(seen[0]) == 3
    assert seen[0] == pytest.approx(seen[2], rel=1e-5)
    assert seen[1] == pytest.approx(seen[2], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [20, 200])
def test_an_ejected_program_holds_out_the_same(playground, write, tmp_path, samples):
    changes = ("--set", f"dataset={{name: line, samples: {samples}}}")
    write("a.yaml", SCENARIO)
    assert playground("eject", "a.yaml", *changes, "--out", "a.py").exit_code == 0
    told = subprocess.run([sys.executable, "a.py"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    document = json.loads(playground("run", "a.yaml", *changes, "--json").stdout)
    (line,) = (line for line in told.splitlines() if line.startswith("validation loss"))
    assert float(line.rpartition(" ")[2]) == pytest.approx(document["runs"][0]["metrics"]["validation_loss"], rel=1e-6)


def test_it_can_be_expected(playground, write):
    write("a.yaml", SCENARIO + "expect: {validation_loss: {below: 1}, validation_r2: {above: 0}}\n")
    assert playground("run", "a.yaml").exit_code == 0
    write("b.yaml", SCENARIO.replace("validation: 0.2\n", "") + "expect: {validation_loss: {below: 1}}\n")
    assert "nothing named 'validation_loss' is measured here" in playground("check", "b.yaml").stderr
