"""Dropout, with the same draws as in the recorded pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import Tensor

from playground.core.operations import Call, Operation, elementwise


def dropout() -> Operation:
    """x, with some entries set to 0 and the others scaled up."""
    return _dropout(F.dropout)


def dropout1d() -> Operation:
    """x, with some channels of a signal set to 0 and the others scaled up."""
    return _dropout(F.dropout1d)


def dropout2d() -> Operation:
    """x, with some channels of an image set to 0 and the others scaled up."""
    return _dropout(F.dropout2d)


def dropout3d() -> Operation:
    """x, with some channels of a volume set to 0 and the others scaled up."""
    return _dropout(F.dropout3d)


def _dropout(draw: Callable[[Tensor, float], Tensor]) -> Operation:
    """Return the operation of a dropout.

    :param draw: torch's function, called with the tensor and the rate.
    """

    def idle(call: Call) -> bool:
        return not call.get("training", True) or call.get("p", 0.5) == 0

    def slope(call: Call) -> Any:
        if idle(call):
            return torch.ones_like(call.output)
        if call.rng_state is None:  # drawn on another device than the CPU
            return call.output / call["x"]
        with call.same_rng_state():  # draw again: an entry that is 0 in the input does not show whether it was kept
            return draw(torch.ones_like(call.output), call.get("p", 0.5))

    return elementwise(
        "dropout({x})",
        lambda call: "1" if idle(call) else "[kept] / (1 − rate)",
        slope,
        *("p", "training", "inplace"),
        forward=lambda call: call["x"] * slope(call),
    )
