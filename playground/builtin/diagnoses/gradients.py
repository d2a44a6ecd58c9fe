"""Gradients that differ from the slope of the loss, that are zero everywhere, or that explode in the backward pass."""

from __future__ import annotations

import torch

from playground.core.evidence import Diagnoser, Evidence, is_finite, to_vector
from playground.core.tape import Tape, TapeValue
from playground.result import Status

BAD_STATUSES = (Status.DIVERGED, Status.NONFINITE)


def cut_off() -> Diagnoser:
    """Central differences show a slope that autograd misses: entirely, for some parameters, or in part.

    If the graph contains a custom `torch.autograd.Function`, the diagnosis is `wrong_backward`.
    """
    remedy = "Keep the loss in torch's operations from the parameters on: no `.item()`, `.detach()`, `.data`, numpy, \
`torch.tensor(...)` or `no_grad` between."
    return Diagnoser(_cut_off, remedy, 1)


def _cut_off(run: Evidence) -> str:
    missing = run.mismatches
    if not missing or any(each.custom for each in missing):
        return ""
    zero = [each.parameter for each in missing if each.autograd == 0]
    steepest = max(missing, key=lambda each: abs(each.measured))
    where = f"along one direction in {steepest.parameter}, it is {steepest.measured:.4g}"
    if len(zero) == len(run.start):
        return (
            f"The loss has a slope ({where} by central differences), but autograd's gradient is 0 for all parameters."
        )
    if zero:
        return (
            f"No gradient reaches {', '.join(zero[:4])}, although the loss has a slope there: {where} "
            "by central differences."
        )
    return (
        f"A part of the gradient is missing: {where} by central differences, but {steepest.autograd:.4g} by autograd."
    )


def wrong_backward() -> Diagnoser:
    """Central differences and autograd give different slopes, and the graph has a custom `torch.autograd.Function`."""
    remedy = "Compare that `backward` with the derivative: `task: derivative` checks each input."
    return Diagnoser(_wrong_backward, remedy, 1)


def _wrong_backward(run: Evidence) -> str:
    wrong = [each for each in run.mismatches if each.custom]
    if not wrong:
        return ""
    steepest = max(wrong, key=lambda each: abs(each.measured))
    return (
        f"The gradient is not the slope of the loss: along one direction in {steepest.parameter}, autograd gives "
        f"{steepest.autograd:.4g} and central differences {steepest.measured:.4g}; {', '.join(steepest.custom)} "
        "has a backward of its own."
    )


def zero_gradient() -> Diagnoser:
    """The gradient is exactly zero at start, end and 24 points around, yet the loss differs there: it has steps."""
    remedy = "Train with a loss that has a slope (a sigmoid with `bce`), and count right answers only as a metric."
    return Diagnoser(_zero_gradient, remedy, 1)


def _zero_gradient(run: Evidence) -> str:
    if not is_finite(run.final) or to_vector(run.at_start.gradient).any() or to_vector(run.at_end.gradient).any():
        return ""
    if run.mismatches:  # the loss has a slope, which autograd misses
        return ""
    generator = torch.Generator().manual_seed(0)
    losses = []
    for scale in (0.1, 1.0, 10.0):
        for _ in range(8):
            noise = {name: torch.randn(p.shape, generator=generator).to(p) for name, p in run.final.items()}
            there = run.evaluate_at({name: run.final[name] + scale * each for name, each in noise.items()})
            if to_vector(there.gradient).any():
                return ""
            losses.append(there.loss)
    if not min(losses) < run.last:
        return ""
    return (
        f"The gradient is exactly zero here and at {len(losses)} points around, although the loss there is "
        f"{min(losses):.4g} to {max(losses):.4g}: it changes only in jumps, so the gradient shows no direction."
    )


def exploding_product() -> Diagnoser:
    """The run diverged, and in its first pass at least four multiplications in a row made the gradient grow 100-fold.

    On average, each made it grow by at least half.
    """
    remedy = "Start with factors near 1 (smaller initial weights), or clip the gradient."
    return Diagnoser(_exploding_product, remedy, 2)


PRODUCT_OPERATIONS = frozenset(("mul", "multiply", "matmul", "mm", "spmm", "linear"))


def _exploding_product(run: Evidence) -> str:
    if run.status not in BAD_STATUSES or not is_finite(run.start):
        return ""
    count, growth = _longest_growth(run.at_start.tape)
    if count < 4 or growth < max(100.0, 1.5**count):
        return ""
    return (
        f"Backward through {count} multiplications in a row, the gradient of the first step grows {growth:.3g}-fold, "
        f"about {growth ** (1 / count):.2g}-fold at each."
    )


def _longest_growth(tape: Tape) -> tuple[int, float]:
    """Return the number of multiplications over which the gradient grew most, and the growth."""
    above: dict[TapeValue, tuple[int, float, float]] = {}
    best = (0, 1.0)
    for record in reversed(tape.records):
        output = record.outputs[0]
        if output.gradient is None:
            continue
        size, multiplies = _size(output), record.name in PRODUCT_OPERATIONS
        count, top, alone = above.get(output, (0, size, 1.0))
        if multiplies and not count:
            top = size
        count += multiplies
        for value in record.values:
            if value.gradient is not None and value.kind != "parameter":
                grown = alone * _size(value) / size if multiplies and size > 0 else alone
                above[value] = max(above.get(value, (0, top, 1.0)), (count, top, grown))
                if count and top > 0:
                    best = max(best, (count, min(_size(value) / top, grown)), key=lambda each: each[1])
    return best


def _size(value: TapeValue) -> float:
    return 0.0 if value.gradient is None else value.gradient.abs().max().item()
