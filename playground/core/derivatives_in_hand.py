"""Checks derivatives of a function or a module in hand, as a function of one flat vector.

Outputs of any shape are made scalar: each number of a small output by itself, and all numbers together, times a fixed
random direction.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from playground.core.batch_in_hand import BatchInHand
from playground.core.definition import describe
from playground.core.derivatives import (
    MAX_CHECKED_PARAMETERS,
    JudgedDerivative,
    PointDerivatives,
    check_sample,
    judge_entry,
)
from playground.core.derivatives.points import VectorFunction, flat_loss
from playground.core.derivatives.verdict import DerivativeEntry
from playground.core.functional import functional_call
from playground.core.isolated_copies import IsolatedCopies
from playground.core.precision import double_by_default
from playground.core.problem import describe_type
from playground.core.seeding import make_generator
from playground.core.training_in_hand import copy_problem
from playground.errors import ComponentError

MAX_OUTPUT_ROWS = 8
"""Numbers of an output up to which each is checked by itself."""

MAX_WORK = 2_000_000
"""Numbers of the inputs times numbers checked one by one, by default; each check takes about forty evaluations."""

MIN_CHECKED = 4
"""Numbers that are checked one by one, however many there are."""

MAX_ROW_DERIVATIVES = 64
"""Numbers of an output times numbers of the inputs up to which each number of the output is checked by itself."""


@dataclass(frozen=True, kw_only=True)
class FunctionInHand:
    """A function of named tensors.

    :param name: for messages.
    :param outputs: all numbers of the output, shape `(m,)`, from the concatenated inputs, shape `(n,)`, in their dtype.
    :param z: the inputs.
    :param shapes: of the tensors that z concatenates, by name.
    :param shape: of the output; None if it has several tensors.
    :param given: the derivative that the user states, shape `(m, n)`, or the function that computes it; None if there
        is none.
    """

    name: str
    outputs: VectorFunction
    z: Tensor
    shapes: Mapping[str, torch.Size]
    shape: torch.Size | None
    given: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class CheckedDerivatives:
    """The derivatives of a function in hand, judged.

    :param numbers: how many numbers the function is differentiated by.
    :param checked: how many of them were checked one by one.
    :param outputs: numbers of the output.
    :param rows: how many of those were checked one by one.
    :param unavailable: for each missing route, the reason.
    """

    judged: tuple[JudgedDerivative, ...]
    numbers: int
    checked: int
    outputs: int
    rows: int
    unavailable: Mapping[str, str]


def read_function(
    function: Callable[..., Any], inputs: Sequence[Any], derivative: Callable[..., Any] | None = None
) -> FunctionInHand:
    """Return a function of its inputs; each float tensor that requires a gradient counts, or all if none does.

    :param derivative: computes the derivative from the same inputs; see `check_derivatives`.
    :raises ComponentError: there is nothing to differentiate, or the function raises.
    """
    leaves = [leaf.detach().clone() if isinstance(leaf, Tensor) else leaf for leaf in inputs]
    names = _name_inputs(function, len(inputs))
    chosen = _choose_moved(dict(zip(names, inputs, strict=True)))

    ours = IsolatedCopies().copy_function(function)  # it may refer to a module with running statistics
    double = _copy_in_double(function)

    def call(tensors: Mapping[str, Tensor], like: Tensor) -> Any:
        given = [tensors.get(name, _as_like(leaf, like)) for name, leaf in zip(names, leaves, strict=True)]
        if like.dtype in (torch.float32, torch.float16, torch.bfloat16):
            return ours(*given)
        with double_by_default():
            return double(*given)

    moved = {name: tensor for name, tensor in zip(names, leaves, strict=True) if name in chosen}
    made = _make_flat(_describe(function), call, moved)
    return made if derivative is None else replace(made, given=_evaluate_given(derivative, made, leaves))


def read_module(module: nn.Module, inputs: Sequence[Any]) -> FunctionInHand:
    """Return a copy of a module as a function of its parameters and inputs; of the inputs, as `read_function` does.

    :raises ComponentError: there is nothing to differentiate, or the module cannot be copied or raises.
    """
    ours = IsolatedCopies().copy_module(module)
    leaves = [leaf.detach().clone() if isinstance(leaf, Tensor) else leaf for leaf in inputs]
    names = _name_inputs(module.forward, len(inputs))
    parameters = {name: tensor for name, tensor in ours.named_parameters() if tensor.requires_grad}
    asked = {name: leaf for name, leaf in zip(names, inputs, strict=True) if _is_float(leaf)}
    wanted = {name for name, leaf in asked.items() if leaf.requires_grad} or set(asked)
    mine = {f"input {name}": leaf for name, leaf in zip(names, leaves, strict=True) if name in wanted}
    held = (*ours.named_parameters(), *ours.named_buffers())
    others = {name: tensor.detach() for name, tensor in held if name not in parameters}

    def call(tensors: Mapping[str, Tensor], like: Tensor) -> Any:
        given = [tensors.get(f"input {name}", _as_like(leaf, like)) for name, leaf in zip(names, leaves, strict=True)]
        own = {name: tensors[name] for name in parameters}
        return functional_call(ours, {**_as_like(others, like), **own}, tuple(given))

    return _make_flat(describe(type(module)), call, {**parameters, **mine})


def read_loss(module: nn.Module, loss: Callable[..., Any], data: Any) -> FunctionInHand:
    """Return the loss of a copy of a module on one batch as a function of the module's parameters.

    :raises ComponentError: the objects do not fit each other, or cannot be copied.
    """
    problem = copy_problem(module, loss, BatchInHand(data), IsolatedCopies())
    g, z = flat_loss(problem, problem.parameters)
    shapes = {name: tensor.shape for name, tensor in problem.parameters.items()}
    made = FunctionInHand(
        name=f"the loss of {describe(type(module))}",
        outputs=lambda point: g(point).reshape(1),
        z=z,
        shapes=shapes,
        shape=torch.Size(),
    )
    _require_double(made)
    return made


def check_function(function: FunctionInHand, order: int, seed: int, most: int | None) -> CheckedDerivatives:
    """Check derivatives by every route; of many numbers a sample, and all of them along a random direction.

    :param order: 1 for the gradient, 2 for the Hessian.
    :param seed: of the sample and of the random directions.
    :param most: numbers that are checked one by one; None for as many as take little time.
    """
    eps = torch.finfo(function.z.dtype).eps
    most = most or min(MAX_CHECKED_PARAMETERS[order], max(MIN_CHECKED, MAX_WORK // len(function.z)))
    judged: list[JudgedDerivative] = []
    unavailable: dict[str, str] = {}
    chosen: set[Any] = set()
    for label, upstream in _directions(function, seed):
        g = _make_scalar(function.outputs, upstream)
        is_row = label.startswith("output")
        for checked in check_sample(g, function.z, function.shapes, order, seed, most, direction=not is_row):
            unavailable |= checked.unavailable
            for entry in _with_given(checked, function, upstream, order):
                place = f"{label}by {' '.join(map(str, entry.by))}"
                judged.append(JudgedDerivative(place, entry, judge_entry(entry, eps)))
            if len(checked.entries) > 1 or len(function.z) == 1:
                chosen |= {each for entry in checked.entries for each in entry.by}
    count = _count_outputs(function)
    return CheckedDerivatives(
        judged=tuple(judged),
        numbers=len(function.z),
        checked=len(chosen),
        outputs=count,
        rows=count if _has_rows(function, count) else 0,
        unavailable=unavailable,
    )


def _copy_in_double(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy of a function in which the tensors and modules that it refers to are in float64."""
    copies = IsolatedCopies()
    made = copies.copy_function(function)
    copies.convert_to_double()
    return made


