import enum
import functools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jsonschema
import pytest
from annotated_types import Ge, Gt, Len
from hypothesis import given, settings
from hypothesis import strategies as st

import playground
from playground.errors import ComponentError, Fault, Place, ScenarioError
from playground.plugins import Component, Origin
from playground.plugins.signature import blame_component, build, construct, json_schema, validate
from playground.scenario.messages import FaultyKey

ORIGIN = Origin("test")


def component(factory, kind="optimizer", name="adam"):
    return Component(kind, name, factory, ORIGIN)


class Mode(enum.Enum):
    FAST = "fast"


class Module:
    """Nothing that YAML can write."""


class Pair(NamedTuple):
    low: float
    high: float


def everything(
    lr: Annotated[float, Ge(0)] = 1e-3,
    steps: int = 1,
    flag: bool = False,
    name: str = "a",
    betas: tuple[float, float] = (0.9, 0.999),
    hidden: Annotated[list[Annotated[int, Gt(0)]], Len(1)] = [8],  # noqa: B006
    rows: Sequence[Sequence[float]] = (),
    mode: Mode = Mode.FAST,
    file: Path = Path("."),
    kind: Literal["x", "y"] = "x",
    maybe: float | None = None,
    table: Mapping[str, float] | None = None,
    module: Module = Module(),  # noqa: B008
    call: Callable[[int], int] | None = None,
    copy: int = 0,
    model_config: int = 0,
    free: Any = None,
    bare=None,
):
    """Do everything.

    :param lr: the rate
    """
    return locals()


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("lr", 1, 1.0),
        ("lr", float("inf"), float("inf")),
        ("steps", 10**30, 10**30),
        ("betas", [0.9, 1], (0.9, 1.0)),
        ("betas", (0.9, 1), (0.9, 1.0)),
        ("hidden", [4, 2], [4, 2]),
        ("rows", [[1, 2], [3.5]], [[1.0, 2.0], [3.5]]),
        ("mode", "fast", Mode.FAST),
        ("file", "data.csv", Path("data.csv")),
        ("kind", "y", "y"),
        ("maybe", None, None),
        ("table", {"x": 1}, {"x": 1.0}),
        ("copy", 3, 3),
        ("model_config", 3, 3),
        ("free", {"a": [1, 0.1, None, "é", 10**400]}, {"a": [1, 0.1, None, "é", 10**400]}),
        ("free", "\ud800", "\ud800"),
        ("free", {1: 2}, {1: 2}),
        ("bare", 0.1 + 0.2, 0.1 + 0.2),
    ],
)
def test_what_is_right_is_converted_to_the_parameters_type(name, value, becomes):
    if name == "free" and value == {1: 2}:
        becomes = {"1": 2}  # keys of mappings are texts, in YAML as in JSON
    found = validate(component(everything), {name: value})
    assert found == {name: becomes}
    assert type(found[name]) is type(becomes)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("lr", True, "expected a number, got true"),
        ("lr", "1", "expected a number, got '1'"),
        ("lr", -1, "expected at least 0, got -1"),
        ("lr", None, "expected a number, got null"),
        ("steps", 1.0, "expected a whole number, got 1.0"),
        ("steps", True, "expected a whole number, got true"),
        ("flag", 1, "expected true or false, got 1"),
        ("flag", "on", "expected true or false, got 'on'"),
        ("name", 1, "expected text, got 1"),
        ("betas", [0.9], "missing entry 2 of the list"),
        ("betas", 0.9, "expected a list, got 0.9"),
        ("hidden", [], "expected at least 1 entry, got 0"),
        ("hidden", [4, 0], "expected more than 0, got 0"),
        ("kind", "z", "expected 'x' or 'y', got 'z'"),
        ("module", 1, "this parameter takes an object, which a scenario cannot write"),
        ("module", Module(), "this parameter takes an object, which a scenario cannot write"),
        ("maybe", "x", "expected a number, got 'x'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_at_the_parameter(name, value, told):
    with pytest.raises(ComponentError) as caught:
        validate(component(everything), {name: value})
    (fault,) = caught.value.faults
    assert fault.message == told
    assert fault.path[0] == name


def test_all_faults_are_found_in_one_pass():
    def factory(lr: float, size: int, momentum: float = 0.0): ...

    with pytest.raises(ComponentError) as caught:
        validate(component(factory), {"lr": "x", "momentun": 1})
    assert caught.value.faults == (
        Fault("unknown parameter 'momentun' of optimizer 'adam'; did you mean 'momentum'?", ("momentun",)),
        Fault("optimizer 'adam' needs the parameter 'size'", ("size",)),
        Fault("expected a number, got 'x'", ("lr",)),
    )
    assert isinstance(caught.value.faults[0].path[0], FaultyKey)


@pytest.mark.parametrize(
    ("factory", "kind", "name", "told"),
    [
        (lambda: 1, "model", "x", "unknown parameter 'x': model 'adam' has none"),
        (
            lambda inputs, outputs: 1,
            "model",
            "inputs",
            "parameter 'inputs' of model 'adam' is supplied by playground, not by a scenario",
        ),
        (
            lambda **rest: 1,
            "model",
            "inputs",
            "parameter 'inputs' of model 'adam' is supplied by playground, not by a scenario",
        ),
        (lambda x, a=1: 1, "function", "b", "unknown parameter 'b' of function 'adam' (accepted: a)"),
    ],
)
def test_an_unknown_parameter(factory, kind, name, told):
    with pytest.raises(ComponentError) as caught:
        validate(component(factory, kind), {name: 1})
    assert str(caught.value) == told


def test_defaults_stay_with_the_factory_and_nothing_is_modified():
    given_before = {"betas": [0.5, 0.5]}
    assert validate(component(everything), given_before) == {"betas": (0.5, 0.5)}
    assert given_before == {"betas": [0.5, 0.5]}
    assert validate(component(everything), {}) == {}


def test_an_open_factory_takes_any_name():
    def factory(lr: float = 1.0, **rest): ...

    assert validate(component(factory), {"lr": 2, "odd": [1]}) == {"lr": 2.0, "odd": [1]}
    with pytest.raises(ComponentError, match="expected a number"):
        validate(component(factory), {"lr": "x", "odd": 1})


def test_bounds_that_cannot_be_checked_are_the_components_fault():
    def factory(a: Annotated[str, Ge(0)] = "a"): ...

    with pytest.raises(ComponentError, match="optimizer 'adam': Unable to apply constraint 'ge'"):
        validate(component(factory), {"a": "z"})


@dataclass
class Half:
    other: "Missing"  # noqa: F821


def test_a_type_that_is_half_unknown_checks_nothing_and_breaks_nothing():
    def factory(a: Half | None = None, b: float = 1.0): ...

    assert validate(component(factory), {"a": {"other": 1}}) == {"a": {"other": 1}}
    assert json_schema(component(factory))["properties"] == {
        "a": {"default": None},
        "b": {"default": 1.0, "type": "number"},
    }
    with pytest.raises(ComponentError, match="expected a number"):
        validate(component(factory), {"a": 1, "b": "x"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(st.sampled_from(["lr", "betas", "hidden", "rows", "free", "table", "maybe", "odd"]), json_values)
)
def test_any_plain_data_is_valid_or_a_clean_error(data):
    try:
        found = validate(component(everything), data)
    except ComponentError as error:
        for fault in error.faults:
            assert "\n" not in fault.message
            assert fault.path[0] in data
    else:
        assert found.keys() == data.keys()
        assert found.get("free") == data.get("free")


# -- building ---------------------------------------------------------------------------------------------------------


def loss(prediction, target, delta: float = 1.0):
    return prediction, target, delta


@dataclass(frozen=True)
class Rule:
    lr: float = 0.1


def by_params(params, lr: float = 0.1):
    return params, lr


Optimizer = type("Optimizer", (), {"__module__": "torch.optim.optimizer"})


class Hidden(Optimizer):
    def __init__(self, *args, **rest):
        self.args, self.rest = args, rest


def test_a_direct_loss_is_the_loss_itself_or_has_its_options_bound():
    assert build(component(loss, "loss"), {}) is loss
    bound = build(component(loss, "loss"), {"delta": 2})
    assert isinstance(bound, functools.partial)
    assert bound("p", "t") == ("p", "t", 2.0)


def test_a_rule_is_constructed_and_an_optimizer_waits_for_its_parameters():
    assert build(component(Rule), {"lr": 1}) == Rule(1.0)
    assert build(component(by_params), {"lr": 1})("p") == ("p", 1.0)
    hidden = build(component(Hidden), {"lr": 1})
    assert hidden.func is Hidden
    assert hidden("p").rest == {"lr": 1}
    assert build(component(by_params), {}, {"params": "p"}) == ("p", 0.1)


def test_only_what_the_signature_names_is_injected():
    assert build(component(lambda inputs: [inputs], "model"), {}, {"inputs": 2, "outputs": 1}) == [2]
    assert build(component(lambda **rest: [rest], "model"), {"a": 1}, {"inputs": 2}) == [{"a": 1}]
    assert build(component(lambda inputs, /, b=1: [inputs, b], "model"), {"b": 3}, {"inputs": 2}) == [2, 3]


@pytest.mark.parametrize(
    ("factory", "given_seed", "built"),
    [
        (lambda generator, samples=2: (generator, samples), {}, ("from 0", 2)),
        (lambda generator, samples=2: (generator, samples), {"seed": 5}, ("from 5", 2)),
        (lambda generator, seed=7: (generator, seed), {}, ("from 7", 7)),
        (lambda generator, seed=7: (generator, seed), {"seed": 5}, ("from 5", 5)),
        (lambda folder, samples=2: (folder, samples), {}, ("here", 2)),
    ],
)
def test_a_dataset_that_draws_has_a_seed(factory, given_seed, built):
    injected = {"generator": lambda seed: f"from {seed}", "folder": "here"}
    assert build(component(factory, "dataset"), given_seed, injected) == built


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_seed_is_a_whole_number_from_0(seed):
    with pytest.raises(ComponentError):
        validate(component(lambda generator: 1, "dataset"), {"seed": seed})


def test_a_dataset_that_draws_nothing_has_no_seed():
    with pytest.raises(ComponentError, match="unknown parameter 'seed'"):
        validate(component(lambda samples=1: 1, "dataset"), {"seed": 1})


def raising(error):
    def factory():
        raise error

    return factory


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("Invalid learning rate:\n -1"), "optimizer 'adam': Invalid learning rate: -1"),
        (RuntimeError(), "optimizer 'adam': RuntimeError"),
        (KeyError("lr"), "optimizer 'adam': KeyError: 'lr'"),
        (SystemExit(1), "optimizer 'adam': SystemExit: 1"),
    ],
)
def test_what_a_constructor_raises_is_one_line(error, told):
    with pytest.raises(ComponentError) as caught:
        build(component(raising(error)), {})
    assert str(caught.value) == told
    assert caught.value.__cause__ is error


