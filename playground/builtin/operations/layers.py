"""Layers of `torch.nn.functional`: normalization and embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from playground.core.operations import Call, Operation, Template

_ARGUMENT_NAMES = {"input": "x", "self": "x", "weight": "w", "bias": "b"}

Average = Callable[[Call, Tensor], Tensor]
"""Returns the mean of a tensor of x's shape over the entries that are normalized together, shaped to broadcast."""


def layer_norm() -> Operation:
    """(x − mean) / √(var + eps) · w + b, with mean and variance over the last axes of a sample."""

    def average(call: Call, tensor: Tensor) -> Tensor:
        return tensor.mean(tuple(range(-len(call["shape"]), 0)), keepdim=True)

    return _normalization(average, _last, ("x", "shape", "w", "b", "eps"), {"normalized_shape": "shape"})


def batch_norm() -> Operation:
    """(x − mean) / √(var + eps) · w + b, with a channel's mean and variance over the batch, or running ones."""

    def average(call: Call, tensor: Tensor) -> Tensor:
        return tensor.mean((0, *range(2, tensor.dim())), keepdim=True)

    arguments = ("x", "running_mean", "running_var", "w", "b", "training", "momentum", "eps")
    return _normalization(average, _channels, arguments, {}, kept=lambda call: not call.get("training", False))


def instance_norm() -> Operation:
    """(x − mean) / √(var + eps) · w + b, with mean and variance of a channel of a sample."""

    def average(call: Call, tensor: Tensor) -> Tensor:
        return tensor.mean(tuple(range(2, tensor.dim())), keepdim=True)

    arguments = ("x", "running_mean", "running_var", "w", "b", "use_input_stats", "momentum", "eps")
    return _normalization(average, _channels, arguments, {}, kept=lambda call: not call.get("use_input_stats", True))


