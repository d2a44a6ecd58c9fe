"""Mistakes that have a name: what is measured of a run that ended badly, and what helps.

Each function returns one sentence with the run's own numbers, or nothing where it could be doubted.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from playground.engine.chain import call_of
from playground.engine.derivatives import flat_loss, hessian
from playground.engine.diagnosis import LARGEST, SHIFT, curvature
from playground.engine.evidence import Diagnoser, Evidence, finite, flat
from playground.engine.problem import Batches
from playground.engine.tape import Tape, Value
from playground.engine.update import UpdateRule
from playground.result import Status

BAD = (Status.DIVERGED, Status.NONFINITE)


def rate_too_large() -> Diagnoser:
    """The loss rose, and on a bowl with the largest curvature of the start the optimizer leaves the minimum.

    Beyond the bound that its rule knows, `lr > 2/λ`; without one by a hundredth at each step, measured, while a smaller
    rate brings it nearer.
    """
    return Diagnoser(
        _rate_too_large, "Lower the learning rate to where that distance shrinks, or use a schedule that does."
    )


def _rate_too_large(run: Evidence) -> str:
    found = curvature(run.problem, dict(run.start)) if run.rose else None
    if found is None or not found.largest > 0:
        return ""
    calmer = _calmer_rate(run, found.largest)
    if not calmer:
        return ""
    where = "" if found.constant else " near the start"
    return (
        f"On a bowl that curves as this loss does{where} ({found.largest:g}), each step at the rate {run.rate:g} "
        f"multiplies the distance to the minimum by {run.growth(found.largest):.3g}; {calmer} it shrinks."
    )


def _calmer_rate(run: Evidence, largest: float) -> str:
    """Say at which rate the optimizer comes nearer to the minimum of a bowl; nothing where the rate is not too large.

    :param largest: the bowl's curvature.
    """
    rule = run.optimizer
    bound = rule.stability_bound(largest) if isinstance(rule, UpdateRule) else None
    if bound is not None:
        return f"below {bound:g}" if rule.lr > bound else ""
    if run.rate is None or not run.growth(largest) > 1.01:
        return ""
    tenths = (0.1**power for power in range(1, 13))
    return next((f"at {run.rate * each:.3g}" for each in tenths if run.growth(largest, each) < 0.999), "")


def wrong_sign() -> Diagnoser:
    """A fresh optimizer, given the gradient of the start, moves along it at each of three steps: uphill."""
    return Diagnoser(_wrong_sign, "Subtract the step: p = p - lr * gradient (and no `maximize`).")


def _wrong_sign(run: Evidence) -> str:
    slope = _slope(run)
    if slope is None:
        return ""
    cosines = [_cosine(move, slope) for move in run.answers([1.0] * 3)]
    if not all(cosine >= 0.5 for cosine in cosines):  # noise, mixed directions, or moves beyond what numbers can hold
        return ""
    return (
        f"The optimizer moves with the gradient, not against it: the cosine between its first move and the gradient is "
        f"{cosines[0]:+.2f}, and downhill is negative."
    )


def forgotten_zero_grad() -> Diagnoser:
    """Under a constant gradient a fresh optimizer's steps grow as 1, 2, 3, …; under none they go on undiminished.

    Momentum passes neither: its steps approach a limit, and fade without a gradient.
    """
    return Diagnoser(_forgotten_zero_grad, "Call `optimizer.zero_grad()` before each `backward()`.")


def _forgotten_zero_grad(run: Evidence) -> str:
    if _slope(run) is None:
        return ""
    pushed, coasting = run.answers([1.0] * 5), run.answers([1.0, 0.0, 0.0, 0.0])
    first = pushed[0]
    if not first.any() or not first.isfinite().all():
        return ""
    grows = all(_alike(move, number * first) for number, move in enumerate(pushed, 1))
    if not grows or not all(_alike(move, first) for move in coasting):
        return ""
    return (
        f"The optimizer adds up gradients: given the same one five times, its steps have lengths "
        f"{', '.join(f'{move.norm():.3g}' for move in pushed)}, and without any it goes on as before."
    )


def zero_gradient() -> Diagnoser:
    """The gradient is exactly zero at start, end and 24 places around, yet the loss differs there: steps, no slope."""
    remedy = "Train with a loss that has a slope (a sigmoid with `bce`), and count right answers only as a metric."
    return Diagnoser(_zero_gradient, remedy)


def _zero_gradient(run: Evidence) -> str:
    if not finite(run.final) or flat(run.at_start.gradient).any() or flat(run.at_end.gradient).any():
        return ""
    generator = torch.Generator().manual_seed(0)
    losses = []
    for scale in (0.1, 1.0, 10.0):
        for _ in range(8):
            noise = {name: torch.randn(p.shape, generator=generator).to(p) for name, p in run.final.items()}
            there = run.at({name: run.final[name] + scale * each for name, each in noise.items()})
            if flat(there.gradient).any():
                return ""
            losses.append(there.loss)
    if not min(losses) < run.last:
        return ""
    return (
        f"The gradient is exactly zero here and at {len(losses)} places around, although the loss there is "
        f"{min(losses):.4g} to {max(losses):.4g}: it changes in jumps, and between them nothing says which way is down."
    )


def dead_relu() -> Diagnoser:
    """At the end a ReLU gives 0 for every sample in every unit, while a gradient arrives at it and none passes."""
    return Diagnoser(_dead_relu, "Start from smaller weights and biases near 0, lower the rate, or use `leaky_relu`.")


def _dead_relu(run: Evidence) -> str:
    if not finite(run.final):
        return ""
    for record in run.at_end.tape.records:
        output = record.outputs[0]
        arrives = output.gradient is not None and bool(output.gradient.any())
        if record.name != "relu" or not arrives or bool(output.tensor.any()):
            continue
        (below,) = record.values
        if below.differentiable and (below.gradient is None or not bool(below.gradient.any())):
            return (
                f"A ReLU gives 0 in all {output.tensor.numel()} entries, the largest of its inputs being "
                f"{below.tensor.max():.4g}: of the gradient that arrives there nothing passes."
            )
    return ""


def saturated_sigmoid() -> Diagnoser:
    """A sigmoid or tanh is so flat that its gradient promises under a tenth of what all parameters at 0 would gain."""
    remedy = "Use a loss that undoes the saturation (`bce_with_logits` in place of mse), or start from smaller weights."
    return Diagnoser(_saturated_sigmoid, remedy)


def _saturated_sigmoid(run: Evidence) -> str:
    if not finite(run.final):
        return ""
    neutral = run.at({name: torch.zeros_like(tensor) for name, tensor in run.final.items()}).loss
    gain = run.at_end.loss - neutral
    for record in run.at_end.tape.records:
        arriving = record.outputs[0].gradient
        known = record.name in ("sigmoid", "tanh") and record.name in run.operations
        if not known or arriving is None or not arriving.any() or not gain > 0:
            continue
        operation = run.operations[record.name]
        call, bound = call_of(record, operation)
        passed = operation.pull(call, arriving)["x"]
        promised = (passed * bound["x"].tensor).abs().sum().item()
        share = (passed.abs().sum() / (operation.steepest * arriving.abs().sum())).item()  # type: ignore[operator]
        if share < 0.05 and promised < gain / 10:
            return (
                f"A {record.name} has saturated and passes {share:.2g} of the gradient that it would at its steepest; "
                f"with all parameters at 0 the loss would be {neutral:.4g}, not {run.at_end.loss:.4g}."
            )
    return ""


def unscaled_features() -> Diagnoser:
    """Least squares on inputs whose columns differ in size: the curvatures' ratio falls a hundredfold when they do not.

    Both are measured: on the data as they are, and with each column divided by its root mean square.
    """
    return Diagnoser(
        _unscaled_features, "Scale each input column: subtract its mean, divide by its standard deviation."
    )


def _unscaled_features(run: Evidence) -> str:
    data = run.problem.batches.data
    if len(data) != 2 or data[0].dim() != 2 or not _follows_the_size(run):
        return ""
    sizes = data[0].square().mean(0).sqrt()
    if len(flat(run.start)) > LARGEST or not bool((sizes > 0).all()) or sizes.max() < 10 * sizes.min():
        return ""
    scaled = replace(run.problem, batches=Batches((data[0] / sizes, data[1])))
    spread, without = (_spread(replace(run, problem=problem)) for problem in (run.problem, scaled))
    if spread is None or without is None or spread < 100 * without:
        return ""
    return (
        f"The columns of x have sizes from {sizes.min():.3g} to {sizes.max():.3g}, so the loss curves {spread:.2g} "
        f"times more in one direction than in another; with columns of size 1 it would be {without:.2g} times."
    )


def _follows_the_size(run: Evidence) -> bool:
    """Whether a gradient ten times as large makes the first step ten times as large: an adaptive optimizer's is not."""
    if _slope(run) is None:
        return False
    (once,), (tenfold,) = run.answers([1.0]), run.answers([10.0])
    return bool(once.any()) and _alike(tenfold, 10 * once)


