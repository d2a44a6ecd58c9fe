"""What is trained with what, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playground.scenario.model import ComponentRef

if TYPE_CHECKING:
    from playground.runner.preparing import Prepared


def setup(ready: Prepared) -> dict[str, str]:
    """Return each part of a scenario with its parameters, for people: `{"optimizer": "adam(lr=0.01)", ...}`."""
    scenario = ready.loaded.scenario
    parts = {kind: named(ref) for kind, ref in scenario.components.items()}
    rate = getattr(ready.bound.optimizer, "lr", None)
    if rate is not None and "lr" not in scenario.components["optimizer"].parameters:
        parts["optimizer"] = named(scenario.components["optimizer"], lr=rate)
    if ready.stepper is not None:
        problem = ready.stepper.problem
        if problem.batches.data:
            inputs = problem.batches.data[0]
            parts["dataset"] += f", {len(inputs)} samples of {inputs[0].numel()} numbers"
        count = sum(tensor.numel() for tensor in problem.parameters.values())
        parts["parameters"] = str(count)
    return parts


def named(ref: ComponentRef, **more: Any) -> str:
    """Return a component with its parameters: `adam(lr=0.01)`; an expression is shown as it was written."""
    if set(ref.parameters) == {"formula"}:
        return str(ref.parameters["formula"])
    given = ", ".join(f"{key}={_short(value)}" for key, value in {**ref.parameters, **more}.items())
    return f"{ref.name}({given})" if given else ref.name


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
