"""The collection by name: complete, fast to list, and with a reason for each optimizer that cannot run."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from playground import run
from playground.plugin_api import PlaygroundError, load_plugins
from playground_optimizers.collection import CLASSES, LICENCES, NEEDS, OBSTACLES

FOLDER = Path(__file__).parent.parent

SAMPLE = ("adabelief", "fadam", "gravity", "lbfgs", "muon", "lomo", "prodigy", "ranger21", "schedulefreesgd", "sophiah")


@pytest.fixture(scope="module", autouse=True)
def collection():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the collection's own, when it is imported
        import pytorch_optimizer
    return pytorch_optimizer


@pytest.fixture(scope="module")
def table():
    sys.path.insert(0, str(FOLDER))
    try:
        import table
    finally:
        sys.path.remove(str(FOLDER))
    return table


def test_the_names_are_those_of_the_installed_collection(collection):
    assert [each.lower() for each in CLASSES] == collection.get_supported_optimizers()
    for each in CLASSES:
        assert collection.load_optimizer(each) is getattr(collection, each)


def test_every_fact_is_about_a_class_of_the_collection():
    assert set(OBSTACLES) | set(NEEDS) | set(LICENCES) <= set(CLASSES)
    assert not set(OBSTACLES) & set(NEEDS)


def test_discovery_imports_neither_torch_nor_the_collection():
    program = (
        "import sys; from playground.plugin_api import load_plugins; plugins = load_plugins();"
        "print('collection.lion' in plugins.names('optimizer'), {'torch', 'pytorch_optimizer'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_cannot_run_says_why_in_one_line(name):
    with pytest.raises(PlaygroundError) as caught:
        run(FOLDER / "scenarios/moons.yaml", {"optimizer": f"collection.{name.lower()}"})
    assert f"cannot run here: it {OBSTACLES[name]}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_class_that_could_run_is_refused_and_none_that_is_unknown():
    from playground_optimizers import refused

    with pytest.raises(AttributeError):
        refused.Lion  # noqa: B018
    assert not load_plugins().failures


def rows():
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    return {line.split("`")[1]: line for line in lines if line.startswith("| `")}


def test_the_table_has_every_optimizer():
    assert list(rows()) == [each.lower() for each in CLASSES]


def test_a_sample_of_the_table_is_what_running_it_gives(table):
    for outcome in table.outcomes(SAMPLE):
        assert table.line(*outcome) == rows()[outcome[0]]


def test_the_scenario_passes():
    assert run(FOLDER / "scenarios/moons.yaml").verdict == "passed"
