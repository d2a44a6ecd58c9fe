"""Detects likely mistakes in a model and its loss that do not prevent training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor

from playground.core.losses import ShapeCheckedLoss, loss_traits
from playground.core.problem import Problem
from playground.core.seeding import preserve_torch_stream
from playground.core.thresholds import is_centre

MAX_SAMPLES = 64
"""The number of samples that are examined."""

PARAMETER_SCALES = (1.0, 40.0, -40.0)
"""Factors on all parameters. An output that is not squashed leaves [0, 1] at one of them."""

MIN_OUTPUT_RANGE = 0.1
"""The range that outputs must cover before their bounds mean anything."""

_VIEW_NODES: Final = (
    "view",
    "squeeze",
    "reshape",
    "alias",
    "clone",
    "t",
    "transpose",
    "permute",
    "copy",
    "slice",
    "select",
)
"""Nodes of torch's graph that do not change numbers, without `Backward0`, in lower case."""


def find_double_squashing(problem: Problem, compare: ShapeCheckedLoss) -> str:
    """Return a message if a model squashes its outputs into [0, 1] before a loss that takes logits; otherwise "".

    The test is numerical. Outputs are squashed if they stay within [0, 1] for every scale of the parameters. A loss
    takes logits if it separates the classes at 0, or does not change when a number is added to a whole row.
    """
    inputs, targets = (tensor[:MAX_SAMPLES] for tensor in problem.batches.data)
    with preserve_torch_stream(inputs.device), torch.no_grad():
        if not _is_squashed(problem, inputs):
            return ""
        prediction = problem.module(inputs)
        if _ignores_shifts(compare, prediction, targets):
            reading, least = "takes logits and applies a softmax itself", _best_prediction(compare, targets)
        elif _divides_at_zero(compare):
            reading, least = "separates the classes at 0, as for logits", targets
        else:
            return ""
        fits = least is not None and least.shape == prediction.shape
        floor = float(compare(least.to(prediction), targets)) if fits and least is not None else 0.0
    below = f", and it cannot fall below {floor:.4g}" if floor > 0 else ""
    last = _last_operation(problem, inputs)
    return (
        f"the model's outputs stay between 0 and 1{last}, but this loss {reading}{below}; "
        "let the model return logits, or use a loss of probabilities"
    )


def _is_squashed(problem: Problem, inputs: Tensor) -> bool:
    own, seen = problem.parameters, []
    for scale in PARAMETER_SCALES:
        outputs = problem.forward({name: scale * tensor for name, tensor in own.items()})(inputs)
        if not bool(((outputs >= 0) & (outputs <= 1)).all()):
            return False
        seen.append(outputs)
    every = torch.stack(seen)
    return bool(every.amax() - every.amin() > MIN_OUTPUT_RANGE)


def _ignores_shifts(compare: ShapeCheckedLoss, prediction: Tensor, targets: Tensor) -> bool:
    """Tell whether a loss ignores a number added to all columns of a sample, but changes otherwise."""
    if prediction.dim() != 2 or prediction.shape[1] < 2:
        return False
    each = torch.linspace(-2, 2, len(prediction), dtype=prediction.dtype, device=prediction.device).unsqueeze(1)
    single = torch.zeros_like(prediction)
    single[:, 0] = 1
    changed = (prediction, prediction + each, prediction + single)
    before, shifted, moved = (compare(one, targets) for one in changed)
    return bool(torch.isclose(before, shifted, rtol=1e-4)) and not bool(torch.isclose(before, moved, rtol=1e-4))


def _divides_at_zero(compare: ShapeCheckedLoss) -> bool:
    known = loss_traits(compare.loss)
    if known.class_indices:
        return False
    return known.threshold == 0 if known.threshold is not None else is_centre(compare.loss, compare.outputs, 0.0)


def _best_prediction(compare: ShapeCheckedLoss, targets: Tensor) -> Tensor | None:
    """Return the prediction within [0, 1] with the least loss, for each sample."""
    if loss_traits(compare.loss).class_indices:
        return torch.nn.functional.one_hot(targets, compare.outputs)
    return targets if targets.dim() == 2 else None


def _last_operation(problem: Problem, inputs: Tensor) -> str:
    """Name the operation that made the outputs, ignoring views; empty if torch does not know it."""
    with torch.enable_grad():
        node: Any = problem.module(inputs).grad_fn
    names = list(_names(node))
    return f" (its last operation is {names[-1]})" if names else ""


def _names(node: Any) -> Iterator[str]:
    while node is not None:
        name = node.name().partition("Backward")[0].lower().strip("_")
        yield name
        if name.removeprefix("unsafe").removeprefix("un") not in _VIEW_NODES or not node.next_functions:
            return
        node = node.next_functions[0][0]
