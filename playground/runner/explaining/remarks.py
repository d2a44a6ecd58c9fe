"""Writes remarks about a step; each one is checked against the step's numbers before it is made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playground.explanation import Sentence
from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.runner.explaining.subject import ExplainedSubject

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.problem import Problem
    from playground.core.rule_check import VerifiedCall
    from playground.core.tape import Tape, TapeRecord

MAX_SATURATED_SLOPE = 0.05
"""Share of its steepest slope below which a function counts as saturated."""

TIE_TOLERANCE = 1e-6
"""Relative difference below which the gradients of two samples count as equal."""

MAX_ROUNDING_ULPS = 8
"""Units in the last place (ulp) up to which a change of the loss counts as rounding."""


def _(text: str) -> str:
    """Mark a sentence for the translation catalogues; the report translates it."""
    return text


OF_SWEEP = Sentence(_("The scenario is a sweep; this is its own run, before anything is swept."))

LOSS_CHANGES = {
    "was": _("The loss was {before:.4g} before the step."),
    "is": _("After the step the loss is {after:.4g}; it was {before:.4g}."),
    "fell": _("The step lowered the loss on the same data from {before:.{digits}g} to {after:.{digits}g}."),
    "stayed": _("The step left the loss on the same data at {before:.4g}."),
    # the loss rises for any length of the step
    "uphill": _(
        "The step went along the gradient: uphill. The loss rose from {before:.{digits}g} to {after:.{digits}g}."
    ),
    "overshot": _("The step was too long: the loss rose from {before:.{digits}g} to {after:.{digits}g}."),
    "rose": _("The loss rose from {before:.{digits}g} to {after:.{digits}g}."),
}
"""What a remark says of the loss before and after the step."""


@dataclass(frozen=True, kw_only=True)
class TapedStep:
    """A step after its update, with its tape.

    :param understood: the formula and rules of each operation; None if they are unknown.
    :param before: the parameters before the step.
    :param loss_after: the loss of the moved parameters on the same data; None if there was no update.
    :param samples: samples in the batch; 0 for a function.
    :param clipped: whether clipping changed the gradients.
    :param batch: the data of the step.
    :param formula_holds: whether the optimizer's formula gives the same update; None if it cannot be computed.
    """

    subject: ExplainedSubject
    problem: Problem
    tape: Tape
    understood: Mapping[TapeRecord, VerifiedCall | None]
    before: Mapping[str, Tensor]
    loss: float
    loss_after: float | None
    samples: int
    clipped: bool
    batch: tuple[Tensor, ...]
    formula_holds: bool | None

    def moves(self) -> dict[str, Tensor]:
        """Return how far each parameter moved."""
        return {name: self.problem.parameters[name].detach() - old for name, old in self.before.items()}


def step_remarks(step: TapedStep) -> Iterator[Sentence]:
    """Yield the subject's notes, the sample with the largest gradient, saturated functions, how the loss changed."""
    yield from step.subject.notes
    yield from _remark_hardest_sample(step)
    yield from _remark_saturation(step)
    yield from _remark_gradients(step) if math.isfinite(step.loss) else _remark_nonfinite_loss(step)
    if step.loss_after is not None:
        yield from _remark_loss_change(step, step.loss_after)
    yield from _remark_formula(step)


def _remark_hardest_sample(step: TapedStep) -> Iterator[Sentence]:
    prediction = next((value for value in step.tape.values if value.kind == "prediction"), None)
    if prediction is None or prediction.gradient is None or prediction.gradient.dim() < 1:
        return
    pull = prediction.gradient.abs().flatten(1).sum(1) if prediction.gradient.dim() > 1 else prediction.gradient.abs()
    if len(pull) != step.samples or len(pull) < 2 or not pull.sum() > 0:
        return
    share = pull / pull.sum()
    index = int(share.argmax())
    if int((share > share[index] * (1 - TIE_TOLERANCE)).sum()) == 1:
        yield Sentence(
            _("Sample {index} pulls hardest: {share:.0%} of |dL/d{name}| over all {count} samples."),
            {"index": index, "share": share[index].item(), "name": prediction.name, "count": len(pull)},
        )


def _remark_saturation(step: TapedStep) -> Iterator[Sentence]:
    import torch

    for record, known in step.understood.items():
        if known is None or known.operation.steepest is None or not record.outputs[0].differentiable:
            continue
        slope = known.operation.pull(known.call, torch.ones_like(known.call.output))["x"].abs()
        flat = slope < MAX_SATURATED_SLOPE * known.operation.steepest
        if count := int(flat.sum()):
            parts = {"name": record.name, "to": known.bound["x"].name, "count": count, "total": slope.numel()}
            text = _("{name} has saturated in {count} of {total} entries: almost no gradient passes to {to} there.")
            yield Sentence(text, parts)