def group_norm() -> Operation:
    """(x − mean) / √(var + eps) · w + b, with mean and variance of a group of channels of a sample."""

    def average(call: Call, tensor: Tensor) -> Tensor:
        samples, channels = tensor.shape[:2]
        means = tensor.reshape(samples, call["groups"], -1).mean(-1)
        each = means.repeat_interleave(channels // call["groups"], dim=1)
        return each.reshape(samples, channels, *[1] * (tensor.dim() - 2))

    return _normalization(average, _channels, ("x", "groups", "w", "b", "eps"), {"num_groups": "groups"})


def rms_norm() -> Operation:
    """x / √(mean(x²) + eps) · w, with the mean over the last axes of a sample."""

    def axes(call: Call) -> tuple[int, ...]:
        return tuple(range(-len(call["shape"]), 0))

    def epsilon(call: Call) -> float:
        given = call.get("eps")
        return float(torch.finfo(call["x"].dtype).eps if given is None else given)

    def size(call: Call) -> Tensor:
        """Return √(mean(x²) + eps)."""
        return (call["x"].square().mean(axes(call), keepdim=True) + epsilon(call)).sqrt()  # type: ignore[no-any-return]

    def forward(call: Call) -> Tensor:
        return call["x"] / size(call) * (1.0 if call.get("w") is None else call["w"])  # type: ignore[no-any-return]

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        by, w = size(call), call.get("w")
        normal, through = call["x"] / by, g if w is None else g * w
        found = {"x": (through - normal * (through * normal).mean(axes(call), keepdim=True)) / by}
        return found if w is None else found | {"w": (g * normal).sum_to_size(*w.shape)}

    def by(call: Call) -> str:
        return f"√(mean({{x}}²) + {epsilon(call):g})"

    def rule(call: Call) -> str:
        dy = "{dy}" if call.get("w") is None else "{dy}·{w}"
        return f"({dy} − r · mean({dy} · r)) / {by(call)}, r = {{x}} / {by(call)}"

    rules: dict[str, Template] = {"x": rule, "w": lambda call: f"Σ {{dy}} · {{x}} / {by(call)}"}
    return Operation(
        lambda call: f"{{x}} / {by(call)}" + ("" if call.get("w") is None else " · {w}"),
        rules,
        pull,
        ("x", "shape", "w", "eps"),
        names=_ARGUMENT_NAMES | {"normalized_shape": "shape"},
        forward=forward,
    )


def _last(call: Call, parameter: Tensor) -> Tensor:
    return parameter


def _channels(call: Call, parameter: Tensor) -> Tensor:
    """Return one number per channel, shaped to broadcast against x."""
    return parameter.reshape(-1, *[1] * (call["x"].dim() - 2))


def _normalization(
    average: Average,
    shaped: Callable[[Call, Tensor], Tensor],
    arguments: tuple[str, ...],
    names: dict[str, str],
    kept: Callable[[Call], bool] = lambda call: False,
) -> Operation:
    """Return the operation that normalizes by mean and variance, then scales and shifts.

    :param average: the mean over the entries that are normalized together.
    :param shaped: shapes a weight to broadcast against x.
    :param kept: whether mean and variance are running statistics, which have no gradient.
    """

    def parts(call: Call) -> tuple[Tensor, Tensor, Tensor | float]:
        """Return x̂, √(var + eps) and w."""
        x = call["x"]
        if kept(call):
            mean, var = shaped(call, call["running_mean"]), shaped(call, call["running_var"])
        else:
            mean = average(call, x)
            var = average(call, (x - mean).square())
        deviation = (var + call.get("eps", 1e-5)).sqrt()
        weight = 1.0 if call.get("w") is None else shaped(call, call["w"])
        return (x - mean) / deviation, deviation, weight

    def forward(call: Call) -> Tensor:
        normal, _, weight = parts(call)
        return normal * weight + (0.0 if call.get("b") is None else shaped(call, call["b"]))

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        normal, deviation, weight = parts(call)
        through = g * weight
        if not kept(call):
            through = through - average(call, through) - normal * average(call, through * normal)
        found = {"x": through / deviation}
        for name, share in (("w", g * normal), ("b", g)):
            if call.get(name) is not None:
                like = shaped(call, call[name])
                found[name] = share.sum_to_size(*like.shape).reshape(call[name].shape)
        return found

    def formula(call: Call) -> str:
        weight = "" if call.get("w") is None else " · {w}"
        bias = "" if call.get("b") is None else " + {b}"
        mean, var = ("{running_mean}", "{running_var}") if kept(call) else ("mean({x})", "var({x})")
        return f"({{x}} − {mean}) / √({var} + {call.get('eps', 1e-5):g}){weight}{bias}"

    def rule(call: Call) -> str:
        dy = "{dy}" if call.get("w") is None else "{dy}·{w}"
        if kept(call):
            return f"{dy} / √({{running_var}} + {call.get('eps', 1e-5):g})"
        by = f" / √(var({{x}}) + {call.get('eps', 1e-5):g})"
        return f"({dy} − mean({dy}) − r · mean({dy} · r)){by}, r = ({{x}} − mean({{x}})){by}"

    def weight_rule(call: Call) -> str:
        mean, var = ("{running_mean}", "{running_var}") if kept(call) else ("mean({x})", "var({x})")
        return f"Σ {{dy}} · ({{x}} − {mean}) / √({var} + {call.get('eps', 1e-5):g})"

    rules: dict[str, Template] = {"x": rule, "w": weight_rule, "b": "Σ {dy}"}
    return Operation(formula, rules, pull, arguments, None, {**_ARGUMENT_NAMES, **names}, forward=forward)


def embedding() -> Operation:
    """The rows of w at the indices; a row that occurs twice gets both gradients."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        w, index = call["w"], call["index"].flatten()
        rows = g.reshape(len(index), -1)
        if call.get("padding_idx") is not None:
            rows = rows * (index != call["padding_idx"] % len(w)).unsqueeze(1)
        return {"w": torch.zeros_like(w).index_add(0, index, rows)}

    return Operation(
        "{w}[{index}]",
        {"w": "Σ {dy} of the places that name a row"},
        pull,
        ("index", "w", "padding_idx"),
        names={"input": "index", "weight": "w"},
        forward=lambda call: call["w"][call["index"]],
    )
