"""A point that moves on a function, as a minimal module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from playground.core.function import Objective
from playground.core.setting import Setting


class MovingPoint(nn.Module):
    """Holds the variables of a function as parameters; its output is the function's value."""

    def __init__(self, function: Objective, start: Mapping[str, Any], setting: Setting) -> None:
        super().__init__()
        self.function = function
        self._names = tuple(function.variables)
        for name in function.variables:
            value = torch.tensor(start[name], dtype=setting.dtype, device=setting.device)
            self.register_parameter(name, nn.Parameter(value))

    def forward(self, tilts: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Return the function's value at the point, a scalar; with samples, `mean(weights) · terms + mean(tilts) · x`.

        :param tilts: shape `(samples, coordinates)`.
        :param weights: shape `(samples, 1)` for the function, or `(samples, terms)` for its terms.
        """
        if tilts is None or weights is None:
            return self.function(**{name: getattr(self, name) for name in self._names})
        function: Any = self.function
        x, weight, tilt = getattr(self, self._names[0]), weights.mean(0), tilts.mean(0)
        value: Tensor = function(x) * weight.squeeze(0) if len(weight) == 1 else (function.terms(x) * weight).sum()
        tilted: Tensor = value + (tilt * x).sum()
        return tilted
