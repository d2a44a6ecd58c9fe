"""Numbers that are not finite."""

from __future__ import annotations

from playground.core.nonfinite import NonfiniteSource, find_source
from playground.core.seeding import preserve_torch_stream
from playground.core.watching.loop_evidence import FirstNonfinite, LoopDiagnoser, LoopEvidence, LoopFinding


def nonfinite() -> LoopDiagnoser:
    """The loss, a gradient or a parameter became NaN or infinite."""
    remedy = (
        "Keep the operation's argument away from where it has no finite value or slope, for example by `+ eps` under a "
        "root, a logarithm or a fraction."
    )
    return LoopDiagnoser(_nonfinite, remedy, 4)


OVERFLOW = "Keep the numbers smaller: a lower learning rate, clipped gradients or scaled inputs."
"""The remedy where large numbers, and no pole, made the infinity."""


def _nonfinite(loop: LoopEvidence) -> LoopFinding | None:
    first = loop.nonfinite
    if first is None:
        return None
    if first.what == "input":
        sentence = f"The loss of step {first.step} is {first.value}: an input of the model is not finite."
        return LoopFinding(sentence, first.place, "Drop or fill in missing values before they reach the model.")
    source = _replay_source(loop, first) or first.source
    made = f": {source}" if source is not None else ""
    place = first.place if source is None or source.place is None else source.place
    remedy = OVERFLOW if source is not None and source.overflow else ""
    if first.what == "parameters":
        more = "" if made else f"; `watch(..., steps=[{first.step}])` keeps that step, and names the operation"
        sentence = f"After step {first.step} the parameter {first.name} is not finite{made}{more}."
        return LoopFinding(sentence, place, remedy)
    if first.what == "gradient":
        where = " in the loss function" if first.outside and source is None else ""
        return LoopFinding(f"The gradient of step {first.step} is {first.value}{made or where}.", place, remedy)
    where = ", made by the loss function: the model's output is finite" if first.outside else ""
    return LoopFinding(f"The loss of step {first.step} is {first.value}{made}{where}.", place, remedy)


def _replay_source(loop: LoopEvidence, first: FirstNonfinite) -> NonfiniteSource | None:
    """Return what made the number, if the step was kept: by its own calls."""
    for step in loop.trusted():
        if step.step == first.step:
            problem = step.problem()
            with preserve_torch_stream(next(problem.module.parameters()).device):
                return find_source(problem, problem.parameters, problem.batches.data)
    return None
