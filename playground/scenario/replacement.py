"""Replaces a component by another one and decides which of the old parameters the new one keeps.

A scenario contains `optimizer: {name: adam, lr: 0.1}`; `--set optimizer=lion`, `--over optimizer=sgd,lion` or a sweep
in the file replaces the component. A parameter that the new component has too, and that is not given for it, keeps its
value: the components are then compared at one learning rate. Parameters that it does not have are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from playground.scenario.node import YamlEntry, YamlNode
from playground.scenario.shorthand import COMPONENT_KINDS, expand_shorthand

ParameterLookup = Callable[[str, str], Collection[str]]
"""Returns the parameters of the component of a kind and name; empty if there is no such component."""


def keep_no_parameter(kind: str, name: str) -> Collection[str]:
    """Keep no parameter; for callers that do not know the installed components."""
    return ()


def replace_component(kind: str, old: YamlNode | None, new: YamlNode, known: ParameterLookup) -> YamlNode:
    """Return the new component with the old parameters that it also has and that are not given for it.

    :param kind: the key at the top of the scenario; for a key that is not a kind of component, returns `new` unchanged.
    """
    if kind not in COMPONENT_KINDS or old is None:
        return new
    before, after = expand_component(old, kind), expand_component(new, kind)
    name = after.child("name")
    if name is None or not isinstance(name.value, str) or not before.entries:
        return new
    accepted = known(kind, name.value)
    kept = {
        key: entry
        for key, entry in before.entries.items()
        if key != "name" and key in accepted and key not in after.entries
    }
    return YamlNode(new.place, {**after.entries, **kept}) if kept else new


def expand_component(node: YamlNode, kind: str) -> YamlNode:
    """Expand a component's shorthand to a mapping."""
    if not isinstance(node.value, str):
        return node
    written = expand_shorthand(kind, node.value).items()
    return YamlNode(node.place, {key: YamlEntry(node.place, replace(node, value=text)) for key, text in written})
