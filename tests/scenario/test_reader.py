"""YAML 1.2 core, limits, and one line for everything that is wrong."""

import math

import pytest

from playground.errors import Place, ScenarioError
from playground.scenario.reader import MAX_DEPTH, MAX_NODES, read_yaml, resolve_scalar

UNENDED = "not valid YAML: expected ',' or ']', but got '<stream end>'"


def placer(line, column):
    return Place("f", line + 1, column + 1)


def value_of(text):
    return read_yaml(text, placer).data()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2.5e+4", -25000.0),
        ("010", 10),
        ("+7", 7),
        ("-0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("tRUE", "tRUE"),
        ("10:30", "10:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("0o8", "0o8"),
        ("-0x1", "-0x1"),
        ("1e", "1e"),
        (".", "."),
        ("-", "-"),
        ("e3", "e3"),
        ("nan", "nan"),
        ("١", "١"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_core_says(text, value):
    assert resolve_scalar(text) == value
    assert type(resolve_scalar(text)) is type(value)


def test_nan():
    assert math.isnan(resolve_scalar(".NaN"))


@pytest.mark.parametrize("text", ["'1e-3'", '"1e-3"', "|-\n  1e-3", ">-\n  1e-3"])
def test_quoted_and_block_scalars_are_text(text):
    assert value_of(f"a: {text}") == {"a": "1e-3"}


def test_an_alias_repeats_its_value_and_shares_nothing():
    value = value_of("a: &x {lr: [1]}\nb: *x")
    assert value == {"a": {"lr": [1]}, "b": {"lr": [1]}}
    assert value["a"]["lr"] is not value["b"]["lr"]


def test_json_is_yaml():
    assert value_of('{"a": [1, 2.5, true, null, "\\ud83d\\ude00"]}') == {"a": [1, 2.5, True, None, "😀"]}


def test_nothing_is_none():
    assert read_yaml("", placer) is None
    assert read_yaml("# only a comment\n", placer) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "f:3:1: key 'a' is given twice, on lines 1 and 3"),
        ("a: {b: 1, b: 2}", "f:1:11: key 'b' is given twice, on lines 1 and 1"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document starts here; a scenario file holds one"),
        ("a: 1\n...\nb: 2", "f:3:1: not valid YAML: expected '<document start>', but found '<block mapping start>'"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "f:1:4: tag '!!python/object/apply:os.system' is not accepted; a scenario holds plain data only",
        ),
        ("a: !x 1", "f:1:4: tag '!x' is not accepted; a scenario holds plain data only"),
        ("a: &x [*x]", "f:1:8: alias '*x' is inside its own anchor"),
        ("a: *x", "f:1:4: alias '*x' has no anchor above it"),
        (
            "a: &x {b: 1}\nc:\n  <<: *x",
            "f:3:3: merge keys (<<) are not part of YAML 1.2; repeat the entries, or use an alias for the whole value",
        ),
        ("1: 2", "f:1:1: a key must be text, got 1; put it in quotes"),
        ("a: {~: 1}", "f:1:5: a key must be text, got null; put it in quotes"),
        ("? [a]\n: 3", "f:1:3: a key must be text, got a list"),
        ("? {a: 1}\n: 3", "f:1:3: a key must be text, got a mapping"),
        ("a: {b, lr:0.1}", "f:1:8: key 'lr:0.1' has no value; put a space after the colon"),
        ("a: b: c", "f:1:5: a ':' is not allowed here; quote a text that contains one"),
        ("a:\n\tb: 3", "f:2:1: a tab is not allowed here; indent with spaces"),
        ("a: 1\nlr 0.1\nb: 2", "f:2:1: not valid YAML: this line has no ':' after its key"),
        ("a: [1", f"f:1:6: {UNENDED}, while parsing a flow sequence that starts on line 1"),
        ("a: @b", "f:1:4: not valid YAML: found character '@' that cannot start any token"),
        ("a: \x00", "f:1:4: character U+0000 is not allowed in YAML; is this a text file?"),
        ("a: 1\nb: \ud800", "f:2:4: character U+D800 is not allowed in YAML; is this a text file?"),
        ('a: "\\ud800"', "f:1:4: a text contains half of a surrogate pair, which is not a character"),
        ('a: "\\0"', "f:1:4: a text must not contain the character NUL"),
        ('a: "\\U00110000"', "f:1:1: not valid YAML near here: an unknown escape or directive"),
        ("a: 1e999", "f:1:4: a number beyond a float's range; write .inf for infinity"),
        ("a: " + "9" * 5000, "f:1:4: a number of 5,000 characters; at most 1,000 are accepted"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(text, expected):
    with pytest.raises(ScenarioError) as caught:
        read_yaml(text, placer)
    assert str(caught.value) == expected


def test_every_fault_is_reported_in_one_pass():
    with pytest.raises(ScenarioError) as caught:
        read_yaml("a: 1\na: 2\n3: 4\nb: [", placer)
    assert [fault.place.line for fault in caught.value.faults] == [2, 3, 4]


def nested(depth):
    return "[" * depth + "]" * depth


def test_depth_is_limited():
    assert read_yaml(nested(MAX_DEPTH + 1), placer) is not None
    with pytest.raises(ScenarioError, match="nested more than 64 deep"):
        read_yaml(nested(MAX_DEPTH + 2), placer)


def test_aliases_do_not_get_around_the_depth():
    half = MAX_DEPTH // 2
    with pytest.raises(ScenarioError, match="nested more than 64 deep"):
        read_yaml(f"- &a {nested(half + 1)}\n- {'[' * half}*a{']' * half}", placer)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
            f"more than {MAX_NODES:,} values",
        ),
        ("[" * 500_000, "nested more than 64 deep"),
        ("{a: " * 200_000, "nested more than 64 deep"),
    ],
)
def test_hostile_files_are_refused_at_once(text, message):
    with pytest.raises(ScenarioError, match=message):
        read_yaml(text, placer)
