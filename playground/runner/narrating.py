"""A step in words that are true of its own numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from playground.explanation import Sentence
from playground.plugins.causes import ISOLATED
from playground.runner.preparing import Prepared

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.chain import Operations
    from playground.engine.problem import Problem
    from playground.engine.tape import Tape

SATURATED = 0.05
"""Share of its steepest slope below which a function passes on next to nothing."""


def _(text: str) -> str:
    """Mark a sentence for the catalogues; it is translated where it is shown."""
    return text


def words(
    ready: Prepared,
    problem: Problem,
    tape: Tape,
    operations: Operations,
    before: Mapping[str, Tensor],
    loss: float,
    loss_after: float | None,
    step: int,
) -> Iterator[Sentence]:
    """Yield sentences: who pulls hardest, what has saturated, what the step did to the loss."""
    if ready.loaded.scenario.sweep is not None:
        yield Sentence(_("The scenario is a sweep; this is its own run, before anything is swept."))
    yield from _hardest(tape)
    yield from _saturated(tape, operations)
    if not any(value.gradient is not None and bool(value.gradient.any()) for value in tape.parameters.values()):
        yield Sentence(_("Every gradient is zero: no step can follow."))
    broken = list(_nonfinite(problem, before, ready, step))
    yield from broken
    if loss_after is not None and not broken:
        yield from _step(ready, problem, tape, before, loss, loss_after, step)


def _hardest(tape: Tape) -> Iterator[Sentence]:
    prediction = next((value for value in tape.values if value.kind == "prediction"), None)
    if prediction is None or prediction.gradient is None or prediction.gradient.dim() < 1:
        return
    pull = prediction.gradient.abs().flatten(1).sum(1) if prediction.gradient.dim() > 1 else prediction.gradient.abs()
    if len(pull) > 1 and pull.sum() > 0:
        share = pull / pull.sum()
        index = int(share.argmax())
        yield Sentence(
            _("Sample {index} pulls hardest: {share:.0%} of |dL/d{name}| over all {count} samples."),
            {"index": index, "share": share[index].item(), "name": prediction.name, "count": len(pull)},
        )


def _saturated(tape: Tape, operations: Operations) -> Iterator[Sentence]:
    import torch

    from playground.engine.chain import call_of

    for record in tape.records:
        if record.name not in operations or not record.outputs[0].differentiable:
            continue
        operation = operations[record.name]
        if operation.steepest is None:
            continue
        call, bound = call_of(record, operation)
        slope = operation.pull(call, torch.ones_like(call.output))["x"].abs()
        flat = slope < SATURATED * operation.steepest
        if count := int(flat.sum()):
            parts = {"name": record.name, "to": bound["x"].name, "count": count, "total": slope.numel()}
            text = _("{name} has saturated in {count} of {total} entries: almost no gradient reaches {to} there.")
            yield Sentence(text, parts)


def _nonfinite(problem: Problem, before: Mapping[str, Tensor], ready: Prepared, step: int) -> Iterator[Sentence]:
    """Name the operation that makes NaN or infinity of finite numbers, in the loss or in its gradient."""
    from playground.engine.nonfinite import find_source

    source = None
    with suppress(*ISOLATED):  # what cannot be found out costs this sentence, not the explanation
        source = find_source(problem, before, problem.batches.at(step))
    if source is None:
        return
    parts = {"operation": source.operation, "value": f"{source.value:g}", "at": source.at}
    if source.backward and source.at:
        text = _("The gradient is not finite: the derivative of {operation} at {at} makes {value} of finite numbers.")
    elif source.backward:
        text = _("The gradient is not finite: the derivative of {operation} makes {value} of finite numbers.")
    elif source.at:
        text = _("The loss is not finite: {operation} of {at} gives {value}.")
    else:
        text = _("The loss is not finite: {operation} gives {value} of finite numbers.")
    yield Sentence(text, parts)


def _step(
    ready: Prepared,
    problem: Problem,
    tape: Tape,
    before: Mapping[str, Tensor],
    loss: float,
    loss_after: float,
    step: int,
) -> Iterator[Sentence]:
    from playground.engine.diagnosis import exceeded_bound
    from playground.engine.update import UpdateRule

    parts = {"before": loss, "after": loss_after, "digits": _telling(loss, loss_after)}
    if loss_after < loss:
        yield Sentence(
            _("The step lowered the loss on the same data from {before:.{digits}g} to {after:.{digits}g}."), parts
        )
    elif loss_after == loss:
        yield Sentence(_("The step left the loss on the same data at {before:.4g}."), parts)
    elif _uphill(problem, tape, before):
        text = _(
            "The step went along the gradient: uphill. The loss rose from {before:.{digits}g} to {after:.{digits}g}."
        )
        yield Sentence(text, parts)
        return
    else:
        yield Sentence(_("The step was too long: the loss rose from {before:.{digits}g} to {after:.{digits}g}."), parts)
    bound, rule, schedule = None, ready.bound.optimizer, ready.bound.schedule
    if isinstance(rule, UpdateRule):
        with suppress(*ISOLATED):  # no second derivative: then no bound
            bound = exceeded_bound(problem, dict(before), rule, 1.0 if schedule is None else schedule(step))
    if bound:
        yield Sentence(
            _("The learning rate is beyond what this curvature allows: {bound}."), {"bound": bound.comparison}
        )


def _telling(before: float, after: float) -> int:
    """Return with how many digits two numbers that differ look different, four at least."""
    return next((digits for digits in range(4, 17) if f"{before:.{digits}g}" != f"{after:.{digits}g}"), 4)


def _uphill(problem: Problem, tape: Tape, before: Mapping[str, Tensor]) -> bool:
    """Say whether a step moved along the gradient rather than against it: the loss rises however short it is."""
    slope = sum(
        ((problem.parameters[name].detach() - before[name]) * value.gradient).sum().item()
        for name, value in tape.parameters.items()
        if value.gradient is not None
    )
    return slope > 0
