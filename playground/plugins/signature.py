"""From a component's signature: what a scenario may give it, whether what it gives is right, and the component built.

One source, the signature, feeds validation, JSON Schema and `playground show`; reading it is the work of `parameters`.
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

from playground.errors import ComponentError, Fault, PlaygroundError, suggestion
from playground.plugins.causes import ISOLATED_EXCEPTIONS, message
from playground.plugins.parameters import (
    INJECTED_PARAMETERS,
    Parameter,
    Signature,
    injected_names,
    is_direct,
    parameters,
    scenario_parameters,
    signature,
    signature_of,
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
    "injected_names",
    "is_direct",
    "json_schema",
    "parameters",
    "scenario_parameters",
    "signature",
    "validate",
]

_CONFIG: Final = ConfigDict(strict=True, extra="ignore")


def validate(component: Component, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `given` as the component's parameters want it: whole numbers as floats, lists as tuples, and so on.

    Nothing else is converted: `true` is not 1, `1.0` is no whole number, `"1"` is no number. Defaults stay with the
    factory, except a dataset's `seed`, which is always in the answer when the framework makes its generator.

    :param given: plain data from YAML, by parameter.
    :returns: what `construct` takes.
    :raises ComponentError: with every fault found; each path begins with the parameter.
    """
    accepted = {parameter.name: parameter for parameter in scenario_parameters(component)}
    others = [name for name in given if name not in accepted]
    if signature_of(component).open:
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
    """Validate, then construct; see there."""
    return construct(component, validate(component, given), injected or {})


def construct(component: Component, values: Mapping[str, Any], injected: Mapping[str, Any]) -> Any:
    """Call the factory.

    :param values: what `validate` returned.
    :param injected: what the framework supplies, by name; only what the signature names is passed. A dataset's
        `generator` is given as a function of the seed, `seed -> torch.Generator`.
    :returns: the component. A function that *is* the component comes back with its options bound. An optimizer that
        takes `params` comes back as `functools.partial(factory, **values)`; call it under `blaming`.
    :raises ComponentError: the factory raised; its message on one line. Errors of playground pass as they are.
    """
    factory = component.load()
    known = signature_of(component)
    arguments = dict(values)
    if is_direct(component):
        return functools.partial(factory, **arguments) if arguments else factory
    if component.kind == "optimizer" and "params" not in injected and _takes_params(factory, known):
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
    """Turn whatever a component raises into a `ComponentError` that names it: `optimizer 'adam': message`.

    :raises ComponentError: something was raised inside. Errors of playground pass as they are.
    """
    try:
        yield
    except PlaygroundError:
        raise
    except ISOLATED_EXCEPTIONS as error:
        text = message(error)
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
        "additionalProperties": signature_of(component).open,
    }
    if summary := component.summary():
        result["description"] = summary
    return result


def _unknown(component: Component, name: str, accepted: Collection[str]) -> Fault:
    if name in INJECTED_PARAMETERS[component.kind]:
        text = f"parameter {name!r} of {component} is supplied by playground, not by a scenario"
    elif accepted:
        text = f"unknown parameter {name!r} of {component}{suggestion(name, accepted)}"
    else:
        text = f"unknown parameter {name!r}: {component} has none"
    return Fault(text, (FaultyKey(name),))


def _takes_params(factory: Callable[..., Any], known: Signature) -> bool:
    """Tell whether an optimizer wants the parameters, also when it hides that behind `*args`; imports no torch."""
    bases = factory.__mro__ if isinstance(factory, type) else ()
    return "params" in known.names or any(
        base.__name__ == "Optimizer" and base.__module__.startswith("torch.optim") for base in bases
    )


@functools.lru_cache(maxsize=1024)
def _model(component: Component) -> type[BaseModel]:
    """Return a pydantic model of what a scenario may give, with numbered fields, so that any name may be an alias."""
    wanted = scenario_parameters(component)
    try:
        return _model_of(*((parameter, parameter.annotation) for parameter in wanted))
    except Exception:  # some type is foreign to pydantic: find out which
        return _model_of(*((parameter, _validatable_type(parameter)) for parameter in wanted))


def _model_of(*fields: tuple[Parameter, Any]) -> type[BaseModel]:
    create: Callable[..., type[BaseModel]] = create_model
    model = create(
        "Parameters",
        __config__=_CONFIG,
        **{f"field{i}": (annotation, _parameter_field(parameter)) for i, (parameter, annotation) in enumerate(fields)},
    )
    model.model_rebuild()  # raises if a name inside a foreign class is not known
    return model


def _parameter_field(parameter: Parameter) -> Any:
    """Describe a field; `validate` looks for what is required itself, since it can name the component."""
    described: dict[str, Any] = {"alias": parameter.name, "description": parameter.description or None}
    if parameter.required or not _is_json(parameter.default):
        return Field(default_factory=lambda: None, **described)
    return Field(default=parameter.default, **described)


def _validatable_type(parameter: Parameter) -> Any:
    """Return the parameter's type, or what validation can do in its stead."""
    try:
        _model_of((parameter, parameter.annotation))
    except PydanticSchemaGenerationError:
        return Annotated[Any, BeforeValidator(_refuse_object)]
    except Exception:  # contradictory bounds, names that are nowhere: nothing that could be checked
        return Any
    return parameter.annotation


def _refuse_object(value: Any) -> Any:
    raise UnfitError("this parameter takes an object, which a scenario cannot write")


def _convert(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """Validate as JSON, where strict still lets a list be a tuple and a text a path; as Python objects if need be."""
    try:
        text = json.dumps(given, ensure_ascii=False).encode()
    except (TypeError, ValueError):  # not plain data, or half a surrogate pair
        checked = model.model_validate(given)
    else:
        checked = model.model_validate_json(text)
    fields = {name: str(field.alias) for name, field in model.model_fields.items()}
    return {alias: getattr(checked, name) for name, alias in fields.items() if name in checked.model_fields_set}


def _is_json(value: Any) -> bool:
    """Tell whether JSON can say this default."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return value is None or type(value) in (bool, int, str)


class _Draft7(GenerateJsonSchema):
    """Writes what editors read: no titles, tuples as lists of schemas, and anything for what JSON cannot describe."""

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
    """Put definitions in the place of references to them; a type within itself becomes anything."""
    if isinstance(schema, list):
        return [_inline_definitions(item, definitions, above) for item in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _inline_definitions(value, definitions, above) for key, value in schema.items() if key != "$ref"}
    if "$ref" not in schema:
        return rest
    name = schema["$ref"].rpartition("/")[2]
    return rest if name in above else _inline_definitions(definitions[name], definitions, (*above, name)) | rest
