"""An object in hand together with its parameters: `use(MyOptimizer, lr=0.1)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from playground.errors import ComponentError


@dataclass(frozen=True, eq=False)
class ParameterizedObject:
    """A component with values of some of its parameters, the result of `use`.

    :param component: a class, function or other object; a text is the name of a registered component.
    :param parameters: the values by name.
    """

    component: str | Callable[..., Any]
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        """`use(MyOptimizer, lr=0.1)`."""
        name = self.component if isinstance(self.component, str) else None
        first = repr(name) if name else getattr(self.component, "__name__", repr(self.component))
        return f"use({', '.join([first, *(f'{key}={value!r}' for key, value in self.parameters.items())])})"


def use(component: str | Callable[..., Any] | ParameterizedObject, /, **parameters: Any) -> ParameterizedObject:
    """Return a component with its parameters, for `run`, `sweep` and `compare`.

    Plain values (numbers, texts, lists, mappings) become parameters of the scenario, as `{name: ..., lr: 0.1}` in YAML:
    they are validated, shown, and can be swept. Any other value, such as a tensor or a function, is bound to the
    component.

    :param component: a class, a function, the name of a registered component, or another result of `use`.
    :param parameters: the parameters by name.
    :raises ComponentError: `component` is neither a name nor callable.
    """
    if isinstance(component, ParameterizedObject):
        return ParameterizedObject(component.component, {**component.parameters, **parameters})
    if not isinstance(component, str) and not callable(component):
        raise ComponentError(f"use(): expected a class, a function or a name, got {type(component).__name__}")
    return ParameterizedObject(component, parameters)