def _remark_gradients(step: TapedStep) -> Iterator[Sentence]:
    """Yield a remark if there is no gradient, all gradients are zero, or one is not finite."""
    found = [value.gradient for value in step.tape.parameters.values() if value.gradient is not None]
    if not found:
        yield Sentence(_("The loss depends on no parameter: there is no gradient."))
    elif any(not bool(gradient.isfinite().all()) for gradient in found):
        yield from _remark_nonfinite_gradient(step.tape)
    elif any(bool(gradient.any()) for gradient in found):
        return
    elif step.loss_after is None:
        yield Sentence(_("Every gradient is zero."))
    elif any(bool(move.any()) for move in step.moves().values()):
        yield Sentence(
            _("Every gradient is zero: what moves the parameters is the optimizer's memory, weight decay or noise.")
        )
    else:
        yield Sentence(_("Every gradient is zero, and nothing moves."))


def _remark_nonfinite_gradient(tape: Tape) -> Iterator[Sentence]:
    """Name the first operation of the backward pass that turned a finite gradient into one that is not finite."""
    routes = tape.routes()
    for record in reversed(tape.records):
        arriving = [value.gradient for value in record.outputs if value.gradient is not None]
        bad = [value for value, gradient in routes[record].items() if not bool(gradient.isfinite().all())]
        if bad and all(bool(gradient.isfinite().all()) for gradient in arriving):
            parts = {"name": record.name, "to": bad[0].name}
            text = _("{name} gives back a gradient that is not finite: dL/d{to} has nan or inf from here on.")
            yield Sentence(text, parts)
            return
    yield Sentence(_("The gradient is not finite."))


def _remark_nonfinite_loss(step: TapedStep) -> Iterator[Sentence]:
    """Name the operation of the forward pass that turned finite numbers into NaN or infinity."""
    from playground.core.nonfinite import find_source

    source = None
    with suppress(*ISOLATED_EXCEPTIONS):  # a component may refuse to be evaluated once more
        source = find_source(step.problem, step.before, step.batch)
    if source is None or source.backward:
        yield Sentence(_("The loss is {loss:.4g}."), {"loss": step.loss})
        return
    numbers = ", ".join(f"{number:.4g}" for number in source.arguments)
    parts = {
        "call": f"{source.operation}({numbers})" if numbers else source.operation,
        "value": source.value,
        "then": source.then,
        "loss": step.loss,
    }
    if source.then:
        yield Sentence(_("{call} gives {value:.4g}, and {then} makes nan of it: the loss is {loss:.4g}."), parts)
    else:
        yield Sentence(_("{call} gives {value:.4g}: the loss is {loss:.4g}."), parts)


def _remark_formula(step: TapedStep) -> Iterator[Sentence]:
    """Yield a remark if the optimizer's formula does not give the update, or cannot be computed."""
    optimizer = step.subject.optimizer
    if step.formula_holds or optimizer is None:
        return
    parts = {"optimizer": optimizer.label}
    if step.formula_holds is None:
        yield Sentence(_("The formula of {optimizer} cannot be computed: it was not compared with this step."), parts)
    else:
        yield Sentence(_("The formula that {optimizer} declares does not give this step: it is not shown."), parts)


def _remark_loss_change(step: TapedStep, after: float) -> Iterator[Sentence]:
    before = step.loss
    parts = {"before": before, "after": after, "digits": _distinguishing_digits(before, after)}
    if not math.isfinite(before):
        change = "was"
    elif not math.isfinite(after):
        change = "is"
    elif after < before:
        change = "fell"
    elif _is_rounding(step, after):
        change = "stayed"
    else:
        slope = _slope(step)
        change = "uphill" if slope > 0 else "overshot" if slope < 0 else "rose"
    yield Sentence(LOSS_CHANGES[change], parts)
    if change != "uphill":
        yield from _remark_rate_bound(step)


def _remark_rate_bound(step: TapedStep) -> Iterator[Sentence]:
    """Name the bound of the curvature that the learning rate exceeds.

    No remark for a clipped step, which is shorter than its learning rate says.
    """
    from playground.core.diagnosis import find_exceeded_bound

    bound, optimizer = None, step.subject.optimizer
    if optimizer is not None and optimizer.rule is not None and not step.clipped:
        with suppress(*ISOLATED_EXCEPTIONS):  # without a second derivative there is no bound
            factor = 1.0 if optimizer.schedule is None else optimizer.schedule(step.subject.step)
            bound = find_exceeded_bound(step.problem, dict(step.before), optimizer.rule, factor)
    if bound:
        yield Sentence(
            _("The learning rate is beyond what this curvature allows: {bound}."), {"bound": bound.comparison}
        )


def _distinguishing_digits(before: float, after: float) -> int:
    """Return how many significant digits tell two numbers apart; at least 4."""
    return next((digits for digits in range(4, 17) if f"{before:.{digits}g}" != f"{after:.{digits}g}"), 4)


def _is_rounding(step: TapedStep, after: float) -> bool:
    import torch

    unit = torch.finfo(step.tape.loss.tensor.dtype).eps if step.tape.loss is not None else 0.0
    return abs(after - step.loss) <= MAX_ROUNDING_ULPS * unit * abs(step.loss)


def _slope(step: TapedStep) -> float:
    """Return the derivative of the loss along the step, at its start: Σ dL/dp · Δp."""
    moves = step.moves()
    return sum(
        (moves[name] * value.gradient).sum().item()
        for name, value in step.tape.parameters.items()
        if value.gradient is not None
    )
