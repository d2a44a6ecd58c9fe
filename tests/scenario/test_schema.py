"""The JSON Schema, judged by jsonschema's own draft-07 validator."""

import json

import jsonschema
import pytest
import yaml

from playground.scenario import json_schema

COMPONENTS = {
    "function": {
        "expression": {"properties": {"formula": {"type": "string"}}, "required": ["formula"]},
        "rosenbrock": {"description": "Rosenbrock's valley.", "properties": {"dim": {"type": "integer", "minimum": 2}}},
    },
    "optimizer": {
        "sgd": {"properties": {"lr": {"type": "number", "title": "Lr", "default": 0.001}}},
        "adam": {
            "properties": {
                "betas": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]},
                "mode": {"$ref": "#/$defs/Mode", "description": "how"},
                "title": {"type": "string"},
                "limit": {"type": "number", "default": float("inf")},
            },
            "$defs": {"Mode": {"enum": ["fast", "slow"], "title": "Mode"}},
        },
        "open": {"properties": {}, "additionalProperties": True},
    },
    "dataset": {"moons": {}},
}
TASKS = {
    "minimize": {
        "parameters": {"properties": {"start": {"type": "object"}}},
        "kinds": {"function": True, "optimizer": True},
    },
    "derivative": {
        "parameters": {"properties": {"at": {"type": "object"}, "start": {"type": "array"}}, "required": ["at"]},
        "kinds": {"function": True},
    },
}


@pytest.fixture(scope="module")
def schema():
    return json_schema(COMPONENTS, TASKS)


def is_valid(schema, text):
    return jsonschema.Draft7Validator(schema).is_valid(yaml.safe_load(text))


def test_it_is_draft_07_and_plain_json(schema):
    jsonschema.Draft7Validator.check_schema(schema)
    text = json.dumps(schema, allow_nan=False)
    assert "prefixItems" not in text
    assert "$defs" not in text


def test_every_reference_leads_somewhere(schema):
    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
            node = list(node.values())
        for entry in node if isinstance(node, list) else []:
            yield from references(entry)

    found = set(references(schema))
    assert "#/definitions/optimizer.adam.Mode" in found
    assert {reference.removeprefix("#/definitions/") for reference in found} <= set(schema["definitions"])


MINIMIZE = "task: minimize\nfunction: 2*x\n"


@pytest.mark.parametrize(
    "text",
    [
        MINIMIZE + "optimizer: sgd\n",
        MINIMIZE + "optimizer: {name: sgd, lr: 0.1}\nstart: {x: 1}\nsteps: 0\nname: a\nsummary: b\nrequires: [c]\n",
        MINIMIZE + "optimizer: {name: adam, betas: [0.1, 0.2], mode: fast, title: x}\n",
        MINIMIZE + "optimizer: {name: open, whatever: 1}\n",
        "task: {name: minimize}\nfunction: {name: rosenbrock, dim: 3}\noptimizer: adam\n",
        "task: derivative\nfunction: {name: expression, formula: x}\nat: {x: [1]}\nstart: [1]\n",
        MINIMIZE
        + "optimizer: sgd\nexpect: {x: {near: -5, within: 0.1}, status: diverged, d: [13], loss: {below: 1}}\n",
        MINIMIZE + "optimizer: sgd\nstop: {loss: 0.1, patience: {steps: 5}}\nclip: {norm: 1}\nplot: {x: [-1, 1]}\n",
        MINIMIZE + "optimizer: sgd\nsweep: {over: {a: [1], b: {log: [1, 2], points: 2}}, zip: [{c: [1]}]}\n",
    ],
)
def test_valid(schema, text):
    assert is_valid(schema, text)


@pytest.mark.parametrize(
    "text",
    [
        "steps: 3\n",
        "task: fly\n",
        MINIMIZE,
        MINIMIZE + "optimizer: fly\n",
        MINIMIZE + "optimizer: {lr: 0.1}\n",
        MINIMIZE + "optimizer: {name: sgd, rl: 0.1}\n",
        MINIMIZE + "optimizer: {name: sgd, lr: fast}\n",
        MINIMIZE + "optimizer: {name: adam, mode: medium}\n",
        MINIMIZE + "optimizer: {name: adam, betas: [a, b]}\n",
        MINIMIZE + "optimizer: sgd\nstepz: 3\n",
        MINIMIZE + "optimizer: sgd\nat: {x: 1}\n",
        MINIMIZE + "optimizer: sgd\ndataset: moons\n",
        MINIMIZE + "optimizer: sgd\nschedule: cosine\n",
        MINIMIZE + "optimizer: sgd\nstop: {lss: 1}\n",
        MINIMIZE + "optimizer: sgd\nexpect: {loss: {belw: 1}}\n",
        MINIMIZE + "optimizer: sgd\nsection: {}\n",
        "task: minimize\nfunction: {name: expression}\noptimizer: sgd\n",
        "task: {name: minimize, start: {}}\nfunction: x\noptimizer: sgd\n",
        "task: derivative\nfunction: x\n",
    ],
)
def test_not_valid(schema, text):
    assert not is_valid(schema, text)


def test_descriptions_reach_the_editor(schema):
    assert schema["definitions"]["function"]["anyOf"][-1]["description"] == "Rosenbrock's valley."
    assert schema["properties"]["steps"]["description"].startswith("The budget")


def test_a_shorthand_needs_no_parameters(schema):
    assert schema["definitions"]["function"]["anyOf"][0] == {"enum": ["rosenbrock"]}


def test_the_input_is_not_changed():
    components = json.loads(json.dumps(COMPONENTS))
    json_schema(components, TASKS)
    assert components == json.loads(json.dumps(COMPONENTS))


def test_nothing_installed():
    schema = json_schema({}, {})
    jsonschema.Draft7Validator.check_schema(schema)
    assert not is_valid(schema, "task: x\noptimizer: sgd")
