"""Models: from inputs of shape `(samples, inputs)` to predictions of shape `(samples, outputs)`.

`inputs` and `outputs` are the sizes that the data ask for. Initial parameters are drawn from torch's global
generator, which the framework seeds before it builds a model.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from annotated_types import Ge, Le
from torch import Tensor, nn

Activation = Literal[
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "softplus",
    "hardtanh",
    "sin",
]
"""The names that a scenario may use; spelled out, because validation and the JSON Schema read this annotation."""


def identity(x: Tensor) -> Tensor:
    """Return `x` unchanged: no activation."""
    return x


ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "identity": identity,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "hardtanh": F.hardtanh,
    "sin": torch.sin,
}
"""Each activation by name, elementwise and with the constants of `torch.nn.functional`."""


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """One linear layer: `x · weightᵀ + bias`.

    Parameters: `weight` of shape `(outputs, inputs)` and `bias` of shape `(outputs,)`, uniform in ±1/√inputs.

    :param inputs: columns of x.
    :param outputs: columns of the prediction.
    :param bias: whether a constant is added.
    :returns: the module.

    Source: `torch.nn.Linear`.
    """
    return nn.Linear(inputs, outputs, bias)


class Perceptron(nn.Linear):
    """One layer of neurons: `activation(x · weightᵀ + bias)`.

    Parameters: `weight` of shape `(outputs, inputs)` and `bias` of shape `(outputs,)`, uniform in ±1/√inputs.

    :param inputs: columns of x.
    :param outputs: columns of the prediction, one neuron each.
    :param activation: the function at the end of each neuron.

    Source: Rosenblatt 1958, with a differentiable activation in place of his step.
    """

    def __init__(self, inputs: int, outputs: int, activation: Activation = "sigmoid") -> None:
        super().__init__(inputs, outputs)
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction, shape `(samples, outputs)`, for inputs `x` of shape `(samples, inputs)`."""
        return self.activation(F.linear(x, self.weight, self.bias))

    def extra_repr(self) -> str:
        """Show the activation beside the sizes."""
        return f"{super().extra_repr()}, activation={self.activation_name}"


def mlp(
    inputs: int,
    outputs: int,
    hidden: tuple[Annotated[int, Ge(1)], ...] = (8,),
    activation: Activation = "tanh",
    output: Activation = "identity",
) -> nn.Sequential:
    """Multilayer perceptron: layers of neurons, each reading the one before.

    Parameters: `layer1.weight` of shape `(neurons, inputs)`, `layer1.bias`, `layer2.weight`, ... to the last layer,
    each layer uniform in ±1/√(its inputs).

    :param inputs: columns of x.
    :param outputs: columns of the prediction.
    :param hidden: neurons of each hidden layer; none leaves one layer with the output activation.
    :param activation: the function at the end of each hidden neuron.
    :param output: the function at the end of each output neuron.
    :returns: the module, a sequence of perceptrons.

    Source: Rumelhart, Hinton and Williams 1986.
    """
    sizes = [inputs, *hidden, outputs]
    activations = [activation] * len(hidden) + [output]
    layers = (Perceptron(*size, name) for size, name in zip(pairwise(sizes), activations, strict=True))
    return nn.Sequential(OrderedDict((f"layer{number}", layer) for number, layer in enumerate(layers, 1)))


class Handwritten(nn.Module):
    """One layer of neurons in the form of hand-written code: `activation(x.matmul(w) + b)`.

    Parameters: `w` of shape `(inputs, outputs)`, the transpose of the weight of `perceptron`, and `b` of shape
    `(outputs,)`, both uniform in (-1, 1).

    :param inputs: columns of x.
    :param outputs: columns of the prediction.
    :param activation: the function at the end of each neuron.
    """

    def __init__(self, inputs: int, outputs: int, activation: Activation = "sigmoid") -> None:
        super().__init__()
        self.w = _uniform(inputs, outputs)
        self.b = _uniform(outputs)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction, shape `(samples, outputs)`, for inputs `x` of shape `(samples, inputs)`."""
        return self.activation(x.matmul(self.w) + self.b)


class Polynomial(nn.Module):
    """Polynomial in each input, without cross terms: `c₀ + Σ_k Σ_i c_ki x_iᵏ`, k from 1 to `degree`.

    Parameter: `coefficients` of shape `(1 + degree · inputs, outputs)`, uniform in (-1, 1). Row 0 is the constant,
    then come the rows of x₁, x₂, ..., then those of x₁², x₂², ...; with one input, row k belongs to xᵏ.

    :param inputs: columns of x.
    :param outputs: columns of the prediction.
    :param degree: the highest power, at most 1000: a higher power of 2 overflows a float.
    """

    def __init__(self, inputs: int, outputs: int, degree: Annotated[int, Ge(1), Le(1000)] = 2) -> None:
        super().__init__()
        self.degree = degree
        self.coefficients = _uniform(1 + degree * inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction, shape `(samples, outputs)`, for inputs `x` of shape `(samples, inputs)`."""
        powers = [torch.ones_like(x[..., :1]), *(x**k for k in range(1, self.degree + 1))]
        return torch.cat(powers, dim=-1).matmul(self.coefficients)


def _uniform(*shape: int) -> nn.Parameter:
    """Draw a parameter uniformly from (-1, 1)."""
    return nn.Parameter(torch.rand(shape) * 2 - 1)