def _spread(run: Evidence) -> float | None:
    """Return the largest curvature over the smallest; None where the loss is no bowl of constant curvature."""
    loss, _ = flat_loss(run.problem, dict(run.start))
    z = flat(run.start).double()
    here, elsewhere = hessian(loss, z), hessian(loss, z + SHIFT)
    if not torch.allclose(here, elsewhere, rtol=1e-9, atol=1e-9):
        return None
    values = torch.linalg.eigvalsh(here)
    return (values[-1] / values[0]).item() if values[0] > 0 else None


def exploding_product() -> Diagnoser:
    """The run diverged, and in its first pass four multiplications in a row or more made the gradient grow 100-fold.

    Each made it grow by half on average, at least.
    """
    return Diagnoser(_exploding_product, "Start with factors near 1 (smaller initial weights), or clip the gradient.")


PRODUCTS = frozenset(("mul", "multiply", "matmul", "mm", "spmm", "linear"))


def _exploding_product(run: Evidence) -> str:
    if run.status not in BAD or not finite(run.start):
        return ""
    count, growth = _longest_growth(run.at_start.tape)
    if count < 4 or growth < max(100.0, 1.5**count):
        return ""
    return (
        f"Backward through {count} multiplications in a row, the gradient of the first step grows {growth:.3g}-fold, "
        f"{growth ** (1 / count):.2g}-fold at each: the factors are larger than 1."
    )


