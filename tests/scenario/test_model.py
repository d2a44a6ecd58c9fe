"""A scenario file from end to end: valid and frozen, or every fault in one line with its place."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from playground.errors import PlaygroundError, ScenarioError
from playground.scenario import (
    Check,
    ClipSection,
    ComponentRef,
    Patience,
    Scenario,
    Stop,
    load_scenario,
    parse_scenario,
    parse_source,
)

AND_GATE = """\
# yaml-language-server: $schema=scenario.schema.json
name: and_gate
summary: One linear neuron and a sigmoid learn logical AND.
task: classification
requires: [lion]
dataset: and_gate
model: {name: perceptron, activation: sigmoid}
loss: mse
optimizer: {name: adam, lr: 1e-2}
steps: 1000
seed: 0
batch_size: 2
stop: {loss: 0.001, patience: {steps: 50}}
clip: {norm: 1}
dtype: float64
expect:
  loss: {below: 0.05}
  status: budget
  predictions: {rounded: [[1], [0], [0], [0]]}
plot: {x: [-10, 4]}
sweep:
  over:
    optimizer: [sgd, {name: adam, beta1: [0.8, 0.9]}]
    optimizer.lr: {log: [1e-4, 1], points: 20}
    seed: {count: 50}
  zip: [{steps: [100, 1000], batch_size: [4, 2]}]
  expect: {passed: {at_least: 0.95}}
