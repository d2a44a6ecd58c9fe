"""What a page offers for the hyperparameters of an optimizer."""

from typing import Annotated

import pytest
import torch

from playground.builtin import optimizers
from playground.core.compiled.wasm.live_module import DialRange
from playground.plugins.registry import Component
from playground.plugins.search_ranges import LinearRange, LogRange
from playground.runner.single.dial_ranges import find_dial_ranges


class Declared(torch.optim.Optimizer):
    def __init__(
        self,
        parameters,
        lr: Annotated[float, LogRange(1e-4, 1.0)] = 0.1,
        push: Annotated[float, LinearRange(-2, 2)] = 3.0,
        scale: float = 0.01,
        offset: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        super().__init__(parameters, {"lr": lr})


@pytest.mark.parametrize(
    ("factory", "name", "value", "low", "high", "is_logarithmic"),
    [
        (optimizers.Adam, "lr", 0.05, 1e-5, 10.0, True),
        (optimizers.Adam, "lr", 50.0, 1e-5, 50.0, True),
        (optimizers.Adam, "beta1", 0.9, 0.0, 0.999, False),
        (optimizers.Adam, "beta2", 0.9999, 0.0, 0.9999, False),
        (optimizers.Adam, "eps", 1e-8, 1e-11, 1e-5, True),
        (optimizers.Adam, "weight_decay", 0.0, 0.0, 1.0, False),
        (Declared, "lr", 0.1, 1e-4, 1.0, True),
        (Declared, "push", 3.0, -2.0, 3.0, False),
        (Declared, "scale", 0.01, 1e-5, 10.0, True),
        (Declared, "offset", 0.0, -1.0, 1.0, False),
        (Declared, "betas[0]", 0.9, 0.0, 0.999, False),
    ],
)
def test_ranges(factory, name, value, low, high, is_logarithmic) -> None:
    found = find_dial_ranges(Component("optimizer", "it", factory, "here"), {name: value})[name]
    assert isinstance(found, DialRange)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.is_logarithmic is is_logarithmic
    assert found.low <= value <= found.high
