"""A model that is trained in evaluation mode."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence, LoopFinding

MIN_PASSES = 2
"""Passes in evaluation mode after which it counts as left on."""


def eval_mode_left_on() -> LoopDiagnoser:
    """The model was trained in training mode first, and in evaluation mode from some step to the end."""
    remedy = "Call `model.train()` after each validation."
    return LoopDiagnoser(_eval_mode_left_on, remedy, None)


def _eval_mode_left_on(loop: LoopEvidence) -> LoopFinding | None:
    if len(loop.modes) < 2:
        return None
    (before, _), (mode, passes) = loop.modes[-2:]
    left_on = before[0] and not mode[0] and passes >= MIN_PASSES
    layers = sorted({type(each).__name__ for each in loop.model.modules() if _depends_on_mode(each)})
    if not left_on or not layers:
        return None
    sentence = (
        f"The model was trained in evaluation mode for the last {passes:,} passes, after training mode before: "
        f"{', '.join(layers)} {'acts' if len(layers) == 1 else 'act'} differently."
    )
    return LoopFinding(sentence, loop.mode_places.get(mode))


def _depends_on_mode(module: nn.Module) -> bool:
    return (isinstance(module, _DropoutNd) and module.p > 0) or isinstance(module, _NormBase)
