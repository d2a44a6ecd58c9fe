"""Models and data of short sequences: one number at each of the inputs, which are the steps."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from annotated_types import Ge, Interval
from torch import Generator, Tensor, nn

from playground.core.data import Data
from playground.errors import ComponentError, Fault

Size = Annotated[int, Ge(1)]
"""A number of steps, neurons or samples."""


class RecurrentNetwork(nn.Module):
    """A recurrent network that reads one number at a time: `h = tanh(recurrent · h + input · x_t + bias)`.

    h is 0 at first. The prediction is linear in the last h. Parameters: `recurrent` of shape `(hidden, hidden)`,
    `input` and `bias` of shape `(hidden,)`, `output.weight` and `output.bias`; all uniform in ±1/√hidden.

    :param inputs: number of steps.
    :param outputs: columns of the prediction.
    :param hidden: number of entries of h.

    Source: Elman, Finding structure in time, 1990.
    """

    def __init__(self, inputs: int, outputs: int, hidden: Size = 4) -> None:
        super().__init__()
        bound = 1 / math.sqrt(hidden)
        self.recurrent = nn.Parameter(torch.empty(hidden, hidden).uniform_(-bound, bound))
        self.input = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))
        self.output = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction, shape `(samples, outputs)`, for inputs `x` of shape `(samples, steps)`."""
        state = x.new_zeros(len(x), len(self.bias))
        for step in range(x.shape[1]):
            state = torch.tanh(F.linear(state, self.recurrent) + x[:, step : step + 1] * self.input + self.bias)
        prediction: Tensor = self.output(state)
        return prediction


class Attention(nn.Module):
    """One head of attention: each output is an average of all inputs, weighted by a softmax.

    The weights are `softmax(query · (position + key · x) / √size)`. Parameters: `query` of shape `(outputs, size)`,
    `position` of shape `(inputs, size)`, `key` of shape `(size,)`, all uniform in ±1/√size, and `scale`, the factor on
    the average, which starts at 1.

    :param inputs: number of steps.
    :param outputs: number of queries, and of columns of the prediction.
    :param size: number of entries of a query.

    Source: Vaswani et al., Attention is all you need, 2017, equation 1, with learned queries and positions.
    """

    def __init__(self, inputs: int, outputs: int, size: Size = 3) -> None:
        super().__init__()
        bound = 1 / math.sqrt(size)
        self.query = nn.Parameter(torch.empty(outputs, size).uniform_(-bound, bound))
        self.position = nn.Parameter(torch.empty(inputs, size).uniform_(-bound, bound))
        self.key = nn.Parameter(torch.empty(size).uniform_(-bound, bound))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction, shape `(samples, outputs)`, for inputs `x` of shape `(samples, steps)`."""
        places = self.query @ self.position.T  # (outputs, steps)
        contents = x.unsqueeze(1) * (self.query @ self.key).unsqueeze(1)  # (samples, outputs, steps)
        weights = torch.softmax((places + contents) / math.sqrt(self.key.shape[0]), dim=-1)
        return self.scale * (weights * x.unsqueeze(1)).sum(-1)


def echo(generator: Generator, samples: Size = 16, length: Size = 5, delay: Annotated[int, Ge(0)] = 2) -> Data:
    """Remember a number: sequences of -1 and 1, and the number `delay` steps before the end of each.

    :param generator: source of the numbers; the framework makes it from the key `seed`.
    :param samples: number of sequences.
    :param length: number of steps.
    :param delay: number of steps between the number and the end.
    :returns: inputs of shape `(samples, length)`, targets in `(samples, 1)`.
    :raises ComponentError: the delay is not shorter than the sequence.
    """
    if delay >= length:
        raise ComponentError(Fault(f"expected a delay below the length {length}, got {delay}", ("delay",)))
    inputs = 2.0 * torch.randint(0, 2, (samples, length), generator=generator).double() - 1
    return Data(inputs, inputs[:, [length - 1 - delay]], _names(length))


def reversal(
    generator: Generator, samples: Size = 16, length: Size = 3, blur: Annotated[float, Interval(ge=0, lt=1)] = 0.3
) -> Data:
    """Copy a sequence of normal numbers backwards, blurred: each target is (1 − blur) times its number + blur · mean.

    :param generator: source of the numbers; the framework makes it from the key `seed`.
    :param samples: number of sequences.
    :param length: number of steps.
    :param blur: weight of the mean of the sequence; above 0, an average with positive weights can reach the targets.
    :returns: inputs and targets of shape `(samples, length)`.
    """
    inputs = torch.randn(samples, length, dtype=torch.float64, generator=generator)
    return Data(inputs, (1 - blur) * inputs.flip(1) + blur * inputs.mean(1, keepdim=True), _names(length))


def _names(length: int) -> tuple[str, ...]:
    return tuple(f"x{step}" for step in range(length))
