"""Treats a function of named variables, or the loss of a problem, as g(z) of one flat vector z of shape `(n,)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from playground.core.function import Objective
from playground.core.problem import BatchTensors, Problem

VectorFunction = Callable[[Tensor], Tensor]
"""g(z): a 0-d tensor from a vector of shape `(n,)`, in the dtype of z."""


@dataclass(frozen=True)
class Coordinate:
    """One entry of the flat vector: a scalar variable, or one entry of a vector or matrix.

    :param index: of the entry; an int in a vector, several in more dimensions, None for a scalar.
    """

    variable: str
    index: int | tuple[int, ...] | None = None

    def __str__(self) -> str:
        """`x`, `x[0]`, or `weight[0, 1]`."""
        if self.index is None:
            return self.variable
        return f"{self.variable}[{', '.join(map(str, self.index)) if isinstance(self.index, tuple) else self.index}]"


def list_coordinates(variables: Mapping[str, int | None]) -> list[Coordinate]:
    """List the entries of the flat vector in order.

    :param variables: each with its length; None for a scalar.
    """
    return [
        Coordinate(name, index)
        for name, length in variables.items()
        for index in ([None] if length is None else range(length))
    ]


def flatten(function: Objective) -> VectorFunction:
    """Return the function as g(z)."""
    variables = function.variables

    def flat(z: Tensor) -> Tensor:
        pieces = torch.split(z, [1 if length is None else length for length in variables.values()])
        named = zip(variables.items(), pieces, strict=True)
        return function(**{name: piece[0] if length is None else piece for (name, length), piece in named})

    return flat


def list_parameter_coordinates(parameters: Mapping[str, Tensor]) -> list[Coordinate]:
    """List the entries of parameters, in the order of `flat_loss`."""
    return [
        Coordinate(name, index[0] if len(index) == 1 else index or None)
        for name, tensor in parameters.items()
        for index in product(*map(range, tensor.shape))
    ]


def locate_coordinate(shapes: Mapping[str, torch.Size], place: int) -> Coordinate:
    """Return the entry at a place of the concatenation of tensors, such as that of `flat_loss`.

    :param shapes: of the tensors by name, in order.
    """
    for name, shape in shapes.items():
        if place < shape.numel():
            index = tuple(int(each) for each in torch.unravel_index(torch.tensor(place), shape)) if shape else ()
            return Coordinate(name, index[0] if len(index) == 1 else index or None)
        place -= shape.numel()
    raise IndexError(place)


def evaluate_or_nan(f: Callable[[Tensor], Tensor], z: Tensor, here: Tensor) -> Tensor:
    """Return f(z), or NaN where f is not defined.

    :param here: f at a point where it is defined, for the shape.
    """
    try:
        return f(z)
    except Exception:  # outside its domain, a function may raise anything
        return torch.full_like(here, torch.nan)


def flat_loss(
    problem: Problem, parameters: Mapping[str, Tensor], data: BatchTensors | None = None
) -> tuple[VectorFunction, Tensor]:
    """Return the loss as g(z), and the current z.

    :param parameters: those of the problem; everything else in the module, and the data, take the dtype of z.
    :param data: what the loss is computed on; by default, all data of the problem.
    :returns: g, and z of shape `(n,)`: the concatenated parameters.
    """
    shapes = {name: tensor.shape for name, tensor in parameters.items()}
    moved = set(map(id, parameters.values()))  # a tied parameter has two names and is moved once
    everything = (*problem.module.named_parameters(), *problem.module.named_buffers())
    others = {name: tensor.detach() for name, tensor in everything if id(tensor) not in moved}
    batch = problem.batches.data if data is None else data

    def flat(z: Tensor) -> Tensor:
        def alike(tensor: Tensor) -> Tensor:
            return tensor.to(z) if tensor.is_floating_point() else tensor.to(z.device)

        pieces = torch.split(z, [shape.numel() for shape in shapes.values()])
        mine = {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
        fixed = {name: alike(tensor) for name, tensor in others.items()}
        return problem.loss(problem.forward({**fixed, **mine}), tuple(map(alike, batch)))

    return flat, torch.cat([tensor.detach().flatten() for tensor in parameters.values()])


def restrict_to_entries(g: VectorFunction, z: Tensor, chosen: Sequence[int]) -> tuple[VectorFunction, Tensor]:
    """Return g as a function of some entries of z; the others keep their values.

    :param chosen: indices of those entries.
    :returns: the function, and its point of shape `(len(chosen),)`.
    """
    places = torch.tensor(chosen, device=z.device)
    return lambda part: g(z.to(part).index_put((places,), part)), z[places]


def restrict_to_line(g: VectorFunction, z: Tensor, direction: Tensor) -> tuple[VectorFunction, Tensor]:
    """Return t ↦ g(z + t · direction), and its point t = 0; its derivative there is ∇g · direction.

    :param direction: shape `(n,)`.
    :returns: the function, and its point of shape `(1,)`.
    """
    return lambda t: g(z.to(t) + t * direction.to(t)), z.new_zeros(1)
