"""From YAML text to a frozen, validated scenario, every fault with its file, line and column. No torch."""

from playground.scenario.expect import Check
from playground.scenario.model import (
    Clip,
    ComponentRef,
    Loaded,
    Patience,
    Scenario,
    Stop,
    load_scenario,
    parse_scenario,
)
from playground.scenario.names import Catalogue, check_names
from playground.scenario.schema import json_schema
from playground.scenario.shorthand import COMPONENT_KINDS
from playground.scenario.source import Source, load, parse
from playground.scenario.sweep import Axis, Sweep

__all__ = [
    "COMPONENT_KINDS",
    "Axis",
    "Catalogue",
    "Check",
    "Clip",
    "ComponentRef",
    "Loaded",
    "Patience",
    "Scenario",
    "Source",
    "Stop",
    "Sweep",
    "check_names",
    "json_schema",
    "load",
    "load_scenario",
    "parse",
    "parse_scenario",
]