start: {layer1.weight: [[1, 2]]}
"""


def scenario_of(text):
    return parse_scenario(parse_source(text, "f.yaml"))


def test_everything_a_scenario_can_say():
    scenario = scenario_of(AND_GATE)
    assert scenario.name == "and_gate"
    assert scenario.task == ComponentRef(name="classification")
    assert scenario.requires == ["lion"]
    assert dict(scenario.components) == {
        "dataset": ComponentRef(name="and_gate"),
        "model": ComponentRef(name="perceptron", parameters={"activation": "sigmoid"}),
        "loss": ComponentRef(name="mse"),
        "optimizer": ComponentRef(name="adam", parameters={"lr": 0.01}),
    }
    assert scenario.stop == Stop(loss=0.001, patience=Patience(steps=50))
    assert scenario.clip == ClipSection(norm=1.0)
    assert scenario.expect["loss"] == Check(below=0.05)
    assert scenario.expect["status"] == Check(equals="budget")
    assert scenario.plot == {"x": (-10.0, 4.0)}
    assert scenario.sweep.over["optimizer.lr"].log == (0.0001, 1.0)
    assert scenario.section == {"start": {"layer1.weight": [[1, 2]]}}


def test_defaults():
    scenario = scenario_of("task: minimize\n")
    assert scenario == Scenario(name="f", task=ComponentRef(name="minimize"))
    assert (scenario.steps, scenario.seed, scenario.batch_size, scenario.clip) == (1000, 0, None, None)
    assert scenario.stop == Stop(loss=None, gradient=None, patience=None, divergence=1e6)
    assert (scenario.dtype, scenario.device, scenario.summary) == ("float32", "cpu", "")


def test_a_formula_is_a_function():
    expected = ComponentRef(name="expression", parameters={"formula": "(2*x + 10)**2"})
    assert scenario_of("task: m\nfunction: (2*x + 10)**2").components["function"] == expected


def test_no_steps_and_no_divergence_limit_are_allowed():
    scenario = scenario_of("task: m\nsteps: 0\nstop: {divergence: .inf}")
    assert scenario.steps == 0
    assert scenario.stop.divergence == float("inf")


def test_a_scenario_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        scenario_of("task: m").steps = 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("steps: -1", "2:8: expected at least 0, got -1"),
        ("steps: 1.0", "2:8: expected a whole number, got 1.0"),
        ("steps: true", "2:8: expected a whole number, got true"),
        ("steps: 10000000000", "2:8: expected at most 1000000000, got 10000000000"),
        ("seed: 9223372036854775808", "2:7: expected less than 9223372036854775808, got 9223372036854775808"),
        ("batch_size: 0", "2:13: expected at least 1, got 0"),
        ("name: 3", "2:7: expected text, got 3"),
        ('name: "a\\nb"', "2:7: expected a name of printable characters on one line, got 'a\\nb'"),
        ("name: ''", "2:7: expected a text that is not empty, got ''"),
        ("summary: [a]", "2:10: expected text, got a list"),
        ("requires: lion", "2:11: expected a list, got 'lion'"),
        ("requires: [a, 'x; rm']", "2:15: expected the name of a plugin, got 'x; rm'"),
        ("optimizer: 3", "2:12: expected a name or {name: ..., parameter: value}, got 3"),
        ("optimizer: [sgd]", "2:12: expected a name or {name: ..., parameter: value}, got a list"),
        ("schedule:", "2:10: expected a name or {name: ..., parameter: value}, got null"),
        ("optimizer: {lr: 1}", "2:12: missing key 'name'"),
        ("optimizer: {name: 3}", "2:19: expected text, got 3"),
        ("stop: {lost: 1}", "2:8: unknown key 'lost'; did you mean 'loss'?"),
        ("stop: {patience: {steps: 5, improvment: 1}}", "2:29: unknown key 'improvment'; did you mean 'improvement'?"),
        ("stop: {patience: {}}", "2:18: missing key 'steps'"),
        ("stop: {gradient: -1}", "2:18: expected at least 0, got -1"),
        ("stop: {divergence: .nan}", "2:20: expected more than 0, got .nan"),
        ("stop: {loss: .nan}", "2:14: expected a finite number, got .nan"),
        ("clip: {}", "2:7: expected 'norm' or 'value', such as {norm: 1}"),
        ("clip: {nrm: 1}", "2:8: unknown key 'nrm'; did you mean 'norm'?"),
        ("clip: {norm: 0}", "2:14: expected more than 0, got 0"),
        ("dtype: float23", "2:8: expected 'float32' or 'float64', got 'float23'; did you mean 'float32'?"),
        ("trace_loss: all", "2:13: expected 'batch' or 'all_data', got 'all'; did you mean 'all_data'?"),
        ("device: 0", "2:9: expected text, got 0"),
        ("expect: {loss: {belw: 1}}", "2:17: unknown key 'belw'; did you mean 'below'?"),
        ("expect: {loss: {below: high}}", "2:24: expected a number, got 'high'"),
        ("expect: {d: [13, a]}", "2:18: expected a number, got 'a'"),
        ("expect: {d: {equals: [13, a]}}", "2:27: expected a number, got 'a'"),
        ("expect: []", "2:9: expected a mapping, got an empty list"),
        ("plot: {x: [4, -10]}", "2:11: expected [low, high] with low below high, got [4, -10]"),
        ("sweep: {over: {lr: {lgo: [1, 2]}}}", "2:21: unknown key 'lgo'; did you mean 'log'?"),
        ("sweep: {ovr: {lr: [1]}}", "2:9: unknown key 'ovr'; did you mean 'over'?"),
        ("sweep: {over: {lr: [1]}, expect: {q: [a]}}", "2:39: expected a number, got 'a'"),
        ("sweep: {over: {lr: []}}", "2:20: expected at least 1 entry, got 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(line, message):
    with pytest.raises(ScenarioError) as caught:
        scenario_of(f"task: m\n{line}\n")
    assert str(caught.value) == f"f.yaml:{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: 1", "f.yaml:1:1: missing key 'task'"),
        ("taks: m", "f.yaml:1:1: missing key 'task'\nf.yaml:1:1: unknown key 'taks'; did you mean 'task'?"),
        (
            "task: {name: m, start: 1}",
            "f.yaml:1:17: a task's own keys belong at the top level of the file, beside 'task'; move 'start' there",
        ),
    ],
)
def test_the_task(text, message):
    with pytest.raises(ScenarioError) as caught:
        scenario_of(text)
    assert str(caught.value) == message


def test_all_faults_of_a_file_come_together_in_its_order():
    with pytest.raises(ScenarioError) as caught:
        scenario_of("seed: -1\ntask: m\nexpect:\n  loss: {}\nsteps: x\nstop: {a: 1}\n")
    assert [fault.place.line for fault in caught.value.faults] == [1, 4, 5, 6]


def test_load_scenario_with_overrides(tmp_path):
    file = tmp_path / "bowl.yaml"
    file.write_text("task: minimize\noptimizer: sgd\n")
    loaded = load_scenario(file, [("optimizer.lr", "1"), ("steps", "5"), ("optimizer.lr", "0.1")])
    assert loaded.scenario.name == "bowl"
    assert loaded.scenario.steps == 5
    assert loaded.scenario.components["optimizer"] == ComponentRef(name="sgd", parameters={"lr": 0.1})
    assert str(loaded.source.place(("optimizer", "lr"))) == "--set optimizer.lr=0.1"
    with pytest.raises(ScenarioError, match=r"^--set steps=-1: expected at least 0, got -1$"):
        load_scenario(file, [("steps", "-1")])


def is_valid_or_a_clean_error(make):
    try:
        made = make()
    except ScenarioError as error:
        made = error
    if isinstance(made, ScenarioError):
        assert made.faults
        assert all(fault.message and fault.message.isprintable() for fault in made.faults)
        assert all(fault.place is not None for fault in made.faults)
    else:
        assert isinstance(made, Scenario)


SNIPPETS = st.sampled_from(
    ["\n", "  ", "\t", "{", "}", "[", "]", ":", ": ", ",", "#", "&a ", "*a", "<<", "!!", "|", ">", "'", '"', "\\U0011",
     "-", "---\n", "? ", "%", "true", "null", ".nan", "1e999", "-1", "name", "\0", "\ufeff", "é", "task: ", "\u2028"]
)  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, len(AND_GATE)), st.integers(0, 12), SNIPPETS | st.text(max_size=3)), max_size=4)
)
@settings(deadline=None, max_examples=100)
def test_any_change_to_the_text_gives_a_scenario_or_a_clean_error(changes):
    text = AND_GATE
    for start, length, inserted in changes:
        text = text[:start] + inserted + text[start + length :]
    is_valid_or_a_clean_error(lambda: scenario_of(text))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "loss", "steps"]), inner),
    max_leaves=5,
)
KEYS = st.sampled_from([*yaml.safe_load(AND_GATE), "stop.patience.steps", "expect.loss", "sweep.over", "model.hidden"])


@pytest.mark.slow
@given(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=3))
@settings(deadline=None, max_examples=100)
def test_any_value_anywhere_gives_a_scenario_or_a_clean_error(changes):
    def make():
        source = parse_source(AND_GATE, "f.yaml")
        for key, value in changes:
            source = source.set(key, yaml.safe_dump(value, default_flow_style=True, allow_unicode=True))
        return parse_scenario(source)

    is_valid_or_a_clean_error(make)


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=60)
def test_any_bytes_give_a_scenario_or_a_clean_error(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(data)
    is_valid_or_a_clean_error(lambda: load_scenario(file).scenario)


def test_errors_are_the_projects_own():
    assert issubclass(ScenarioError, PlaygroundError)