def test_errors_of_playground_pass_as_they_are():
    error = ScenarioError(Fault("a hole", place=Place("data.csv", 3, 1)))
    with pytest.raises(ScenarioError) as caught:
        build(component(raising(error)), {})
    assert caught.value is error


def test_ctrl_c_is_nobodys_fault():
    with pytest.raises(KeyboardInterrupt), blame_component(component(Rule)):
        raise KeyboardInterrupt


def test_a_factory_that_forgets_to_return_is_told():
    with pytest.raises(ComponentError, match="optimizer 'adam': its factory returned None"):
        build(component(lambda: None), {})


def test_construct_takes_what_validate_returned():
    assert construct(component(Rule), validate(component(Rule), {"lr": 2}), {}) == Rule(2.0)


# -- schema -----------------------------------------------------------------------------------------------------------


def test_the_schema_says_what_validation_says():
    schema = json_schema(component(everything))
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["description"] == "Do everything."
    assert schema["additionalProperties"] is False
    assert schema["required"] == []
    assert schema["properties"]["lr"] == {"type": "number", "minimum": 0, "default": 1e-3, "description": "the rate"}
    assert schema["properties"]["mode"]["enum"] == ["fast"]
    assert schema["properties"]["betas"]["items"] == [{"type": "number"}, {"type": "number"}]
    assert schema["properties"]["betas"]["default"] == [0.9, 0.999]
    text = json.dumps(schema)
    assert "$ref" not in text
    assert "prefixItems" not in text
    validator = jsonschema.Draft7Validator(schema)
    for right in ({}, {"lr": 1}, {"betas": [0, 1]}, {"mode": "fast"}, {"copy": 1}):
        assert validator.is_valid(right)
        validate(component(everything), right)
    for wrong in ({"lr": -1}, {"lr": True}, {"betas": [1]}, {"betas": [1, 2, 3]}, {"mode": "slow"}, {"lrr": 1}):
        assert not validator.is_valid(wrong)
        with pytest.raises(ComponentError):
            validate(component(everything), wrong)


