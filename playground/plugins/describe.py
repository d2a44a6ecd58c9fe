"""Describes one component: what it does, its parameters, and its origin."""

from __future__ import annotations

import textwrap
import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen, MultipleOf

from playground.plugins.docstring import docstring_prose, own_docstring
from playground.plugins.parameters import Parameter, injected_names, read_signature, scenario_parameters
from playground.plugins.registry import Component

_BOUNDS: Final = {
    Ge: ("≥", "ge"),
    Gt: (">", "gt"),
    Le: ("≤", "le"),
    Lt: ("<", "lt"),
    MultipleOf: ("a multiple of", "multiple_of"),
    MinLen: ("of length ≥", "min_length"),
    MaxLen: ("of length ≤", "max_length"),
}


DEFAULT_WIDTH: Final = 100
"""Default width of a line, in characters."""


def describe_component(component: Component, width: int = DEFAULT_WIDTH) -> list[str]:
    """Return lines of plain text: name, origin, docstring, formula, and parameters with types, defaults and meaning.

    :param width: maximum characters of a line; lines of the docstring and the formula keep their own width.
    :raises ComponentError: the factory cannot be imported.
    """
    factory = component.load()
    lines = [f"{component.kind} {component.name}", f"from plugin {component.origin}", ""]
    if text := docstring_prose(own_docstring(factory)):
        lines += [*text.splitlines(), ""]
    if formula := getattr(factory, "formula", ()):
        lines += ["formula:", *(f"  {line}" for line in formula), ""]
    wanted = scenario_parameters(component)
    if wanted:
        lines += ["parameters:", *(line for parameter in wanted for line in _describe_parameter(parameter, width))]
    elif not read_signature(factory).open:
        lines.append("no parameters")
    if read_signature(factory).open:
        lines.append("other parameters are passed on unchanged")
    if supplied := injected_names(component):
        lines.append(f"supplied by playground: {', '.join(supplied)}")
    return lines


def _describe_parameter(parameter: Parameter, width: int) -> Iterator[str]:
    """Yield a parameter's name, type and default, and its description below."""
    head = f"{parameter.name}: {type_name(parameter.annotation)}"
    head += " (required)" if parameter.required else f" = {parameter.default!r}"
    yield from textwrap.wrap(head, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    indent = " " * 6
    yield from textwrap.wrap(parameter.description, width, initial_indent=indent, subsequent_indent=indent)


def type_name(annotation: Any) -> str:
    """Return a type in readable form, with bounds: `float ≥ 0`, `'relu' | 'tanh'`, `list[int] | None`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return f"{type_name(inner[0])} {', '.join(_bounds(inner[1:]))}".rstrip()
    if origin is Literal:
        return " | ".join(map(repr, inner))
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_name, inner))
    if (
        isinstance(origin, type)
        and inner
        and all(member is Ellipsis or not isinstance(member, list) for member in inner)
    ):
        return f"{origin.__name__}[{', '.join(map(type_name, inner))}]"
    if annotation is Ellipsis:
        return "..."
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Any:
        return "anything"
    return getattr(annotation, "__name__", str(annotation))


def _bounds(metadata: tuple[Any, ...]) -> list[str]:
    found: list[str] = []
    for item in metadata:
        if isinstance(item, GroupedMetadata):
            found += _bounds(tuple(item))
        elif type(item) in _BOUNDS:
            sign, attribute = _BOUNDS[type(item)]
            found.append(f"{sign} {getattr(item, attribute)}")
    return found
