"""The order of `zero_grad`, `backward`, `step` and schedulers."""

from __future__ import annotations

from typing import Final

from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence, LoopFinding, OptimizerEvidence

MIN_CALLS_WITHOUT_STEP: Final = 5
"""Calls of `backward` after which a step should have been made."""


def forgotten_zero_grad() -> LoopDiagnoser:
    """Steps used gradients to which `backward` had added, although an earlier step had used them."""
    return LoopDiagnoser(_forgotten_zero_grad, "Call `optimizer.zero_grad()` before each `backward()`.", 1)


def _forgotten_zero_grad(loop: LoopEvidence) -> LoopFinding | None:
    for each in loop.optimizers:
        if each.leftover:
            names = [loop.names.get(mark, "a parameter") for mark in each.left]
            part = f" of {', '.join(sorted(names))}" if len(names) < sum(1 for _ in each.parameters()) else ""
            sentence = (
                f"Nothing clears the gradients{part} between steps (`zero_grad`): `backward` adds to what an earlier "
                f"step has used, and {_share(each.leftover, each)} of {each.name} used the sum."
            )
            return LoopFinding(sentence, each.places.get("leftover"))
    return None


def step_without_gradient() -> LoopDiagnoser:
    """The optimizer made steps while no parameter had a gradient to use."""
    remedy = "Order the calls in each step: `zero_grad()`, forward pass, `backward()`, `step()`."
    return LoopDiagnoser(_step_without_gradient, remedy, 1)


def _step_without_gradient(loop: LoopEvidence) -> LoopFinding | None:
    for each in loop.optimizers:
        if not each.empty:
            continue
        order = next((order for order, _ in each.orders.most_common() if "b" in order), "")
        computed_first = order.rfind("b") > order.rfind("f")  # backward follows the forward pass before the step
        every = each.empty == each.attentive
        if every and not order:
            if each.has_moved:  # an optimizer that needs no gradient
                continue
            return _describe_missing_backward(loop, each)
        if every and computed_first and "z" in order[order.rfind("b") :]:
            return LoopFinding(
                f"`zero_grad` clears the gradients between `backward` and `step`: {_share(each.empty, each)} of "
                f"{each.name} had no gradient.",
                each.places.get("zero_grad"),
            )
        if order and not computed_first:
            return LoopFinding(
                f"`step` comes before `backward`: {_share(each.empty, each)} of {each.name} had no gradient"
                f"{'' if every else ', and the others used that of the step before'}.",
                each.places.get("step"),
            )
    return None


def _describe_missing_backward(loop: LoopEvidence, optimizer: OptimizerEvidence) -> LoopFinding:
    made = f"{optimizer.name} made {_count(optimizer.steps)}"
    if not loop.backward_calls:
        sentence = f"{made}, and `backward` was never called."
        return LoopFinding(sentence, optimizer.places.get("empty"), "Call `loss.backward()` before `optimizer.step()`.")
    sentence = f"{made}, and none of {loop.backward_calls} calls of `backward` gave its parameters a gradient."
    remedy = "Compute the loss with the model that the optimizer has, without `.detach()` or `no_grad` on the way."
    return LoopFinding(sentence, optimizer.places.get("empty"), remedy)


def accumulation_count() -> LoopDiagnoser:
    """The loop was declared to accumulate the gradients of some calls of `backward` for each step, and makes others."""
    remedy = "Count the calls of `backward()` between two steps, or pass the right number as `accumulate`."
    return LoopDiagnoser(_accumulation_count, remedy, 1)


def _accumulation_count(loop: LoopEvidence) -> LoopFinding | None:
    for each in loop.optimizers:
        if loop.accumulate == 1 or not each.counts or loop.accumulate in each.counts:
            continue
        made = each.counts.most_common(1)[0][0]
        return LoopFinding(
            f"accumulate={loop.accumulate} was declared, but a step of {each.name} follows "
            f"{made} {'call' if made == 1 else 'calls'} of `backward`.",
            each.places.get("step"),
        )
    return None


def scaled_gradient() -> LoopDiagnoser:
    """The optimizer used gradients that AMP's scaler had multiplied and nobody divided."""
    remedy = "Call `scaler.step(optimizer)` in place of `optimizer.step()`."
    return LoopDiagnoser(_scaled_gradient, remedy, 1)


def _scaled_gradient(loop: LoopEvidence) -> LoopFinding | None:
    if not loop.scaled_steps:
        return None
    factor = next(iter(loop.scaled_steps.values()))
    count = _count(len(loop.scaled_steps))
    sentence = f"The gradients of {count} were still multiplied by {factor:,.0f}, the factor of the scaler."
    return LoopFinding(sentence, next((each.places.get("step") for each in loop.optimizers), None))


def step_never_called() -> LoopDiagnoser:
    """`backward` reached the optimizer again and again, and the optimizer made no step."""
    return LoopDiagnoser(_step_never_called, "Call `optimizer.step()`, with parentheses, after `backward()`.", 1)


def _step_never_called(loop: LoopEvidence) -> LoopFinding | None:
    enough = max(MIN_CALLS_WITHOUT_STEP, 2 * loop.accumulate)
    idle = not loop.steps and not any(each.has_moved for each in loop.optimizers)
    if loop.exception is not None or not loop.reached or not idle or loop.backward_calls < enough:
        return None
    names = " and ".join(each.name for each in loop.optimizers)
    sentence = f"`backward` was called {loop.backward_calls} times, and no step of {names} was made."
    return LoopFinding(sentence, next((each.places.get("backward") for each in loop.optimizers), None))


def scheduler_before_optimizer() -> LoopDiagnoser:
    """A scheduler's first step came before the optimizer's, which skips the first learning rate."""
    remedy = "Call `scheduler.step()` after `optimizer.step()`."
    return LoopDiagnoser(_scheduler_before_optimizer, remedy, None)


def _scheduler_before_optimizer(loop: LoopEvidence) -> LoopFinding | None:
    for name, place in loop.early_schedulers.items():
        if loop.steps:
            sentence = f"{name} moves before the optimizer's first step, so that no step has the first learning rate."
            return LoopFinding(sentence, place)
    return None


def _share(steps: int, optimizer: OptimizerEvidence) -> str:
    return f"{steps} of {optimizer.attentive} examined steps" if optimizer.attentive > 1 else "the step"


def _count(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps:,} steps"
