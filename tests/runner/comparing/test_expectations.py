"""What a comparison is expected to show."""

import pytest

from playground.comparison import EffectFinding, PairFinding, ProblemTally
from playground.errors import PlaygroundError
from playground.runner.comparing.expectations import parse_expectation

EFFECTS = {
    "much better": (0.5, 0.4, 0.6, "better"),
    "a little better": (0.95, 0.92, 0.98, "better"),  # and equivalent: a difference of 1.25× is excluded
    "equivalent": (1.0, 0.97, 1.03, "equivalent"),
    "undecided": (0.9, 0.7, 1.2, "cannot tell"),
    "a little worse": (1.1, 1.02, 1.2, "worse"),
    "much worse": (2.0, 1.5, 2.5, "worse"),
}

EQUIVALENT = ("equivalent", "a little better")


def pair(name):
    factor, low, high, word = EFFECTS[name]
    effect = EffectFinding(factor=factor, low=low, high=high, word=word, text=word, equivalent=name in EQUIVALENT)
    return PairFinding(
        optimizer="mine",
        baseline="adam",
        like_these=effect,
        refusal="",
        suite=EffectFinding(factor=1, low=1, high=1, word="equivalent", text="equivalent"),
        new_problem=None,
        shared=None,
        holds={},
        more="",
        tally=ProblemTally(better=0, worse=0, equal=0, cannot_tell=0),
        families=(),
        probes=(),
        improvement=0.5,
        middle=1.0,
    )


MET = {
    "better than adam": ("much better", "a little better"),
    "better than adam by more than 1.5": ("much better",),
    "worse than adam": ("a little worse", "much worse"),
    "worse than adam by more than 1.4x": ("much worse",),
    "equivalent to adam": ("equivalent", "a little better"),
    "not worse than adam": ("much better", "a little better", "equivalent", "undecided"),
    "not worse than adam by more than 1.25": (
        "much better",
        "a little better",
        "equivalent",
        "undecided",
        "a little worse",
    ),
    "not  worse than adam by more than 1.1×": ("much better", "a little better", "equivalent"),
}


@pytest.mark.parametrize("text", MET)
@pytest.mark.parametrize("name", EFFECTS)
def test_what_meets_an_expectation(text, name):
    miss = parse_expectation(text, ["adam", "sgd"]).find_miss([pair(name)])
    assert (miss == "") is (name in MET[text])
    if miss:
        assert miss.startswith(f"expected {text}, found ")
        assert "on problems like these" in miss


FAULTS = {
    "best": "expected 'better than adam'",
    "better than": "expected 'better than adam'",
    "better than adm": "'adm' is not compared; did you mean 'adam'",
    "better than adam by more than 0.9": "a factor of at least 1",
    "equivalent to adam by more than 2": "a factor of at least 1 may follow",
    "better than adam by more than lots": "'adam by more than lots' is not compared",
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults(text):
    with pytest.raises(PlaygroundError) as caught:
        parse_expectation(text, ["adam", "sgd"])
    assert FAULTS[text] in str(caught.value)
    assert "\n" not in str(caught.value)