def _make_flat(
    name: str, call: Callable[[Mapping[str, Tensor], Tensor], Any], moved: Mapping[str, Tensor]
) -> FunctionInHand:
    """Return a function of named tensors as a function of one vector.

    :param call: computes the output from the tensors, and from a tensor in whose dtype everything is computed.
    """
    shapes = {key: tensor.shape for key, tensor in moved.items()}
    if not sum(shape.numel() for shape in shapes.values()):
        raise ComponentError(f"{name}: nothing to differentiate by: its inputs are empty")
    device = next(iter(moved.values())).device

    def compute(z: Tensor) -> Any:
        there = z.to(device)  # routes that compute on the CPU come back to it
        pieces = torch.split(there, [shape.numel() for shape in shapes.values()])
        # Copies, so that a function that works in place changes no other.
        named = {key: piece.clone().view(shapes[key]) for key, piece in zip(shapes, pieces, strict=True)}
        return call(named, there)

    def outputs(z: Tensor) -> Tensor:
        numbers = [leaf.flatten() for leaf in tree_leaves(compute(z)) if _is_number(leaf)]
        return torch.cat([each.to(numbers[0].dtype) for each in numbers]).to(z.device)

    z = torch.cat([tensor.detach().flatten() for tensor in moved.values()])
    shape = _require_outputs(name, compute, z)
    made = FunctionInHand(name=name, outputs=outputs, z=z, shapes=shapes, shape=shape)
    _require_double(made)
    return made