def test_the_schema_requires_what_has_no_default_and_leaves_out_what_is_injected():
    schema = json_schema(component(lambda inputs, outputs, width: 1, "model"))
    assert schema == {
        "type": "object",
        "properties": {"width": {}},
        "required": ["width"],
        "additionalProperties": False,
    }


@dataclass
class Tree:
    value: float
    below: "list[Tree]"


def test_a_type_within_itself_ends_somewhere():
    def factory(tree: Tree, pair: Pair): ...

    schema = json_schema(component(factory))
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["properties"]["tree"]["properties"]["below"] == {"items": {}, "type": "array"}
    assert validate(component(factory), {"tree": {"value": 1, "below": []}, "pair": [1, 2]}) == {
        "tree": Tree(1.0, []),
        "pair": Pair(1.0, 2.0),
    }


def test_an_infinite_default_is_not_in_the_schema():
    assert json_schema(component(lambda limit=float("inf"): 1))["properties"]["limit"] == {"type": "number"}


def test_every_optimizer_of_torch_can_be_described_and_built():
    import torch

    names = [name for name, cls in vars(torch.optim).items() if isinstance(cls, type)]
    assert len(names) > 10
    for name in names:
        torch_component = component(f"torch.optim:{name}", name=f"torch.{name}")
        schema = json_schema(torch_component)
        jsonschema.Draft7Validator.check_schema(schema)
        if name not in ("Optimizer", "Muon"):
            assert "params" not in schema["properties"]
            assert schema["required"] == []
    adam = component("torch.optim:Adam", name="torch.Adam")
    bound = build(adam, {"lr": 1, "betas": [0.5, 0.5]})
    assert (bound.func, bound.keywords) == (torch.optim.Adam, {"lr": 1.0, "betas": (0.5, 0.5)})
    with pytest.raises(ComponentError) as caught, blame_component(adam):
        torch.nn.Linear(2, 2)(torch.zeros(3))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_none_of_this_imports_torch():
    code = (
        "import sys, playground.plugins.signature, playground.plugins.describe\n"
        "print({'torch', 'numpy', 'sympy', 'rich'} & sys.modules.keys())"
    )
    root = Path(playground.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
