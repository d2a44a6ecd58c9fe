"""One component in full: what it does, what it takes, where it comes from."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from playground.plugins.docstring import own_docstring
from playground.plugins.parameters import Parameter, injected_names, scenario_parameters
from playground.plugins.registry import Component


def describe(component: Component) -> Iterator[str]:
    """Yield lines: kind and name, its docstring, its parameters with type, default and meaning, its origin.

    :raises ComponentError: its module cannot be imported.
    """
    yield str(component)
    yield ""
    yield from _prose(own_docstring(component.load()))
    parameters = scenario_parameters(component)
    if parameters:
        yield "parameters"
        width = max(len(parameter.name) for parameter in parameters)
        for parameter in parameters:
            yield f"  {parameter.name:<{width}}  {_value(parameter)}"
            if parameter.description:
                yield f"  {'':<{width}}  {parameter.description}"
        yield ""
    if supplied := injected_names(component):
        yield f"supplied by playground: {', '.join(supplied)}"
    yield f"from {component.origin}"


def _prose(docstring: str) -> Iterator[str]:
    """Yield a docstring without its fields, which the parameters' own lines repeat."""
    text = re.split(r"^:(?:param|returns|raises|ivar)\b", docstring, maxsplit=1, flags=re.MULTILINE)[0].strip()
    if text:
        yield from text.splitlines()
        yield ""


def _value(parameter: Parameter) -> str:
    kind = type_name(parameter.annotation)
    return f"{kind}, required" if parameter.required else f"{kind} = {parameter.default!r}"


def type_name(annotation: Any) -> str:
    """Return a type as people write it: `float > 0`, `int or nothing`, `one of 'relu', 'tanh'`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = " and ".join(filter(None, map(_bound, arguments[1:])))
        return f"{type_name(arguments[0])} {bounds}".strip()
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join("nothing" if each is type(None) else type_name(each) for each in arguments)
    if origin is not None and arguments:
        inside = ", ".join(type_name(each) for each in arguments if each is not Ellipsis)
        return f"{origin.__name__}[{inside}]"
    return getattr(annotation, "__name__", str(annotation))


def _bound(constraint: Any) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = [
        f"{sign} {limit:g}" for name, sign in signs.items() if (limit := getattr(constraint, name, None)) is not None
    ]
    return " and ".join(found)
