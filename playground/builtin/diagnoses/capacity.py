"""What a model can and cannot do: the range of its output, the least loss it can reach, a plateau on the way there."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from playground.core.evidence import Diagnoser, Evidence
from playground.core.experiments import LeastLoss
from playground.core.outputs import Floors
from playground.core.smoothing import leave_one_out_error, neighbour_errors

MAX_TRUTH_TABLE_SAMPLES = 32
"""Samples up to which data with few different targets are a truth table, in which nothing is noise."""

NEAR = 0.1
"""A run is at the least loss of its model when it is above by at most this share of what that lacks."""

PLATEAU_STEPS = 100
"""Steps in whose second half a run must have stood still."""


def bounded_output() -> Diagnoser:
    """The last operation of the model keeps predictions in a range that holds the loss up."""
    remedy = (
        "Give the loss the numbers before that operation, or take the loss that belongs to it (`bce` to a sigmoid)."
    )
    return Diagnoser(_bounded_output, remedy, 2)


def _bounded_output(run: Evidence) -> str:
    seen = run.floors
    if seen is None or not seen.tail.name or not math.isfinite(run.last):
        return ""
    gap = seen.within - seen.free
    if not gap > 0.05 * max(abs(seen.constant - seen.free), abs(run.last - seen.free)):
        return ""
    low, high = seen.tail.prediction.min().item(), seen.tail.prediction.max().item()
    return (
        f"The model ends in {seen.tail.name}, whose results here lie between {low:.3g} and {high:.3g}: with any such "
        f"numbers the loss cannot fall below {seen.within:.4g}, and without it to {_format_loss(seen.free)}."
    )


def cannot_represent() -> Diagnoser:
    """The least loss found from many starts is far above what other predictions would reach, and the run is there.

    Noise is no reproach: of a truth table there is none, and of other data the neighbours of each sample must predict
    it far better than the model does.
    """
    remedy = "Give the model what it lacks: a hidden layer with a non-linear activation, a bias, more units, a power."
    return Diagnoser(_cannot_represent, remedy, 5)


def _cannot_represent(run: Evidence) -> str:
    seen = run.floors
    if seen is None or run.measure is None or not math.isfinite(run.last):
        return ""
    scale = seen.constant - seen.within
    if not run.last - seen.within > max(0.05 * run.last, 0.01 * scale):
        return ""
    # With a loss below this one the run is not near the least: it is not worth while to find out how low that is.
    least = run.least((run.last + NEAR * seen.within) / (1 + NEAR))
    if least is None:
        return ""
    excess = least.loss - seen.within
    if not excess > max(0.05 * least.loss, 0.01 * scale) or not excess > 0:
        return ""
    if not run.last <= least.loss + NEAR * excess or not _is_no_noise(run, least):
        return ""
    return (
        f"The least loss found from {least.starts} starts is {least.loss:.4g}, and this run ended at {run.last:.4g}; "
        f"other predictions of the same data would reach {_format_loss(seen.within)}."
    )


def plateau() -> Diagnoser:
    """The model gives all samples one answer, the loss stands at that of this answer, and could be far lower."""
    remedy = "Leave the plateau: larger initial weights, a steeper loss (`bce` in place of mse), tanh in place of \
sigmoid, momentum, a larger rate, or many more steps."
    return Diagnoser(_plateau, remedy, 6)


def _plateau(run: Evidence) -> str:
    seen = run.floors
    if seen is None or run.steps < PLATEAU_STEPS or len(run.losses) < PLATEAU_STEPS or not math.isfinite(run.last):
        return ""
    scale = seen.constant - seen.within
    half = torch.tensor(run.losses, dtype=torch.float64)[len(run.losses) // 2 :]
    early, late = half[: len(half) // 2].mean().item(), half[len(half) // 2 :].mean().item()
    still = abs(early - late) < 0.01 * scale and abs(run.last - seen.constant) < 0.03 * scale
    if not scale > 0 or not still:
        return ""
    predictions = seen.tail.prediction.double()
    if not predictions.std(0, correction=0).max() < 0.2 * _target_spread(run, seen):
        return ""
    if _falls_along_the_gradient(run, run.last - seen.within, 0.1 * scale):
        return ""
    enough = seen.within + 0.5 * scale
    least = run.least(min(enough, (run.last + seen.within) / 2))
    if least is None or not least.loss < enough:
        return ""
    return (
        f"The loss has stood near {run.last:.4g} for half the run, which is that of one answer for all samples "
        f"({seen.constant:.4g}; answers go from {predictions.min():.3g} to {predictions.max():.3g}); with other "
        f"parameters this model reaches {_format_loss(least.loss)}."
    )


def _falls_along_the_gradient(run: Evidence, height: float, drop: float) -> bool:
    """Whether longer steps against the gradient make the loss fall by `drop`: then steps are short, and no plateau.

    :param height: by how much the loss could fall; the lengths tried are around the one that would do it on a slope.
    """
    gradient = run.at_end.gradient
    square = sum(each.double().square().sum().item() for each in gradient.values())
    if not 0 < square < math.inf:
        return False
    for power in range(-5, 6):
        length = height / square * 4.0**power
        there = {name: tensor - length * gradient[name] for name, tensor in run.final.items()}
        if run.at(there).loss < run.last - drop:
            return True
    return False


def _is_no_noise(run: Evidence, least: LeastLoss) -> bool:
    """Whether the model's errors are not those that any model would make."""
    inputs, targets = run.problem.batches.data[0].double(), run.problem.batches.data[1]
    if inputs.dim() != 2:
        return False
    if _is_table(inputs, targets):
        return True
    sizes = [tensor.numel() for tensor in run.start.values()]
    pieces = zip(run.start.items(), torch.split(least.parameters, sizes), strict=True)
    measured = run.measure({name: piece.view(each.shape).to(each) for (name, each), piece in pieces})  # type: ignore[misc]
    if "accuracy" in measured:
        wrong = (1 - measured["accuracy"].item()) * len(inputs)
        return wrong >= 2 + 3 * neighbour_errors(inputs, targets)
    targets = targets.double().reshape(len(inputs), -1)
    predictions = measured["predictions"].double() if "predictions" in measured else None
    if predictions is None or predictions.shape != targets.shape:
        return False
    error = leave_one_out_error(inputs, targets)
    return error is not None and (predictions - targets).square().mean().item() > 4 * error


def _is_table(inputs: Tensor, targets: Tensor) -> bool:
    """Whether no input stands there twice and few different targets do: nobody can say that one of them is noise."""
    rows, kinds = (torch.unique(each.reshape(len(each), -1), dim=0) for each in (inputs, targets))
    return (
        len(inputs) <= MAX_TRUTH_TABLE_SAMPLES and len(rows) == len(inputs) and len(kinds) <= max(2, len(inputs) // 4)
    )


def _target_spread(run: Evidence, seen: Floors) -> float:
    """Return how far the predictions would have to lie apart, in the unit of the predictions."""
    targets = run.problem.batches.data[1]
    if targets.is_floating_point() and targets.numel() == seen.tail.prediction.numel():
        return targets.double().std(correction=0).item()
    return 1.0


def _format_loss(loss: float) -> str:
    """Write a loss that a search has found, which is 0 to it below a millionth."""
    return "0" if abs(loss) < 1e-6 else f"{loss:.4g}"