def _require_outputs(name: str, compute: Callable[[Tensor], Any], z: Tensor) -> torch.Size | None:
    """Refuse an output without a derivative; return the shape of the others, None if there are several tensors.

    :raises ComponentError: the function raises, or does not return real numbers in tensors.
    """
    with torch.no_grad():
        value = compute(z)
    leaves = [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
    if not leaves:
        raise ComponentError(f"{name} returns {describe_type(value)}; expected a tensor")
    if any(leaf.is_complex() for leaf in leaves):
        raise ComponentError(f"{name} returns complex numbers; expected real ones, such as torch.view_as_real(z)")
    real = [leaf for leaf in leaves if leaf.is_floating_point()]
    if not real:
        raise ComponentError(f"{name} returns {leaves[0].dtype}, which has no derivative; expected real numbers")
    if not sum(leaf.numel() for leaf in real):
        raise ComponentError(f"{name} returns an empty tensor; expected numbers")
    return real[0].shape if len(real) == 1 else None


def _require_double(function: FunctionInHand) -> None:
    """Refuse a function that cannot be computed in float64, in which derivatives are compared.

    :raises ComponentError: it cannot.
    """
    with torch.no_grad():
        function.outputs(function.z)  # as it was given: what it raises here is its own mistake
        try:
            function.outputs(function.z.double())
        except Exception as error:  # a function may raise anything
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            raise ComponentError(
                f"{function.name} cannot be computed in float64, in which derivatives are compared: {reason}; "
                "give it all tensors as inputs, or as parameters of a module"
            ) from error


def _directions(function: FunctionInHand, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield what the output is multiplied by to be a single number, each with the name of that number."""
    count = _count_outputs(function)
    if function.shape == ():
        yield "", torch.ones(1, dtype=torch.float64)
        return
    if _has_rows(function, count):
        for index, row in enumerate(torch.eye(count, dtype=torch.float64)):
            place = index if function.shape is None else _format_index(function.shape, index)
            yield f"output[{place}] ", row
    if count > 1:
        yield "v · output ", torch.randn(count, generator=make_generator(seed, "outputs"), dtype=torch.float64)


def _make_scalar(outputs: VectorFunction, upstream: Tensor) -> VectorFunction:
    if len(upstream) == 1 and upstream.item() == 1:
        return lambda z: outputs(z)[0]
    if int((upstream != 0).sum()) == 1:
        place = int(upstream.argmax())
        return lambda z: outputs(z)[place]

    def scalar(z: Tensor) -> Tensor:
        found = outputs(z)
        return (found * upstream.to(found)).sum()

    return scalar


def _with_given(
    checked: PointDerivatives, function: FunctionInHand, upstream: Tensor, order: int
) -> Iterator[DerivativeEntry]:
    """Yield the entries with the route of the stated derivative, if there is one."""
    if function.given is None or order != 1:
        yield from checked.entries
        return
    gradient = upstream @ function.given.double().cpu()
    starts, start = {}, 0
    for name, shape in function.shapes.items():
        starts[name] = start
        start += shape.numel()
    for entry in checked.entries:
        (coordinate,) = entry.by
        if coordinate.variable not in starts:  # the random direction
            yield entry
            continue
        index = coordinate.index if isinstance(coordinate.index, tuple) else (coordinate.index or 0,)
        shape = function.shapes[coordinate.variable]
        offset = sum(i * step for i, step in zip(index, torch.empty(shape, device="meta").stride(), strict=False))
        yield replace(entry, routes={**entry.routes, "given": gradient[starts[coordinate.variable] + offset].item()})


def _evaluate_given(derivative: Callable[..., Any], function: FunctionInHand, inputs: Sequence[Any]) -> Tensor:
    """Return the stated derivative as a matrix, shape `(m, n)`.

    :raises ComponentError: it has no shape that a derivative of this function has.
    """
    double = [leaf.double() if _is_float(leaf) else leaf for leaf in inputs]
    found = derivative(*double)
    parts = [torch.as_tensor(part).double() for part in (found if isinstance(found, tuple | list) else (found,))]
    count, numbers = _count_outputs(function), len(function.z)
    flat = torch.cat([part.detach().flatten() for part in parts])
    if len(flat) == count * numbers and (count == 1 or len(parts) == 1):
        return flat.view(count, numbers)
    if len(flat) == count == numbers:  # of a function of each number by itself
        return torch.diag(flat)
    shapes = ", ".join(str(tuple(part.shape)) for part in parts)
    inside = ", ".join(f"{tuple(shape)} for {name}" for name, shape in function.shapes.items())
    raise ComponentError(f"derivative: it has shape {shapes}; expected {inside}, or one for each number of the output")


def _count_outputs(function: FunctionInHand) -> int:
    with torch.no_grad():
        return len(function.outputs(function.z))


def _has_rows(function: FunctionInHand, count: int) -> bool:
    return function.shape != () and count <= MAX_OUTPUT_ROWS and count * len(function.z) <= MAX_ROW_DERIVATIVES


def _format_index(shape: torch.Size, place: int) -> str:
    return ", ".join(str(int(each)) for each in torch.unravel_index(torch.tensor(place), shape))


def _choose_moved(inputs: Mapping[str, Any]) -> set[str]:
    """Return the names of the inputs to differentiate by.

    :raises ComponentError: there is none.
    """
    floats = {name for name, leaf in inputs.items() if _is_float(leaf)}
    if not floats:
        what = ", ".join(
            f"{name} is {leaf.dtype if isinstance(leaf, Tensor) else describe_type(leaf)}"
            for name, leaf in inputs.items()
        )
        raise ComponentError(f"nothing to differentiate by: {what or 'no inputs'}; expected a tensor of real numbers")
    return {name for name in floats if inputs[name].requires_grad} or floats


def _name_inputs(function: Callable[..., Any], count: int) -> list[str]:
    """Return the names of a function's parameters; `x`, or `x1`, `x2`, …, where it does not tell them."""
    try:
        kinds = inspect.signature(function).parameters.values()
        names = [each.name for each in kinds if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    if len(names) < count or names[:2] == ["args", "kwargs"]:
        return ["x"] if count == 1 else [f"x{index}" for index in range(1, count + 1)]
    return names[:count]


def _describe(function: Callable[..., Any]) -> str:
    """Return the name of a function; of the `apply` of a `torch.autograd.Function`, that of its class."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        return owner.__name__
    return function.__name__ if inspect.isbuiltin(function) else describe(function)


def _as_like(value: Any, like: Tensor) -> Any:
    """Return tensors of real numbers in the dtype of another one, as copies; anything else as it is."""
    return tree_map(lambda leaf: leaf.to(like.dtype, copy=True) if _is_float(leaf) else leaf, value)


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex())
