"""Gradients that do not reach the parameters, and parameters that the optimizer does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence, LoopFinding

MIN_STEPS_UNUSED: Final = 50
"""Steps without a use after which a parameter counts as unused: a mixture of experts uses some rarely."""

LISTED_NAMES: Final = 4
"""The most parameters that a sentence names."""


WITHOUT_SLOPE: Final = "A choice or a comparison has no derivative: give the loss the numbers that it was made of."

_SIGNS: Final = {".gt()": ">", ".ge()": ">=", ".lt()": "<", ".le()": "<=", ".eq()": "==", ".ne()": "!="}


def cut_graph() -> LoopDiagnoser:
    """`backward` was called on a loss that does not depend on any parameter through differentiable operations."""
    remedy = (
        "Call `backward()` on the loss itself, without `.item()`, `.detach()`, `.data`, `torch.tensor(...)`, numpy or "
        "`no_grad` between the model and it."
    )
    return LoopDiagnoser(_cut_graph, remedy, 0)


def _cut_graph(loop: LoopEvidence) -> LoopFinding | None:
    foreign = not loop.optimized() & loop.names.keys()
    found = loop.cut_losses or ([] if loop.reached or foreign else [each for each in loop.unreached if each.call])
    if not found:
        return None
    first = found[0]
    if not any(each.requires_grad for each in loop.model.parameters()):
        why = "every parameter of the model has requires_grad=False"
    elif first.without_gradients:
        why = "the model ran with gradients disabled (`no_grad` or `inference_mode`)"
    elif first.call:
        why = f"`{_SIGNS.get(first.call, first.call)}` ends the graph"
    else:
        why = "something between the model and the loss ends the graph"
    remedy = WITHOUT_SLOPE if first.call in _SIGNS or "arg" in first.call else ""
    effect = "torch refuses `backward`" if first.raised else "`backward` reaches no parameter"
    return LoopFinding(f"No gradient flows from the loss: {why}, so {effect}.", first.place, remedy)


def optimizer_of_another_model() -> LoopDiagnoser:
    """No watched optimizer has a parameter of the watched model."""
    remedy = "Create the optimizer after the model, from `model.parameters()` of the model that is trained."
    return LoopDiagnoser(_optimizer_of_another_model, remedy, 0)


def _optimizer_of_another_model(loop: LoopEvidence) -> LoopFinding | None:
    if not loop.names or loop.optimized() & loop.names.keys():
        return None
    names = " and ".join(each.name for each in loop.optimizers)
    count = sum(1 for each in loop.optimizers for _ in each.parameters())
    sentence = (
        f"None of the {count} parameters of the optimizer {names} belongs to the model, "
        f"{type(loop.model).__name__}, which has {len(loop.names)}, so no step changes the model."
    )
    return LoopFinding(sentence, next((each.places.get("step") for each in loop.optimizers), None))


def parameters_without_gradient() -> LoopDiagnoser:
    """Parameters that the optimizer should move never got a gradient."""
    remedy = "Use them in the loss without `.detach()`, `no_grad` or argmax, or leave them out of the optimizer."
    return LoopDiagnoser(_parameters_without_gradient, remedy, 2)


def _parameters_without_gradient(loop: LoopEvidence) -> LoopFinding | None:
    optimized = loop.optimized()
    missing = [
        name
        for name, each in loop.model.named_parameters()
        if each.requires_grad and id(each) in optimized and name not in loop.with_gradient
    ]
    if not missing or not loop.with_gradient:
        return None
    cut = [name for name in missing if name in loop.cuts and loop.cuts[name].call]
    if cut:
        first = loop.cuts[cut[0]]
        how = " with gradients disabled" if first.without_gradients else ""
        sentence = f"{_list_names(cut)} never get a gradient: `{first.call}`{how} ends the graph behind them."
        return LoopFinding(_agree(sentence, cut), first.place)
    unused = [name for name in missing if name in loop.cuts and not loop.cuts[name].used]
    if unused and loop.steps >= MIN_STEPS_UNUSED:
        sentence = (
            f"{_list_names(unused)} never get a gradient in {loop.steps:,} steps: the forward pass does not use them."
        )
        return LoopFinding(_agree(sentence, unused))
    idle = [name for name in missing if name in loop.cuts and loop.cuts[name].used]
    if idle and loop.steps >= MIN_STEPS_UNUSED:
        names = _list_names(idle)
        sentence = (
            f"{names} never get a gradient in {loop.steps:,} steps: no loss depends on what is computed from them."
        )
        return LoopFinding(_agree(sentence, idle))
    return None


def parameters_not_in_optimizer() -> LoopDiagnoser:
    """Parameters that get a gradient, but that nothing has changed."""
    remedy = (
        "Create the optimizer from all of `model.parameters()`, or freeze these parameters by `requires_grad_(False)`."
    )
    return LoopDiagnoser(_parameters_not_in_optimizer, remedy, 2)


def _parameters_not_in_optimizer(loop: LoopEvidence) -> LoopFinding | None:
    if not loop.steps:
        return None
    optimized = loop.optimized()
    for name, found, versions in loop.hidden:
        left = [each for each in found.tensors if id(each) not in optimized and each.grad is not None]
        if left and [each._version for each in found.tensors] == versions:
            remedy = "Register them with the module, and create the optimizer from `model.parameters()` afterwards."
            return LoopFinding(f"No optimizer has all parameters of {name}: {found.reason}.", remedy=remedy)
    names = [
        name
        for name, each in loop.model.named_parameters()
        if id(each) not in optimized
        and each.requires_grad
        and each.grad is not None
        and each._version == loop.versions.get(name, each._version)
    ]
    if not names or not optimized & loop.names.keys():
        return None
    sentence = f"{_list_names(names)} get a gradient, but are in no watched optimizer, and nothing changes them."
    return LoopFinding(_agree(sentence, names))


def _list_names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED_NAMES])
    return f"{shown} and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else shown


def _agree(sentence: str, names: Sequence[str]) -> str:
    """Put a sentence about several parameters into the singular for one."""
    if len(names) > 1:
        return sentence
    for plural, singular in (
        (" get a", " gets a"),
        (" never get ", " never gets "),
        (", but are ", ", but is "),
        ("them", "it"),
    ):
        sentence = sentence.replace(plural, singular)
    return sentence
