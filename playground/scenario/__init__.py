"""Turns YAML text into a frozen, validated scenario; every fault has its file, line and column. Imports no torch."""

from playground.scenario.expect import Check
from playground.scenario.model import (
    ClipSection,
    ComponentRef,
    Loaded,
    Patience,
    Scenario,
    Stop,
    load_scenario,
    parse_scenario,
)
from playground.scenario.name_check import ComponentNames, check_names
from playground.scenario.schema import json_schema
from playground.scenario.shorthand import COMPONENT_KINDS
from playground.scenario.source import SourceText, load_source, parse_source
from playground.scenario.sweep import SweepAxis, SweepSection

__all__ = [
    "COMPONENT_KINDS",
    "Check",
    "ClipSection",
    "ComponentNames",
    "ComponentRef",
    "Loaded",
    "Patience",
    "Scenario",
    "SourceText",
    "Stop",
    "SweepAxis",
    "SweepSection",
    "check_names",
    "json_schema",
    "load_scenario",
    "load_source",
    "parse_scenario",
    "parse_source",
]
