"""Limits of a model: the range of its output, the least loss it can reach, and a plateau before it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from playground.core.evidence import Diagnoser, Evidence
from playground.core.experiments import LeastLoss
from playground.core.outputs import Floors
from playground.core.smoothing import leave_one_out_error, neighbour_errors

MAX_TRUTH_TABLE_SAMPLES = 32
"""The most samples with few different targets that count as a truth table, which has no noise."""

NEAR = 0.1
"""A run is at its model's least loss if it exceeds it by at most this share of what the model lacks."""

PLATEAU_STEPS = 100
"""The least number of steps of a plateau, whose second half must show no progress."""


def bounded_output() -> Diagnoser:
    """The last operation of the model restricts predictions to a range that keeps the loss high."""
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
    """The least loss found from many starts is far above that of other predictions, and the run has reached it.

    Noise does not count: a truth table has none, and in other data the neighbours of each sample must predict it far
    better than the model does.
    """
    remedy = "Extend the model: a hidden layer with a non-linear activation, a bias, more units, a power."
    return Diagnoser(_cannot_represent, remedy, 5)


def _cannot_represent(run: Evidence) -> str:
    seen = run.floors
    if seen is None or run.measure is None or not math.isfinite(run.last):
        return ""
    scale = seen.constant - seen.within
    if not run.last - seen.within > max(0.05 * run.last, 0.01 * scale):
        return ""
    # Below this loss the run is not near the least one, so the search for a lower one may end.
    least = run.find_least_loss((run.last + NEAR * seen.within) / (1 + NEAR))
    if least is None:
        return ""
    excess = least.loss - seen.within
    if not excess > max(0.05 * least.loss, 0.01 * scale) or not excess > 0:
        return ""
    if not run.last <= least.loss + NEAR * excess or not _is_no_noise(run, least):
        return ""
    return (
        f"The least loss found from {least.starts} starts is {least.loss:.4g}; this run ended at {run.last:.4g}. "
        f"Other predictions for the same data would reach {_format_loss(seen.within)}."
    )


def plateau() -> Diagnoser:
    """The model gives almost the same answer for all samples, and a far lower loss is possible."""
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
    least = run.find_least_loss(min(enough, (run.last + seen.within) / 2))
    if least is None or not least.loss < enough:
        return ""
    return (
        f"For half the run, the loss has stayed near {run.last:.4g}, the loss of one prediction for all samples "
        f"({seen.constant:.4g}; predictions range from {predictions.min():.3g} to {predictions.max():.3g}); with other "
        f"parameters this model reaches {_format_loss(least.loss)}."
    )


def _falls_along_the_gradient(run: Evidence, height: float, drop: float) -> bool:
    """Whether longer steps against the gradient reduce the loss by `drop`: then the steps are short, not a plateau.

    :param height: how far the loss could fall; the step lengths are around the one that would achieve it on a slope.
    """
    gradient = run.at_end.gradient
    square = sum(each.double().square().sum().item() for each in gradient.values())
    if not 0 < square < math.inf:
        return False
    for power in range(-5, 6):
        length = height / square * 4.0**power
        there = {name: tensor - length * gradient[name] for name, tensor in run.final.items()}
        if run.evaluate_at(there).loss < run.last - drop:
            return True
    return False


def _is_no_noise(run: Evidence, least: LeastLoss) -> bool:
    """Whether the model's errors exceed those that any model would make."""
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
    """Whether inputs are unique and targets few, so that no target can be called noise."""
    rows, kinds = (torch.unique(each.reshape(len(each), -1), dim=0) for each in (inputs, targets))
    return (
        len(inputs) <= MAX_TRUTH_TABLE_SAMPLES and len(rows) == len(inputs) and len(kinds) <= max(2, len(inputs) // 4)
    )


def _target_spread(run: Evidence, seen: Floors) -> float:
    """Return how far apart the predictions would have to be, in their unit."""
    targets = run.problem.batches.data[1]
    if targets.is_floating_point() and targets.numel() == seen.tail.prediction.numel():
        return targets.double().std(correction=0).item()
    return 1.0


def _format_loss(loss: float) -> str:
    """Format the loss found by a search; below a millionth it counts as 0."""
    return "0" if abs(loss) < 1e-6 else f"{loss:.4g}"
