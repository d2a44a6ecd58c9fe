"""Where and in what precision a run is computed."""

import pytest
import torch

from playground.core.setting import flush_denormals


def denormal() -> float:
    return (torch.tensor([1e-20]) * 1e-20).item()


@pytest.mark.parametrize("before", [False, True])
def test_denormals_are_flushed_inside_and_as_before_outside(before) -> None:
    if not torch.set_flush_denormal(before):
        pytest.skip("this processor cannot flush denormals")
    try:
        with pytest.raises(ZeroDivisionError), flush_denormals():  # noqa: PT012
            assert denormal() == 0
            raise ZeroDivisionError
        assert (denormal() == 0) is before
    finally:
        torch.set_flush_denormal(False)
