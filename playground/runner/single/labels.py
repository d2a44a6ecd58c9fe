"""Describes a scenario's components and conditions in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from playground.plugins.signature import scenario_parameters
from playground.runner.single.prepared import Prepared, PreparedDescent
from playground.scenario.model import ComponentRef, Scenario
from playground.scenario.shorthand import COMPONENT_KINDS, expand_shorthand

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins


def describe_setup(ready: Prepared, plugins: Plugins) -> dict[str, str]:
    """Return the components with their parameters as text: `{"optimizer": "adam(lr=0.01)", ...}`."""
    scenario = ready.loaded.scenario
    parts = {kind: component_label(ref) for kind, ref in scenario.components.items()}
    if "optimizer" in scenario.components:
        parts["optimizer"] = optimizer_label(scenario.components["optimizer"], plugins)
    if isinstance(ready, PreparedDescent):
        problem = ready.problem
        if problem.batches.data:
            inputs = problem.batches.data[0]
            parts["dataset"] += f", {len(inputs)} samples of {inputs[0].numel()} numbers"
        count = sum(tensor.numel() for tensor in problem.parameters.values())
        parts["parameters"] = str(count)
    return parts


def optimizer_label(ref: ComponentRef, plugins: Plugins) -> str:
    """Return an optimizer with its parameters, including a default learning rate."""
    known = scenario_parameters(plugins.registry.get("optimizer", ref.name))
    rates = {each.name: each.default for each in known if each.name == "lr" and not each.required}
    return component_label(ref, **{name: rate for name, rate in rates.items() if name not in ref.parameters})


def variant_labels(points: Sequence[Scenario], axes: Collection[str], plugins: Plugins) -> dict[str, tuple[str, ...]]:
    """Return the components that a sweep compares, by kind and without parameters that are axes.

    A kind is left out if none of its components has other parameters.
    """
    found: dict[str, dict[str, None]] = {kind: {} for kind in COMPONENT_KINDS if kind in axes}
    for scenario in points:
        for kind in found.keys() & scenario.components.keys():
            ref = scenario.components[kind]
            kept = {name: value for name, value in ref.parameters.items() if f"{kind}.{name}" not in axes}
            shown = ComponentRef(name=ref.name, parameters=kept)
            swept_rate = f"{kind}.lr" in axes or kind != "optimizer"
            found[kind][component_label(shown) if swept_rate else optimizer_label(shown, plugins)] = None
    return {kind: tuple(words) for kind, words in found.items() if any("(" in word for word in words)}


def describe_conditions(data: Mapping[str, Any], swept: Collection[str] = ()) -> dict[str, str]:
    """Return the conditions of a run that a caption states, as text by key.

    :param data: the scenario as its file has it.
    :param swept: keys such as `optimizer.lr` whose values in the file were not used.
    """
    kept = _drop_paths(data, [key.split(".") for key in swept])
    found = {
        kind: component_label(_component_ref(kind, kept[kind])) for kind in ("optimizer", "schedule") if kept.get(kind)
    }
    if "optimizer" in data and "steps" not in swept:
        found["steps"] = str(data.get("steps", Scenario.model_fields["steps"].default))
    for key in ("start", "batch_size", "clip", "dtype"):
        if kept.get(key, {}) != {}:
            found[key] = _value_label(kept[key])
    return {**found, "version": _version()}


def _drop_paths(data: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return data without the values at these paths."""
    gone = {path[0] for path in paths if len(path) == 1}
    inner = {key: [path[1:] for path in paths if len(path) > 1 and path[0] == key] for key in data}
    return {
        key: _drop_paths(value, inner[key]) if isinstance(value, Mapping) else value
        for key, value in data.items()
        if key not in gone
    }


def as_yaml(data: Mapping[str, Any]) -> str:
    """Return a scenario as YAML, with short lists and mappings on one line."""
    import yaml

    text: str = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    return text


@cache
def _version() -> str:
    return version("gradient-playground")


def _component_ref(kind: str, value: Any) -> ComponentRef:
    mapping = dict(expand_shorthand(kind, value))
    return ComponentRef(name=mapping.pop("name"), parameters=mapping)


def _value_label(value: Any) -> str:
    """Return a value of YAML as one line, such as `norm 1`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shorten(item)}" for key, item in value.items())
    return _shorten(value)


def component_label(ref: ComponentRef, **more: Any) -> str:
    """Return a component with its parameters, such as `adam(lr=0.01)`; an expression as it was written."""
    if set(ref.parameters) == {"formula"}:
        return str(ref.parameters["formula"])
    given = ", ".join(f"{key}={_shorten(value)}" for key, value in {**ref.parameters, **more}.items())
    return f"{ref.name}({given})" if given else ref.name


def _shorten(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
