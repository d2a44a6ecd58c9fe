"""Other optimizers that a live page offers for the same problem, so that two of them can be watched side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.plugins.parameters import scenario_parameters
from playground.plugins.registry import Component
from playground.plugins.signature import build

if TYPE_CHECKING:
    from playground.core.update import UpdateRule


def find_alternatives(
    own: Component, numbers: Mapping[str, float], plugins: Plugins
) -> Iterator[tuple[Component, UpdateRule]]:
    """Yield update rules of the registry with their default hyperparameters: those of the same plugin first.

    Within a plugin those come first that remember least. A rule without a default rate gets that of the scenario.
    Optimizers of torch are left out, because recording their steps can take long.

    :param own: the scenario's optimizer, which is left out.
    :param numbers: its hyperparameters.
    """
    by_plugin = groupby(plugins.registry.components("optimizer"), lambda each: each.origin.plugin)
    groups = [(plugin != own.origin.plugin, list(components)) for plugin, components in by_plugin]
    for _, components in sorted(groups, key=lambda group: group[0]):
        rules = list(_build_rules((each for each in components if each is not own), numbers))
        for _, component, rule in sorted(rules, key=lambda each: each[0]):
            yield component, rule


def _build_rules(
    components: Iterable[Component], numbers: Mapping[str, float]
) -> Iterator[tuple[int, Component, UpdateRule]]:
    """Yield the components that are update rules and can be built, and how many tensors each remembers."""
    import torch

    from playground.core.update import UpdateRule

    for component in components:
        with suppress(*ISOLATED_EXCEPTIONS):
            factory = component.load()
            if isinstance(factory, type) and issubclass(factory, UpdateRule):
                rule = build(component, _required_rate(component, numbers))
                yield len(rule.init(torch.zeros(1))), component, rule


def _required_rate(component: Component, numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the scenario's rate for a rule that has no default."""
    required = {each.name for each in scenario_parameters(component) if each.required}
    return {name: numbers[name] for name in ("lr",) if name in required and name in numbers}
