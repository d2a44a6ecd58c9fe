"""One component in the place of another: what the new one keeps of the parameters that the old one was given.

A scenario says `optimizer: {name: adam, lr: 0.1}`; `--set optimizer=lion`, `--over optimizer=sgd,lion` or a sweep in
the file put others in its place. A parameter that the new component has too, and is not given, stays: what is compared
then are the components, at one learning rate. Parameters that it does not have go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from playground.scenario.node import YamlEntry, YamlNode
from playground.scenario.shorthand import COMPONENT_KINDS, expand_shorthand

ParameterLookup = Callable[[str, str], Collection[str]]
"""Returns the parameters that the component of a kind and name takes; none where there is no such component."""


def keep_no_parameter(kind: str, name: str) -> Collection[str]:
    """Keep no parameter: for whoever cannot ask what is installed."""
    return ()


def replace_component(kind: str, old: YamlNode | None, new: YamlNode, known: ParameterLookup) -> YamlNode:
    """Return the new component with those parameters of the old one that it has too and is not given.

    :param kind: the key at the top of the scenario; of any other key than a component's the new value is returned.
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
    """Write a component's shorthand out, so that it has keys."""
    if not isinstance(node.value, str):
        return node
    written = expand_shorthand(kind, node.value).items()
    return YamlNode(node.place, {key: YamlEntry(node.place, replace(node, value=text)) for key, text in written})
