"""Compares autograd's gradient with central differences of the loss, along a direction in each parameter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.core.derivatives.breaks import FunctionBreak, find_breaks
from playground.core.derivatives.differences import FIRST_LOCAL_STEP, probe
from playground.core.derivatives.points import VectorFunction, flat_loss, restrict_to_line
from playground.core.nonfinite import graph_nodes, is_custom_function
from playground.core.problem import Problem

MIN_SLOPE_DIFFERENCE = 0.05
"""Two slopes differ if their difference exceeds this share of the larger one."""

MAX_TENSORS = 40
"""The most parameter tensors; with more, no slope is measured."""


@dataclass(frozen=True)
class Mismatch:
    """A direction in one parameter along which autograd's slope differs from the measured one.

    :param custom: names of the `torch.autograd.Function`s in the graph.
    """

    parameter: str
    autograd: float
    measured: float
    custom: tuple[str, ...]


def find_mismatches(problem: Problem, place: Mapping[str, Tensor]) -> Iterator[Mismatch]:
    """Yield the parameters along which autograd's slope differs from the measured one.

    :param place: parameters by name; with more than `MAX_TENSORS`, nothing is measured.
    """
    if len(place) > MAX_TENSORS:
        return
    loss, z = flat_loss(problem, dict(place))
    z = z.detach().double()
    leaf = z.clone().requires_grad_()
    value = loss(leaf)
    custom = tuple(dict.fromkeys(type(node).__name__.removesuffix("Backward") for node in _custom_nodes(value)))
    gradient = torch.zeros_like(z)
    if value.requires_grad:
        (found,) = torch.autograd.grad(value, leaf, allow_unused=True)
        gradient = gradient if found is None else found
    generator = torch.Generator().manual_seed(0)
    first = 0
    for name, tensor in place.items():
        direction = torch.zeros_like(z)
        direction[first : first + tensor.numel()] = torch.randn(tensor.numel(), generator=generator).to(z)
        first += tensor.numel()
        direction /= direction.norm()
        autograd = (gradient @ direction).item()
        measured = _measured_slope(*restrict_to_line(loss, z, direction), autograd)
        if measured is not None and abs(measured - autograd) > MIN_SLOPE_DIFFERENCE * max(abs(measured), abs(autograd)):
            yield Mismatch(name, autograd, measured, custom)


def _custom_nodes(value: Tensor) -> list[object]:
    return [node for node in graph_nodes(value) if is_custom_function(node)]


def _measured_slope(loss: VectorFunction, t: Tensor, autograd: float) -> float | None:
    """Return the slope by central differences; None if it is 0, or differs between sides or between distances."""
    seen = probe(loss, t)
    found = seen.gradient()
    slope, error = found.value.item(), found.error.item()
    if not math.isfinite(slope) or not abs(slope) > max(20 * error, 1e-9, 0.02 * abs(autograd)):
        return None
    (found_break,) = find_breaks(loss, t, seen)
    if found_break != FunctionBreak():
        return None
    far = found.raw[:FIRST_LOCAL_STEP].flatten()
    smooth = bool(((far - slope).abs() < 0.5 * abs(slope)).sum() >= 2)
    return slope if smooth or autograd == 0 else None
