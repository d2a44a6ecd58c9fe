"""Dead and saturated units: ReLUs that give 0, flat sigmoids and tanhs."""

from __future__ import annotations

import torch

from playground.core.chain import bind_call
from playground.core.evidence import Diagnoser, Evidence, GradientPass, NamedTensors, is_finite


def dead_relu() -> Diagnoser:
    """At the end a ReLU gives 0 for every sample in every unit, although a larger output would reduce the loss."""
    remedy = "Start from smaller weights and biases near 0, lower the rate, or use `leaky_relu`."
    return Diagnoser(_dead_relu, remedy, 4)


def _dead_relu(run: Evidence) -> str:
    return _describe_dead(run.at_end) if is_finite(run.final) else ""


def _describe_dead(at: GradientPass) -> str:
    for record in at.tape.records:
        output = record.outputs[0]
        arrives = output.gradient is not None and bool((output.gradient < 0).any())  # otherwise 0 is the best output
        if record.name != "relu" or not arrives or bool(output.tensor.any()):
            continue
        (below,) = record.values
        if below.differentiable and (below.gradient is None or not bool(below.gradient.any())):
            return (
                f"A ReLU gives 0 in all {output.tensor.numel()} entries (its largest input is "
                f"{below.tensor.max():.4g}), so it passes no gradient."
            )
    return ""


def saturated_sigmoid() -> Diagnoser:
    """A sigmoid or tanh is so flat that its gradient predicts under a tenth of the gain of zeroing all parameters."""
    remedy = "Use a loss that undoes the saturation (`bce_with_logits` in place of mse), or start from smaller weights."
    return Diagnoser(_saturated_sigmoid, remedy, 4)


def _saturated_sigmoid(run: Evidence) -> str:
    return _describe_saturated(run, run.at_end) if is_finite(run.final) else ""


def _describe_saturated(run: Evidence, at: GradientPass) -> str:
    neutral = run.evaluate_at({name: torch.zeros_like(tensor) for name, tensor in run.final.items()}).loss
    gain = at.loss - neutral
    for record in at.tape.records:
        arriving = record.outputs[0].gradient
        known = record.name in ("sigmoid", "tanh") and record.name in run.operations
        if not known or arriving is None or not arriving.any() or not gain > 0:
            continue
        operation = run.operations[record.name]
        call, bound = bind_call(record, operation)
        passed = operation.pull(call, arriving)["x"]
        promised = (passed * bound["x"].tensor).abs().sum().item()
        share = (passed.abs().sum() / (operation.steepest * arriving.abs().sum())).item()  # type: ignore[operator]
        if share < 0.05 and promised < gain / 10:
            return (
                f"A {record.name} has saturated and passes {share:.2g} of the gradient at its steepest point; "
                f"with all parameters at 0 the loss would be {neutral:.4g}, not {at.loss:.4g}."
            )
    return ""


def describe_stuck_units(run: Evidence, parameters: NamedTensors) -> str:
    """Describe dead or saturated units at these parameters; empty if there are none."""
    at = run.evaluate_at(parameters)
    return _describe_dead(at) or _describe_saturated(run, at)
