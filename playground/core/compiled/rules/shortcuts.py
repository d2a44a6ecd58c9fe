"""Rules for common operations that torch could also decompose.

torch imports sympy at the first decomposition, which takes a third of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.rules.reductions import mean, mm, sum_
from playground.core.compiled.symbol import Symbol

if TYPE_CHECKING:
    from playground.core.compiled.recorder import ProgramRecorder, ScalarRule

MEAN, SUM = 1, 2
"""torch's numbers for the reductions of a loss."""


MIN_DENOMINATOR = 9.999999960041972e-13
"""The smallest divisor in torch's derivative of binary cross-entropy: 1e-12 in single precision."""


def addmm(recorder: ProgramRecorder, a: Any, b: Any, c: Any, *, beta: float = 1, alpha: float = 1) -> Symbol:
    """beta a + alpha b c."""
    apply, constant = recorder.program.apply, recorder.program.constant
    product = mm(recorder, b, c)

    def entry(x: int, y: int) -> int:
        return apply("add", apply("mul", y, constant(alpha)), apply("mul", x, constant(beta)))

    return recorder.entrywise(entry, product.dtype, a, product)


def mse_loss(recorder: ProgramRecorder, prediction: Any, target: Any, reduction: int = MEAN) -> Symbol:
    """(p - t)², its mean or sum."""
    apply = recorder.program.apply

    def entry(p: int, t: int) -> int:
        away = apply("sub", p, t)
        return apply("mul", away, away)

    squares = recorder.entrywise(entry, recorder.lift(prediction).dtype, prediction, target)
    return {MEAN: mean, SUM: sum_}.get(reduction, lambda _, each: each)(recorder, squares)


def mse_loss_backward(recorder: ProgramRecorder, gradient: Any, prediction: Any, target: Any, reduction: int) -> Symbol:
    """2 (p - t) g, over n for a mean."""
    apply, count = recorder.program.apply, prediction.numel()
    scale = recorder.program.constant(2.0 / count if reduction == MEAN else 2.0)

    def entry(g: int, p: int, t: int) -> int:
        return apply("mul", apply("mul", scale, apply("sub", p, t)), g)

    return recorder.entrywise(entry, recorder.lift(prediction).dtype, gradient, prediction, target)


def binary_cross_entropy(
    recorder: ProgramRecorder, prediction: Any, target: Any, weight: Any = None, reduction: int = MEAN
) -> Symbol:
    """(t - 1) max(log(1 - p), -100) - t max(log p, -100), its mean or sum.

    :raises CannotCompileError: a prediction may lie outside [0, 1], where torch raises an error.
    """
    program = recorder.program
    apply, floor, one = program.apply, program.constant(-100.0), program.constant(1.0)
    if weight is not None:
        raise CannotCompileError("torch's operation 'binary_cross_entropy' with weights has no rule")
    if any(program.nodes[index].operation != "sigmoid" for index in recorder.lift(prediction).ids.flatten().tolist()):
        raise CannotCompileError(
            "binary cross-entropy of values that may lie outside [0, 1], since they are not from a sigmoid"
        )

    def entry(p: int, t: int) -> int:
        wrong = apply("mul", apply("sub", t, one), apply("maximum", apply("log1p", apply("neg", p)), floor))
        return apply("sub", wrong, apply("mul", t, apply("maximum", apply("log", p), floor)))

    losses = recorder.entrywise(entry, recorder.lift(prediction).dtype, prediction, target)
    return {MEAN: mean, SUM: sum_}.get(reduction, lambda _, each: each)(recorder, losses)


def binary_cross_entropy_backward(
    recorder: ProgramRecorder, gradient: Any, prediction: Any, target: Any, weight: Any = None, reduction: int = MEAN
) -> Symbol:
    """(p - t) / max((1 - p) p, MIN_DENOMINATOR) g, over n for a mean."""
    apply, constant = recorder.program.apply, recorder.program.constant
    count = constant(float(prediction.numel()) if reduction == MEAN else 1.0)

    def entry(g: int, p: int, t: int) -> int:
        spread = apply("maximum", apply("mul", apply("sub", constant(1.0), p), p), constant(MIN_DENOMINATOR))
        return apply("div", apply("div", apply("mul", g, apply("sub", p, t)), spread), count)

    return recorder.entrywise(entry, recorder.lift(prediction).dtype, gradient, prediction, target)


def _derivative(of_value: str) -> ScalarRule:
    """Return the rule for g f'(x), where f'(x) follows from y = f(x)."""

    def rule(recorder: ProgramRecorder, gradient: Any, y: Any) -> Symbol:
        apply, one = recorder.program.apply, recorder.program.constant(1.0)

        def entry(g: int, value: int) -> int:
            if of_value == "sigmoid":
                return apply("mul", g, apply("mul", value, apply("sub", one, value)))
            return apply("mul", g, apply("sub", one, apply("mul", value, value)))

        return recorder.entrywise(entry, recorder.lift(y).dtype, gradient, y)

    return rule


def threshold_backward(recorder: ProgramRecorder, gradient: Any, x: Any, threshold: float) -> Symbol:
    """The gradient where x is above the threshold, else 0."""
    apply, limit, zero = recorder.program.apply, recorder.program.constant(threshold), recorder.program.constant(0.0)
    return recorder.entrywise(
        lambda g, value: apply("select", apply("le", value, limit), zero, g), recorder.lift(x).dtype, gradient, x
    )


def log_sigmoid_forward(recorder: ProgramRecorder, x: Any) -> tuple[Symbol, Symbol]:
    """min(x, 0) - log(1 + z) with z = exp(-|x|), and z."""
    apply, zero = recorder.program.apply, recorder.program.constant(0.0)
    dtype = recorder.lift(x).dtype
    small = recorder.entrywise(lambda value: apply("exp", apply("neg", apply("abs", value))), dtype, x)

    def entry(value: int, z: int) -> int:
        return apply("sub", apply("minimum", value, zero), apply("log1p", z))

    return recorder.entrywise(entry, dtype, x, small), small


def log_sigmoid_backward(recorder: ProgramRecorder, gradient: Any, x: Any, buffer: Any) -> Symbol:
    """g (1 - z / (1 + z)) below 0, else g z / (1 + z), with z = exp(-|x|)."""
    apply, one, zero = recorder.program.apply, recorder.program.constant(1.0), recorder.program.constant(0.0)

    def entry(g: int, value: int, z: int) -> int:
        share = apply("div", z, apply("add", one, z))
        return apply("mul", g, apply("select", apply("lt", value, zero), apply("sub", one, share), share))

    return recorder.entrywise(entry, recorder.lift(x).dtype, gradient, x, buffer)


RULES: dict[str, ScalarRule] = {
    "addmm": addmm,
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy_backward": binary_cross_entropy_backward,
    "log_sigmoid_backward": log_sigmoid_backward,
    "log_sigmoid_forward": log_sigmoid_forward,
    "mse_loss": mse_loss,
    "mse_loss_backward": mse_loss_backward,
    "sigmoid_backward": _derivative("sigmoid"),
    "tanh_backward": _derivative("tanh"),
    "threshold_backward": threshold_backward,
}
