import inspect

import pytest

from playground.plugins import KINDS
from playground.plugins.hookspecs import ARGUMENTS, COMPONENT_HOOKS, EVENTS, Hooks

SPECIFIED = [name for name in vars(Hooks) if name.startswith("playground_")]


def test_every_specified_hook_is_a_component_hook_or_an_event():
    assert sorted(SPECIFIED) == sorted((*COMPONENT_HOOKS, *EVENTS))


def test_every_kind_has_one_hook():
    named = ("task", "model", "loss", "optimizer", "schedule", "function", "dataset", "reporter", "executor")
    assert (*named, "operation", "diagnosis", "loop_diagnosis", "suite") == KINDS
    assert len(set(KINDS)) == len(COMPONENT_HOOKS)


@pytest.mark.parametrize("hook", SPECIFIED)
def test_a_hook_is_documented_with_every_argument(hook):
    text = inspect.getdoc(getattr(Hooks, hook))
    assert len(text.splitlines()) >= 3
    for argument in ARGUMENTS[hook]:
        assert f":param {argument}:" in text


def test_only_events_have_arguments():
    assert {hook: ARGUMENTS[hook] for hook in EVENTS} == {
        "playground_run_started": ("spec",),
        "playground_run_finished": ("result",),
    }
    assert all(ARGUMENTS[hook] == () for hook in COMPONENT_HOOKS)
