"""Writes the scenario's components as definitions and expressions; a task's `listing` uses it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from playground.core.setting import Setting
from playground.errors import Fault, PlaygroundError, ScenarioError
from playground.expression import Expression
from playground.plugins.parameters import injected_names, is_direct, scenario_parameters
from playground.plugins.registry import Registry
from playground.plugins.signature import validate
from playground.runner.ejecting.definitions import Definitions
from playground.runner.ejecting.literals import literal, tensor_literal
from playground.scenario.model import ComponentRef, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from playground.plugins.registry import Component


class ComponentWriter:
    """Writes the components of one scenario.

    :param definitions: collects the definitions that they need.
    """

    def __init__(self, scenario: Scenario, registry: Registry, setting: Setting, definitions: Definitions) -> None:
        self.setting = setting
        self._scenario, self._registry, self._definitions = scenario, registry, definitions

    def component(self, kind: str, *arguments: str) -> tuple[str, str]:
        """See `playground.core.listing.Writer`."""
        component, values = self._component(kind)
        with refuse_unwritable(kind, component):
            factory = component.load()
            name, left = self._definitions.refer(factory, kind, self._with_defaults(component, values))
            options = [f"{key}={literal(value)}" for key, value in values.items() if left is None or key in left]
            arguments = tuple(each for each in arguments if left is None or _keyword_name(each) in (*left, ""))
            if is_direct(component):
                expression = f"{name}({', '.join([*arguments, *options])})"
            elif kind in ("loss", "function"):
                expression = f"{name}({', '.join(options)})({', '.join(arguments)})"
            else:
                expression = f"{name}({', '.join([*arguments, *options])})"
            return self._definitions.take(), expression

    def generator(self, kind: str) -> str:
        """See `playground.core.listing.Writer`."""
        from playground.core.seeding import derive_seed

        _, values = self._component(kind)
        return f"torch.Generator().manual_seed({derive_seed(values['seed'], kind)})"

    def draws(self, kind: str) -> bool:
        """See `playground.core.listing.Writer`."""
        component, _ = self._component(kind)
        names = injected_names(component)
        return "generator" in names and "folder" not in names

    def literal(self, value: Any) -> str:
        """See `playground.core.listing.Writer`."""
        return literal(value)

    def tensor(self, tensor: Tensor) -> str:
        """See `playground.core.listing.Writer`."""
        return tensor_literal(tensor)

    def variable(self, name: str) -> str:
        """See `playground.core.listing.Writer`; a longer name gets a `_`, so that it hides no other name."""
        return name if re.fullmatch(r"[a-hj-km-z]\d*", name) and name != "f" else f"{name}_"

    def code(self, function: Callable[..., Any]) -> str | None:
        """See `playground.core.listing.Writer`."""
        return ast.unparse(ast.parse(function.code())) if isinstance(function, Expression) else None

    def _component(self, kind: str) -> tuple[Component, dict[str, Any]]:
        ref: ComponentRef = self._scenario.components[kind]
        component = self._registry.get(kind, ref.name)
        values = validate(component, ref.parameters)
        return component, values

    def _with_defaults(self, component: Component, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options together with the defaults of all others, so that every option can be written in."""
        defaults = {each.name: each.default for each in scenario_parameters(component) if not each.required}
        return {**defaults, **values}


def _keyword_name(argument: str) -> str:
    """Return the name of a keyword argument such as `steps=100`; empty for a positional one."""
    found = re.match(r"(\w+)=[^=]", argument)
    return found[1] if found else ""


@contextmanager
def refuse_unwritable(kind: str, component: Component) -> Iterator[None]:
    """Name the component if it cannot be written out.

    :raises ScenarioError: one line, at the key that names the component.
    """
    try:
        yield
    except PlaygroundError as error:
        why = "; ".join(fault.message for fault in error.faults)
        plugin = f" of plugin {component.origin}"
        message = f"{component}{plugin} cannot be written into a stand-alone program: {why}"
        raise ScenarioError(Fault(message, (kind,))) from error
