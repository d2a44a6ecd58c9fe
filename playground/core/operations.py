"""Describes an operation of torch: its formula and its local derivatives, as text and as arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

DecoratedFunction = TypeVar("DecoratedFunction", bound=Callable[..., Any])

ArgumentGradients = Mapping[str, Any]
"""By argument: a tensor, possibly broadcast, or a list of tensors for an argument that is a list."""


@dataclass(frozen=True)
class Call:
    """One call of an operation, with its numbers.

    :param arguments: by the operation's argument names; omitted arguments are missing.
    :param output: the result.
    :param dice: for a call that drew random numbers, the state of torch's CPU generator before it.
    """

    arguments: Mapping[str, Any]
    output: Tensor
    rng_state: Tensor | None = None

    def __getitem__(self, name: str) -> Any:
        """Return an argument."""
        return self.arguments[name]

    @contextmanager
    def same_rng_state(self) -> Iterator[None]:
        """Restore the random state of the call within a `with` block, to repeat its draws."""
        with torch.random.fork_rng(devices=()):
            if self.rng_state is not None:
                torch.set_rng_state(self.rng_state)
            yield

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument, or torch's default for it."""
        return self.arguments.get(name, default)

    def exactly(self) -> Call:
        """Return the call with its numbers in double precision."""
        return Call(
            {name: _to_double(item) for name, item in self.arguments.items()}, self.output.double(), self.rng_state
        )


Pull = Callable[[Call, Tensor], ArgumentGradients]
"""Takes a call and dL/dy; returns the contribution to dL/dx for each argument x: a vector-Jacobian product."""

Terms = Callable[[Call, tuple[int, ...], Callable[[float], str]], str]
"""Formats the arithmetic of one entry, given the call, its index and a number formatter; "" if it cannot."""

ShareTerms = Callable[[Call, Tensor, tuple[int, ...], Callable[[float], str]], str]
"""The same for one entry of a contribution to a gradient; the tensor is dL/dy."""

Template = str | Callable[[Call], str]
"""Text with `{x}` for the name of an argument, `{y}` for the output, `{dy}` for dL/dy, `{n}` for entries in a mean."""


@dataclass(frozen=True)
class Operation:
    """A formula and the chain rule through it.

    Templates use mathematical notation (`σ · ² Σ √`), from which LaTeX is generated as well.

    :param formula: the right-hand side of `y = …`.
    :param rules: for each argument with a gradient, the right-hand side of `dL/dx = …`.
    :param pull: the rules in plain tensor arithmetic. The caller sums over broadcast entries.
    :param arguments: their names, in torch's order; a last one such as `*dims` takes all remaining arguments.
    :param terms: formats the arithmetic of one entry of the output, if it is more than the formula with numbers.
    :param entrywise: whether `formula` and `rules` also hold for numbers: each entry of the output, and of a
        contribution, depends on the entries at the same index only.
    :param sums: if not, formatters for the arithmetic of one entry of a contribution, by argument.
    :param names: torch's keywords for the arguments.
    :param steepest: the largest slope of a function that saturates; if slopes are far below it, hardly any gradient
        passes.
    :param forward: the formula in tensors, as a function of the known arguments. Its result is compared with torch's: a
        call with arguments that the formula does not cover is explained as an unknown operation. Without it, a formula
        that is arithmetic of entries is parsed and evaluated.
    """

    formula: Template
    rules: Mapping[str, Template]
    pull: Pull
    arguments: tuple[str, ...] = ("x",)
    terms: Terms | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    steepest: float | None = None
    entrywise: bool = False
    sums: Mapping[str, ShareTerms] = field(default_factory=dict)
    forward: Callable[[Call], Any] | None = None

    def bind(self, positional: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return a call's arguments by the operation's argument names; `names` translates torch's keywords."""
        bound = dict(zip(self.arguments, positional, strict=False))
        if self.arguments and (last := self.arguments[-1]).startswith("*"):
            bound.pop(last, None)
            rest = positional[len(self.arguments) - 1 :]
            if rest:
                bound[last[1:]] = rest[0] if isinstance(rest[0], tuple | list) else rest
        return bound | {self.names.get(name, name): value for name, value in named.items()}


def elementwise(
    formula: Template,
    slope: Template,
    derivative: Callable[[Call], Any],
    *more: str,
    steepest: float | None = None,
    forward: Callable[[Call], Any] | None = None,
) -> Operation:
    """Return an operation on each entry separately: dL/dx = dL/dy · f'(x).

    :param formula: of y.
    :param slope: f'(x) as text.
    :param derivative: f'(x) in tensors, given the call.
    :param more: further arguments, without a gradient.
    :param forward: the function in tensors, if the formula cannot be evaluated as written.
    """

    def rule(call: Call) -> str:
        return "{dy} · " + fill_template(slope, call)

    return Operation(
        formula,
        {"x": rule},
        lambda call, g: {"x": g * derivative(call)},
        ("x", *more),
        names={"input": "x", "self": "x"},
        steepest=steepest,
        entrywise=True,
        forward=forward,
    )


def _to_double(item: Any) -> Any:
    if isinstance(item, Tensor):
        return item.double() if item.is_floating_point() else item
    return type(item)(map(_to_double, item)) if type(item) in (tuple, list) else item


def as_one_operation(function: DecoratedFunction) -> DecoratedFunction:
    """Record a function on the tape as one operation of its own name instead of the torch functions that it calls.

    Its rules are registered under that name, as for a function of torch.
    """

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        tensors = tuple(each for each in (*arguments, *named.values()) if isinstance(each, Tensor))
        if has_torch_function(tensors):
            return handle_torch_function(called, tensors, *arguments, **named)
        return function(*arguments, **named)

    return called  # type: ignore[return-value]


def fill_template(template: Template, call: Call) -> str:
    """Fill in a template that may depend on the call."""
    return template if isinstance(template, str) else template(call)


def sum_to_shape(gradient: Tensor, like: Tensor) -> Tensor:
    """Sum a gradient over the axes along which its value was broadcast, so that it has the value's shape again."""
    extra = gradient.dim() - like.dim()
    if extra > 0:
        gradient = gradient.sum(dim=tuple(range(extra)))
    for axis, size in enumerate(like.shape):
        if size == 1 and gradient.shape[axis] != 1:
            gradient = gradient.sum(dim=axis, keepdim=True)
    return gradient.expand(like.shape)
