"""Looks at a comparison: which sample is the next, and what each may spend."""

import pytest

from playground.errors import PlaygroundError
from playground.runner.comparing.looks import keep_look, plan_look
from playground.runner.store import Store


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path, name="compare") as opened:
        yield opened


def look(store, question="q", more=None, studies=None, slow=True, keep=True):
    found, remarks = plan_look(store, question, "adam vs sgd", more, studies, slow)
    if keep:
        keep_look(store, found, ["cannot tell"])
    return found, remarks


def test_the_same_sample_is_the_same_look(store):
    assert [look(store)[0].number for _ in range(3)] == [1, 1, 1]


def test_more_studies_are_four_times_as_many(store):
    look(store)
    second, _ = look(store, more="studies")
    third, _ = look(store, more="studies")
    assert [(each.number, each.studies) for each in (second, third)] == [(2, 20), (3, 80)]
    assert look(store)[0] == third or look(store)[0].number == 3  # asked again, the last sample


def test_more_families_are_the_problems_on_request(store):
    look(store)
    second, _ = look(store, more="families")
    assert (second.number, second.tiers) == (2, ("quick", "slow"))
    with pytest.raises(PlaygroundError, match="no more families: write a suite with further problems"):
        look(store, more="families")


def test_a_suite_without_problems_on_request(store):
    with pytest.raises(PlaygroundError, match="no more families"):
        look(store, more="families", slow=False)


def test_a_number_of_studies_is_a_look_of_its_own(store):
    look(store)
    assert look(store, studies=7)[0].number == 2
    assert look(store, studies=5)[0].number == 1


def test_an_interrupted_look_is_not_counted(store):
    look(store, keep=False)
    assert look(store, more="studies")[0].number == 1


def test_changed_optimizers_are_a_new_first_look_and_this_is_said(store):
    assert look(store)[1] == []
    found, remarks = look(store, question="other")
    assert found.number == 1
    assert "has changed since these were last compared" in remarks[0]


def test_looks_outlive_the_process(tmp_path):
    with Store.open(tmp_path, name="compare") as first:
        look(first)
    with Store.open(tmp_path, name="compare") as second:
        assert look(second, more="studies")[0].number == 2
