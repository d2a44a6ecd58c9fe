"""`--over KEY=VALUES`, by table: what it means, and one line for what means nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.cli.over_option import parse_over
from playground.errors import PlaygroundError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("log:1e-4:1:20", {"log": [1e-4, 1], "points": 20}),
        ("linear:-1:1:5", {"linear": [-1, 1], "points": 5}),
        ("random:1e-4:1:30", {"random": [1e-4, 1], "count": 30}),
        ("random:1e-4:1:30:7", {"random": [1e-4, 1], "count": 30, "seed": 7}),
        ("0.003,0.01", [0.003, 0.01]),
        ("1e-3", [1e-3]),
        (" 1 , 2 ", [1, 2]),
        ("[4],[8, 8]", [[4], [8, 8]]),
        ("sgd,{name: adam, beta1: [0.8, 0.9]}", ["sgd", {"name": "adam", "beta1": [0.8, 0.9]}]),
        ("x**2,max(x, 0)", ["x**2", "max(x, 0)"]),
        ("x[0]**2 + x[1]", ["x[0]**2 + x[1]"]),
        ("'a,b',\"c,'d\"", ["a,b", "c,'d"]),
        ("{name: 'a,]'},b", [{"name": "a,]"}, "b"]),
        ("'it''s, really',2", ["it's, really", 2]),
        ("it's,it's", ["it's", "it's"]),
        ("true,null,.inf,no", [True, None, float("inf"), "no"]),
        ("cuda:0,cuda:1", ["cuda:0", "cuda:1"]),
        ("linear", ["linear"]),
        ("linear,mlp", ["linear", "mlp"]),
        ("a=b", ["a=b"]),
    ],
)
def test_values(text, values):
    key, parsed = parse_over(f"optimizer.lr={text}")
    assert (key, parsed) == ("optimizer.lr", values)
    assert str(parsed) == str(values)  # 1 is not True, nor 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected KEY=VALUES, such as optimizer.lr=0.01,0.1"),
        ("lr", "expected KEY=VALUES"),
        ("lr=", "expected KEY=VALUES"),
        ("=1", "expected KEY=VALUES"),
        ("lr=1,,2", "a value is empty; write null or '' if that is meant"),
        ("lr=1,", "a value is empty"),
        ("lr=lgo:1e-4:1:20", "unknown range 'lgo'; did you mean 'log'?"),
        ("lr=log:1e-4:1", "expected log:LOW:HIGH:POINTS, got 2 parts after 'log'"),
        ("lr=log:1e-4:1:20:3", "expected log:LOW:HIGH:POINTS, got 4 parts after 'log'"),
        ("lr=random:1e-4:1", "expected random:LOW:HIGH:COUNT[:SEED], got 2 parts after 'random'"),
        ("lr=log:0:1:20", "expected [low, high] with low more than 0"),
        ("lr=log:a:1:20", "expected a number, got 'a'"),
        ("lr=log:1:1e-4:20", "expected [low, high] with low below high, got [1, 0.0001]"),
        ("lr=log:1e-4::20", "a value is empty"),
        ("lr=linear:0:1:1", "expected at least 2, got 1"),
        ("lr=linear:0:1:2.5", "expected a whole number, got 2.5"),
        ("lr=[4],[8", "']' is missing at the end"),
        ("lr=4],[8]", "']' closes nothing that is open"),
        ("lr={a: [1}", "'}' closes nothing that is open"),
        ("lr='a", '"\'" is missing at the end'),
        ("lr=a: b: c", "a ':' is not allowed here"),
        ("lr=!!python/none x", "tag '!!python/none' is not accepted"),
    ],
)
def test_what_means_nothing(text, message):
    with pytest.raises(PlaygroundError) as caught:
        parse_over(text)
    assert str(caught.value).startswith(f"--over {text}: {message}")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_printed_is_written_out():
    with pytest.raises(PlaygroundError) as caught:
        parse_over("lr=[1,\n\x1b[31m2")
    assert str(caught.value) == "--over lr=[1,\\n\\x1b[31m2: ']' is missing at the end"


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="ab1.-:,[]{}()'\"# \n\t&*!|>%@`=\x00\u2028é", max_size=30) | st.text(max_size=30))
def test_any_text_is_understood_or_refused_in_one_line_each(text):
    try:
        key, values = parse_over(f"a={text}")
    except PlaygroundError as error:
        faults = error.faults
    else:
        assert key == "a"
        assert isinstance(values, list | dict)
        assert values
        faults = ()
    assert all(str(fault).isprintable() for fault in faults)
