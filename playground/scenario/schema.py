"""The JSON Schema of a scenario file, for editors: draft-07, the version that the YAML language server supports.

The schemas of the components are arguments, because this package does not know what is installed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from playground.scenario.model import CORE_KEYS, Scenario
from playground.scenario.shorthand import COMPONENT_KINDS

Schema = dict[str, Any]

_LITERAL_KEYS = ("default", "enum", "const", "examples")
_NAMED_SCHEMA_KEYS = ("properties", "patternProperties", "definitions")


def json_schema(components: Mapping[str, Mapping[str, Schema]], tasks: Mapping[str, Mapping[str, Any]]) -> Schema:
    """Return the schema of a scenario file, in draft-07.

    :param components: the schema of each component's parameters, by kind and name (an object with `properties`,
        `required` and, for people, `description`).
    :param tasks: by name, `parameters` (the schema of the keys that the task reads at the top level) and `kinds` (the
        kinds of component that it takes, and whether each is required).
    """
    definitions: Schema = {}
    core = _adopt_schema(Scenario.model_json_schema(), "", definitions)
    definitions.pop("ComponentRef", None)
    for kind in COMPONENT_KINDS:
        definitions[kind] = _component(kind, components.get(kind, {}), definitions)
    sections = _sections(tasks, definitions)
    properties = {
        **{key: core["properties"][key] for key in CORE_KEYS},
        "task": _task(tasks),
        **{kind: {"$ref": f"#/definitions/{kind}"} for kind in COMPONENT_KINDS},
        **{key: schema for key, schema in sections.items() if key not in (*CORE_KEYS, *COMPONENT_KINDS)},
    }
    conditions = [_task_condition(name, task, properties) for name, task in tasks.items()]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A scenario of playground",
        "type": "object",
        "properties": properties,
        "required": ["task"],
        "additionalProperties": False,
        **({"allOf": conditions} if conditions else {}),  # draft-07 forbids an empty list
        "definitions": definitions,
    }


def _component(kind: str, components: Mapping[str, Schema], definitions: Schema) -> Schema:
    """Describe the two forms of a component of one kind: its name, or a mapping with its name and parameters."""
    alternatives: list[Schema] = []
    bare = [name for name, schema in components.items() if not schema.get("required")]
    if bare:
        alternatives.append({"enum": bare})
    if kind == "function":
        alternatives.append({"type": "string", "description": "a formula, such as (2*x + 10)**2"})
    for name, schema in components.items():
        own = _adopt_schema(schema, f"{kind}.{name}.", definitions)
        alternatives.append(
            {
                "type": "object",
                "title": f"{kind} {name}",
                "description": own.get("description", ""),
                "properties": {"name": {"const": name}, **own.get("properties", {})},
                "required": ["name", *own.get("required", [])],
                "additionalProperties": own.get("additionalProperties", False),
            }
        )
    return {"anyOf": alternatives} if alternatives else {"not": {}, "description": f"no {kind} is installed"}


def _task(tasks: Mapping[str, Any]) -> Schema:
    names = {"enum": list(tasks)} if tasks else {"type": "string"}
    mapping = {"type": "object", "properties": {"name": names}, "required": ["name"], "additionalProperties": False}
    return {"description": "The task to run.", "anyOf": [names, mapping]}


def _sections(tasks: Mapping[str, Mapping[str, Any]], definitions: Schema) -> Schema:
    """Return the schema of each top-level key that a task reads; several tasks may read one key differently."""
    read: dict[str, list[Schema]] = {}
    for name, task in tasks.items():
        own = _adopt_schema(task["parameters"], f"task.{name}.", definitions)
        for key, schema in own.get("properties", {}).items():
            if schema not in read.setdefault(key, []):
                read[key].append(schema)
    return {key: schemas[0] if len(schemas) == 1 else {"anyOf": schemas} for key, schemas in read.items()}


def _task_condition(name: str, task: Mapping[str, Any], properties: Schema) -> Schema:
    """Describe the keys that a scenario with this task needs, and refuse the keys of other tasks."""
    kinds, parameters = task["kinds"], task["parameters"]
    taken = {*CORE_KEYS, *kinds, *parameters.get("properties", {})}
    needed = [kind for kind, required in kinds.items() if required] + list(parameters.get("required", []))
    mapping = {"type": "object", "properties": {"name": {"const": name}}, "required": ["name"]}
    return {
        "if": {"properties": {"task": {"anyOf": [{"const": name}, mapping]}}, "required": ["task"]},
        "then": {"required": needed, "properties": {key: False for key in properties if key not in taken}},
    }


def _adopt_schema(schema: Schema, prefix: str, definitions: Schema) -> Schema:
    """Convert a schema to draft-07 and move its definitions to `definitions`, each name with the prefix."""
    for name, definition in schema.get("$defs", {}).items():
        definitions[prefix + name] = _draft07(definition, prefix)
    adopted: Schema = _draft07({key: value for key, value in schema.items() if key != "$defs"}, prefix)
    return adopted


def _draft07(schema: Any, prefix: str) -> Any:
    """Convert one schema, and the schemas inside it, from pydantic's version (2020-12)."""
    if isinstance(schema, list):
        return [_draft07(entry, prefix) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    result: Schema = {}
    for keyword, value in schema.items():
        if keyword in _LITERAL_KEYS:
            result[keyword] = value
        elif keyword in _NAMED_SCHEMA_KEYS:
            result[keyword] = {name: _draft07(entry, prefix) for name, entry in value.items()}
        elif keyword == "$ref":
            # draft-07 ignores every other key beside `$ref`, including descriptions
            result["allOf"] = [{"$ref": value.replace("#/$defs/", f"#/definitions/{prefix}")}]
        elif keyword == "prefixItems":
            result |= {"items": _draft07(value, prefix), "additionalItems": False}
        elif keyword != "title":
            result[keyword] = _draft07(value, prefix)
    if "default" in result and not _is_json(result["default"]):
        del result["default"]
    return result


def _is_json(default: Any) -> bool:
    """Return whether a default can be written in JSON; a default of null is left out, like a missing one."""
    return default is not None and not (isinstance(default, float) and not math.isfinite(default))
