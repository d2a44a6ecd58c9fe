"""Validates a scenario's values against a component's signature, and builds the component.

The signature is the one source for validation, JSON Schema and `playground show`; `parameters` reads it.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from playground.errors import ComponentError, Fault, PlaygroundError, suggest_names
from playground.plugins.causes import ISOLATED_EXCEPTIONS, exception_message
from playground.plugins.parameters import (
    INJECTED_PARAMETERS,
    Parameter,
    Signature,
    component_signature,
    declared_parameters,
    injected_names,
    is_direct,
    read_signature,
    remember_by_component,
    scenario_parameters,
)
from playground.plugins.registry import Component
from playground.scenario.messages import FaultyKey, UnfitError, faults

__all__ = [
    "INJECTED_PARAMETERS",
    "Parameter",
    "Signature",
    "blame_component",
    "build",
    "construct",
    "declared_parameters",
    "injected_names",
    "is_direct",
    "json_schema",
    "read_signature",
    "scenario_parameters",
    "validate",
]

_CONFIG: Final = ConfigDict(strict=True, extra="ignore")


def validate(component: Component, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `given` in the types of the component's parameters: whole numbers as floats, lists as tuples, and so on.

    There are no other conversions: `true` is not 1, `1.0` is not a whole number, `"1"` is not a number. Defaults are
    left to the factory, except a dataset's `seed`, which is always in the result if the framework makes its generator.

    :param given: plain data from YAML, by parameter.
    :returns: the argument of `construct`.
    :raises ComponentError: the values are not valid; contains every fault, and each path begins with the parameter.
    """
    accepted = {parameter.name: parameter for parameter in scenario_parameters(component)}
    others = [name for name in given if name not in accepted]
    if component_signature(component).open:
        values = {name: given[name] for name in others if name not in INJECTED_PARAMETERS[component.kind]}
    else:
        values = {}
    wrong = [_unknown(component, name, accepted) for name in others if name not in values]
    wrong += [
        Fault(f"{component} needs the parameter {name!r}", (name,))
        for name, parameter in accepted.items()
        if parameter.required and name not in given
    ]
    with blame_component(component):  # a plugin's own validators may raise anything
        try:
            values |= _convert(_model(component), {name: given[name] for name in accepted if name in given})
        except ValidationError as error:
            wrong += faults(error)
    if wrong:
        raise ComponentError(*wrong)
    if component.kind == "dataset" and "generator" in injected_names(component):
        values.setdefault("seed", accepted["seed"].default or 0)
    return values


def build(component: Component, given: Mapping[str, Any], injected: Mapping[str, Any] | None = None) -> Any:
    """Validate, then construct; see `validate` and `construct`."""
    return construct(component, validate(component, given), injected or {})


def construct(component: Component, values: Mapping[str, Any], injected: Mapping[str, Any]) -> Any:
    """Call the factory.

    :param values: the result of `validate`.
    :param injected: what the framework supplies, by name; only parameters of the signature are passed. A dataset's
        `generator` is given as a function of the seed, `seed -> torch.Generator`.
    :returns: the component. A function that *is* the component is returned with its options bound. An optimizer that
        takes `params` is returned as `functools.partial(factory, **values)`; call it under `blame_component`.
    :raises ComponentError: the factory raised; contains its message on one line. Errors of playground pass unchanged.
    """
    factory = component.load()
    known = component_signature(component)
    arguments = dict(values)
    if is_direct(component):
        return functools.partial(factory, **arguments) if arguments else factory
    if component.kind == "optimizer" and "params" not in injected and _takes_params(component, factory, known):
        return functools.partial(factory, **arguments)
    supplied = {name: injected[name] for name in injected_names(component) if name in injected}
    if component.kind == "dataset" and "generator" in supplied:
        supplied["generator"] = supplied["generator"](arguments["seed"])
        if "seed" not in known.names:
            del arguments["seed"]
    arguments |= supplied
    with blame_component(component):
        built = factory(*[arguments.pop(name) for name in known.positional if name in arguments], **arguments)
        if built is None:
            raise TypeError("its factory returned None")
    return built


@contextmanager
def blame_component(component: Component) -> Iterator[None]:
    """Turn any exception of a component into a `ComponentError` that names it: `optimizer 'adam': message`.

    :raises ComponentError: the code inside raised. Errors of playground pass unchanged.
    """
    try:
        yield
    except PlaygroundError:
        raise
    except ISOLATED_EXCEPTIONS as error:
        text = exception_message(error)
        if not text or not isinstance(error, ValueError | TypeError | RuntimeError):
            text = f"{type(error).__name__}: {text}".removesuffix(": ")
        raise ComponentError(f"{component}: {text}") from error


