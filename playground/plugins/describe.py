"""One component in words: what it does, what it takes, where it comes from."""

from __future__ import annotations

import textwrap
import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen, MultipleOf

from playground.plugins.docstring import own_docstring, prose
from playground.plugins.parameters import Parameter, injected_names, scenario_parameters, signature
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
"""Characters of a line, where nobody says how many there is room for."""


def describe(component: Component, width: int = DEFAULT_WIDTH) -> list[str]:
    """Return lines of plain text: name, origin, docstring, formula, and parameters with types, defaults and meaning.

    :param width: of the lines that are not the docstring's or the formula's own.
    :raises ComponentError: the factory cannot be imported.
    """
    factory = component.load()
    lines = [f"{component.kind} {component.name}", f"from plugin {component.origin}", ""]
    if text := prose(own_docstring(factory)):
        lines += [*text.splitlines(), ""]
    if formula := getattr(factory, "formula", ()):
        lines += ["formula:", *(f"  {line}" for line in formula), ""]
    wanted = scenario_parameters(component)
    if wanted:
        lines += ["parameters:", *(line for parameter in wanted for line in _describe_parameter(parameter, width))]
    elif not signature(factory).open:
        lines.append("no parameters")
    if signature(factory).open:
        lines.append("further parameters are passed on as they are")
    if supplied := injected_names(component):
        lines.append(f"supplied by playground: {', '.join(supplied)}")
    return lines


def _describe_parameter(parameter: Parameter, width: int) -> Iterator[str]:
    """Yield a parameter's name, type and default, and below them what it means."""
    head = f"{parameter.name}: {type_name(parameter.annotation)}"
    head += " (required)" if parameter.required else f" = {parameter.default!r}"
    yield from textwrap.wrap(head, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    indent = " " * 6
    yield from textwrap.wrap(parameter.description, width, initial_indent=indent, subsequent_indent=indent)


def type_name(annotation: Any) -> str:
    """Return a type as people write it, bounds included: `float ≥ 0`, `'relu' | 'tanh'`, `list[int] | None`."""
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
