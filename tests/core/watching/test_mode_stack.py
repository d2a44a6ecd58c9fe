"""A recorder leaves from wherever it is in torch's stack of modes."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from playground.core.watching.mode_stack import enter_mode, leave_mode, list_modes


class Passing(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("above", [0, 1, 2], ids=str)
def test_a_mode_leaves_from_the_middle(above):
    ours, others = Passing(), [Passing() for _ in range(above)]
    before = list_modes()
    enter_mode(ours)
    for each in others:
        each.__enter__()
    leave_mode(ours)
    leave_mode(ours)  # again does nothing
    assert list_modes() == [*before, *others]
    for each in reversed(others):
        each.__exit__(None, None, None)
    assert list_modes() == before


def test_a_device_context_survives():
    ours = Passing()
    with torch.device("meta"):
        before = list_modes()
        enter_mode(ours)
        leave_mode(ours)
        assert list_modes() == before
        assert torch.ones(2).device.type == "meta"
    assert torch.ones(2).device.type == "cpu"
