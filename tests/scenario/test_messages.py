"""What pydantic finds, in words for people."""

import math
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from playground.scenario.messages import FaultyKey, UnfitError, faults, format_value


def found(hint, value):
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    model = create_model("Model", __config__=config, p=(hint, ...))
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"p": value})
    return [(fault.path[1:], fault.message) for fault in faults(caught.value)]


def unfit(value: Any) -> Any:
    raise UnfitError("not this one", "deep", 3)


def complaint(value: Any) -> Any:
    raise ValueError("Two\nlines")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    a: int = 0


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (float, True, [((), "expected a number, got true")]),
        (float, "0.1", [((), "expected a number, got '0.1'")]),
        (float, None, [((), "expected a number, got null")]),
        (float, math.inf, [((), "expected a finite number, got .inf")]),
        (float, 10**400, [((), f"expected a number within a float's range, got {format_value(10**400)}")]),
        (int, 1.0, [((), "expected a whole number, got 1.0")]),
        (int, True, [((), "expected a whole number, got true")]),
        (str, 1, [((), "expected text, got 1")]),
        (bool, 1, [((), "expected true or false, got 1")]),
        (list[int], {}, [((), "expected a list, got an empty mapping")]),
        (list[int], [1, "a"], [((1,), "expected a whole number, got 'a'")]),
        (tuple[int, int], [1, 2], [((), "expected a list, got a list")]),
        (tuple[int, int], (1,), [((1,), "missing entry 2 of the list")]),
        (dict[str, int], [1], [((), "expected a mapping, got a list")]),
        (dict[str, int], {1: 1}, [(("1",), "expected a key that is text, got 1")]),
        (Annotated[float, Ge(0)], -1, [((), "expected at least 0, got -1")]),
        (Annotated[float, Gt(0.5)], 0.5, [((), "expected more than 0.5, got 0.5")]),
        (Annotated[int, Le(3)], 4, [((), "expected at most 3, got 4")]),
        (Annotated[float, Lt(1)], 1, [((), "expected less than 1, got 1")]),
        (Annotated[int, MultipleOf(2)], 3, [((), "expected a multiple of 2, got 3")]),
        (Annotated[list[int], MinLen(1)], [], [((), "expected at least 1 entry, got 0")]),
        (Annotated[list[int], MaxLen(2)], [1, 2, 3], [((), "expected at most 2 entries, got 3")]),
        (Annotated[str, MinLen(1)], "", [((), "expected a text that is not empty, got ''")]),
        (Annotated[str, Field(pattern="^a$")], "b", [((), "expected text that matches ^a$, got 'b'")]),
        (Literal["relu", "tanh"], "rleu", [((), "expected 'relu' or 'tanh', got 'rleu'; did you mean 'relu'?")]),
        (Literal["relu", "tanh"], 3, [((), "expected 'relu' or 'tanh', got 3")]),
        (float | None, "x", [((), "expected a number, got 'x'")]),
        (int | list[int], "x", [((), "expected a whole number or a list, got 'x'")]),
        (int | float, "x", [((), "expected a number, got 'x'")]),
        (int | list[int], [1, "x"], [((1,), "expected a whole number, got 'x'")]),
        (list[float] | list[list[float]], [["x"]], [((0, 0), "expected a number, got 'x'")]),
        (Annotated[float, Ge(0)] | str, -1, [((), "expected at least 0, got -1")]),
        (Literal["auto"] | float, "x", [((), "expected 'auto' or a number, got 'x'")]),
        (list[int | str], [None], [((0,), "expected a whole number or text, got null")]),
        (Inner, {"b": 1}, [(("b",), "unknown key 'b'")]),
        (Annotated[int, AfterValidator(unfit)], 1, [(("deep", 3), "not this one")]),
        (Annotated[int, AfterValidator(complaint)], 1, [((), "two lines")]),
        (bytes, 1, [((), "expected a valid bytes, got 1")]),
    ],
)
def test_one_line_for_each_fault(hint, value, expected):
    assert found(hint, value) == expected


def test_missing_and_unknown_keys_with_a_suggestion():
    model = create_model("Model", __config__=ConfigDict(extra="forbid"), lr=(float, ...), momentum=(float, 0.0))
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"momentun": 1.0})
    missing, unknown = faults(caught.value, accepted=["lr", "momentum"])
    assert (missing.path, missing.message) == (("lr",), "missing key 'lr'")
    assert (unknown.path, unknown.message) == (("momentun",), "unknown key 'momentun'; did you mean 'momentum'?")
    assert isinstance(unknown.path[-1], FaultyKey)
    assert not isinstance(missing.path[-1], FaultyKey)


def test_accepted_keys_may_depend_on_where():
    outer = create_model("Outer", __config__=ConfigDict(extra="forbid"), inner=(Inner, ...))
    with pytest.raises(ValidationError) as caught:
        outer.model_validate({"inner": {"b": 1}, "innr": 1})
    messages = {
        fault.path: fault.message for fault in faults(caught.value, lambda path: ("a",) if path else ("inner",))
    }
    assert messages == {
        ("inner", "b"): "unknown key 'b' (accepted: a)",
        ("innr",): "unknown key 'innr'; did you mean 'inner'?",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (False, "false"),
        (-math.inf, "-.inf"),
        (math.nan, ".nan"),
        (1e-05, "1e-05"),
        ("a\nb", "'a\\nb'"),
        ("x" * 100, "'" + "x" * 59 + "…'"),
        ({"a": 1}, "a mapping"),
        ((), "an empty list"),
        (object(), "object"),
    ],
)
def test_shown(value, text):
    assert format_value(value) == text


@pytest.mark.slow
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
@settings(deadline=None, max_examples=50)
def test_whatever_is_shown_is_short_and_one_line(value):
    assert len(format_value(value)) < 300
    assert format_value(value).isprintable()


def test_a_huge_number_is_shown():
    assert len(format_value(16**100_000)) < 100


def test_a_validated_value_that_is_no_model():
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("x")
    assert len(faults(caught.value)) == 1