def json_schema(component: Component) -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of the component's parameters: an object with its properties.

    :raises ComponentError: the factory cannot be imported.
    """
    schema = _model(component).model_json_schema(schema_generator=_Draft7)
    definitions = schema.pop("$defs", {})
    properties = _inline_definitions(schema.get("properties", {}), definitions, ())
    result: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [parameter.name for parameter in scenario_parameters(component) if parameter.required],
        "additionalProperties": component_signature(component).open,
    }
    if summary := component.summary():
        result["description"] = summary
    return result


def _unknown(component: Component, name: str, accepted: Collection[str]) -> Fault:
    if name in INJECTED_PARAMETERS[component.kind]:
        text = f"parameter {name!r} of {component} is supplied by playground, not by a scenario"
    elif accepted:
        text = f"unknown parameter {name!r} of {component}{suggest_names(name, accepted)}"
    else:
        text = f"unknown parameter {name!r}: {component} has none"
    return Fault(text, (FaultyKey(name),))


def _takes_params(component: Component, factory: Callable[..., Any], known: Signature) -> bool:
    """Return whether an optimizer takes `params`, even if `*args` hides it; imports no torch."""
    bases = factory.__mro__ if isinstance(factory, type) else ()
    return (
        component.leading is not None
        or "params" in known.names
        or any(base.__name__ == "Optimizer" and base.__module__.startswith("torch.optim") for base in bases)
    )


@remember_by_component
def _model(component: Component) -> type[BaseModel]:
    """Return a pydantic model of a component's parameters; fields are numbered, so that any name may be an alias."""
    wanted = scenario_parameters(component)
    try:
        return _model_of(*((parameter, parameter.annotation) for parameter in wanted))
    except Exception:  # pydantic does not know one of the types: find out which
        return _model_of(*((parameter, _validatable_type(parameter)) for parameter in wanted))


def _model_of(*fields: tuple[Parameter, Any]) -> type[BaseModel]:
    create: Callable[..., type[BaseModel]] = create_model
    model = create(
        "Parameters",
        __config__=_CONFIG,
        **{f"field{i}": (annotation, _parameter_field(parameter)) for i, (parameter, annotation) in enumerate(fields)},
    )
    model.model_rebuild()  # raises if a name inside a class of a plugin is unknown
    return model


def _parameter_field(parameter: Parameter) -> Any:
    """Describe a field; never required, because `validate` checks that itself and can name the component."""
    described: dict[str, Any] = {"alias": parameter.name, "description": parameter.description or None}
    if parameter.required or not _is_json(parameter.default):
        return Field(default_factory=lambda: None, **described)
    return Field(default=parameter.default, **described)


def _validatable_type(parameter: Parameter) -> Any:
    """Return the parameter's type, or a type that validation can check instead."""
    try:
        _model_of((parameter, parameter.annotation))
    except PydanticSchemaGenerationError:
        return Annotated[Any, BeforeValidator(_refuse_object)]
    except Exception:  # contradictory bounds or unknown names cannot be checked
        return Any
    return parameter.annotation


def _refuse_object(value: Any) -> Any:
    raise UnfitError("this parameter takes an object, which a scenario cannot write")


def _convert(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """Validate as JSON, where strict mode accepts a list for a tuple and a text for a path; else as Python objects."""
    try:
        text = json.dumps(given, ensure_ascii=False).encode()
    except (TypeError, ValueError):  # not plain data, or half a surrogate pair
        checked = model.model_validate(given)
    else:
        checked = model.model_validate_json(text)
    fields = {name: str(field.alias) for name, field in model.model_fields.items()}
    return {alias: getattr(checked, name) for name, alias in fields.items() if name in checked.model_fields_set}


def _is_json(value: Any) -> bool:
    """Return whether a default can be written in JSON."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return value is None or type(value) in (bool, int, str)


class _Draft7(GenerateJsonSchema):
    """Writes a schema for editors: no titles, tuples as lists of schemas, `{}` for types that JSON cannot describe."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        written = super().tuple_schema(schema)
        if "prefixItems" in written:
            written["items"] = written.pop("prefixItems")
        return written

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}


def _inline_definitions(schema: Any, definitions: Mapping[str, Any], above: tuple[str, ...]) -> Any:
    """Replace references by their definitions; a recursive type becomes any value."""
    if isinstance(schema, list):
        return [_inline_definitions(item, definitions, above) for item in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _inline_definitions(value, definitions, above) for key, value in schema.items() if key != "$ref"}
    if "$ref" not in schema:
        return rest
    name = schema["$ref"].rpartition("/")[2]
    return rest if name in above else _inline_definitions(definitions[name], definitions, (*above, name)) | rest