def _longest_growth(tape: Tape) -> tuple[int, float]:
    """Return through how many multiplications the gradient grew most, and by how much."""
    above: dict[Value, tuple[int, float]] = {}
    best = (0, 1.0)
    for record in reversed(tape.records):
        output = record.outputs[0]
        if output.gradient is None:
            continue
        count, top = above.get(output, (0, _size(output)))
        if record.name in PRODUCTS and not count:
            top = _size(output)
        count += record.name in PRODUCTS
        for value in record.values:
            if value.gradient is not None and value.kind != "parameter":
                above[value] = max(above.get(value, (0, top)), (count, top))
                if count and top > 0:
                    best = max(best, (count, _size(value) / top), key=lambda each: each[1])
    return best


def _size(value: Value) -> float:
    return 0.0 if value.gradient is None else value.gradient.abs().max().item()


def _slope(run: Evidence) -> Tensor | None:
    """Return the gradient at the start; None where it shows no direction."""
    slope = flat(run.at_start.gradient)
    return slope if bool(slope.isfinite().all()) and bool(slope.any()) else None


def _cosine(a: Tensor, b: Tensor) -> float:
    return torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=0).item()


def _alike(a: Tensor, b: Tensor) -> bool:
    return bool((a.double() - b.double()).norm() <= 1e-3 * b.double().norm())
