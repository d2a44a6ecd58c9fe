import json

import pytest

from playground.errors import ComponentError, Fault, Place, ScenarioError
from playground.plugins.causes import describe_exception, exception_message, translate_errors


class MuteError(Exception):
    def __str__(self):
        raise ValueError("cannot even say so")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("too steep"), "ValueError: too steep"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (ValueError(), "ValueError"),
        (KeyError("lr"), "KeyError: 'lr'"),
        (SystemExit(3), "SystemExit: 3"),
        (MuteError(), "MuteError"),
        (SyntaxError("invalid syntax", ("lion.py", 3, 1, "x")), "SyntaxError: invalid syntax (lion.py, line 3)"),
    ],
)
def test_any_exception_is_one_line(error, told):
    assert describe_exception(error) == told


def test_a_long_text_is_shortened():
    assert len(exception_message(ValueError("x" * 10_000))) == 301


def test_the_place_is_the_innermost_frame_of_the_plugins_own_file(write, monkeypatch):
    path = write("fake_steep.py", "import json\n\n\ndef go():\n    json.loads('{')\n")
    monkeypatch.syspath_prepend(str(path.parent))
    import fake_steep

    with pytest.raises(json.JSONDecodeError) as caught:
        fake_steep.go()
    assert describe_exception(caught.value, str(path)).endswith("(fake_steep.py, line 5)")
    assert "(decoder.py, line " in describe_exception(caught.value)


@pytest.mark.parametrize(
    ("raised", "fault"),
    [
        (ValueError("too steep"), Fault("step 3: ValueError: too steep", ("task",))),
        (SystemExit(3), Fault("step 3: SystemExit: 3", ("task",))),
        (ComponentError("too large"), Fault("too large", ("loss",))),
        (ComponentError(Fault("too large", ("model",))), Fault("too large", ("model",))),
        (ScenarioError(Fault("x", place=Place("a.yaml", 1, 2))), Fault("x", place=Place("a.yaml", 1, 2))),
    ],
)
def test_errors_are_translated_to_faults_of_the_scenario(raised, fault):
    with pytest.raises(ScenarioError) as caught, translate_errors("step 3", "task", own="loss"):
        raise raised
    (found,) = caught.value.faults
    assert (found.path, found.place) == (fault.path, fault.place)
    assert found.message.startswith(fault.message)  # followed by the place in the component's file
    assert caught.value.__cause__ is raised


def test_ctrl_c_is_not_translated():
    with pytest.raises(KeyboardInterrupt), translate_errors("step 3", "task"):
        raise KeyboardInterrupt
