"""The line of the user's program, found from inside libraries."""

import torch
from torch import nn

from playground.core.user_frames import CodePlace, find_user_line, repeat_line


def test_the_line_of_the_caller_is_found_through_torch():
    found = []
    layer = nn.Sequential(nn.Linear(1, 1))
    layer[0].register_forward_hook(lambda *_: found.append(find_user_line()))
    layer(torch.ones(1, 1))
    (place,) = found
    assert place.file == __file__
    assert place.function == "<lambda>"


def test_a_place_is_short(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert str(CodePlace(str(tmp_path / "train.py"), 12, "main")) == "train.py:12"
    assert str(CodePlace("/elsewhere/train.py", 12, "main")) == "/elsewhere/train.py:12"


def test_a_repeated_call_keeps_its_line():
    place = CodePlace("train.py", 3, "main")
    with repeat_line(place):
        assert find_user_line() == place
    assert find_user_line().file == __file__
