"""Layers of `torch.nn.functional`: normalization, convolution, pooling, embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import Tensor
from torch.nn import grad

from playground.engine.operations import Call, Operation, Template

_NAMES = {"input": "x", "self": "x", "weight": "w", "bias": "b"}

Axes = Callable[[Call], Sequence[int]]
"""Returns the axes over which a normalization takes mean and variance."""


def layer_norm() -> Operation:
    """(x − mean) / √(var + eps) · w + b, mean and variance over the last axes of one sample."""

    def axes(call: Call) -> Sequence[int]:
        return range(-len(call["shape"]), 0)

    return _normalization(axes, _last, ("x", "shape", "w", "b", "eps"), {"normalized_shape": "shape"})


def batch_norm() -> Operation:
    """(x − mean) / √(var + eps) · w + b, mean and variance of a channel over the batch, or those kept from before."""

    def axes(call: Call) -> Sequence[int]:
        return (0, *range(2, call["x"].dim()))

    arguments = ("x", "running_mean", "running_var", "w", "b", "training", "momentum", "eps")
    return _normalization(axes, _channels, arguments, {}, kept=lambda call: not call.get("training", False))


def instance_norm() -> Operation:
    """(x − mean) / √(var + eps) · w + b, mean and variance of a channel of one sample."""

    def axes(call: Call) -> Sequence[int]:
        return range(2, call["x"].dim())

    arguments = ("x", "running_mean", "running_var", "w", "b", "use_input_stats", "momentum", "eps")
    return _normalization(axes, _channels, arguments, {}, kept=lambda call: not call.get("use_input_stats", True))


def _last(call: Call, parameter: Tensor) -> Tensor:
    return parameter


def _channels(call: Call, parameter: Tensor) -> Tensor:
    """Return one number for each channel so that it broadcasts against x."""
    return parameter.reshape(-1, *[1] * (call["x"].dim() - 2))


def _normalization(
    axes: Axes,
    shaped: Callable[[Call, Tensor], Tensor],
    arguments: tuple[str, ...],
    names: dict[str, str],
    kept: Callable[[Call], bool] = lambda call: False,
) -> Operation:
    """Return what normalizes by mean and variance, and then scales and shifts.

    :param shaped: makes a weight broadcast against x.
    :param kept: whether mean and variance are those that were kept, through which no gradient flows.
    """

    def parts(call: Call) -> tuple[Tensor, Tensor, Tensor | float]:
        """Return x̂, √(var + eps) and w."""
        x, over = call["x"], tuple(axes(call))
        if kept(call):
            mean, var = shaped(call, call["running_mean"]), shaped(call, call["running_var"])
        else:
            mean, var = x.mean(over, keepdim=True), x.var(over, correction=0, keepdim=True)
        deviation = (var + call.get("eps", 1e-5)).sqrt()
        weight = 1.0 if call.get("w") is None else shaped(call, call["w"])
        return (x - mean) / deviation, deviation, weight

    def forward(call: Call) -> Tensor:
        normal, _, weight = parts(call)
        return normal * weight + (0.0 if call.get("b") is None else shaped(call, call["b"]))

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        normal, deviation, weight = parts(call)
        through, over = g * weight, tuple(axes(call))
        if not kept(call):
            mean = through.mean(over, keepdim=True)
            through = through - mean - normal * (through * normal).mean(over, keepdim=True)
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

    def scaled(call: Call) -> str:
        mean, var = ("{running_mean}", "{running_var}") if kept(call) else ("mean({x})", "var({x})")
        return f"Σ {{dy}} · ({{x}} − {mean}) / √({var} + {call.get('eps', 1e-5):g})"

    rules: dict[str, Template] = {"x": rule, "w": scaled, "b": "Σ {dy}"}
    return Operation(formula, rules, pull, arguments, None, {**_NAMES, **names}, forward=forward)


def conv1d() -> Operation:
    """The sum of products of a kernel with every place of a signal."""
    return _convolution(1)


def conv2d() -> Operation:
    """The sum of products of a kernel with every place of a picture."""
    return _convolution(2)


def conv3d() -> Operation:
    """The sum of products of a kernel with every place of a volume."""
    return _convolution(3)


def _convolution(dimensions: int) -> Operation:
    convolve = getattr(F, f"conv{dimensions}d")
    to_input = getattr(grad, f"conv{dimensions}d_input")
    to_weight = getattr(grad, f"conv{dimensions}d_weight")
    settings = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}

    def given(call: Call) -> dict[str, Any]:
        return {name: call.get(name, usual) for name, usual in settings.items()}

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, w = call["x"], call["w"]
        found = {"x": to_input(x.shape, w, g, **given(call)), "w": to_weight(x, w.shape, g, **given(call))}
        return found if call.get("b") is None else found | {"b": g.transpose(0, 1).flatten(1).sum(1)}

    rules = {
        "x": "each {dy}, spread by {w} over the places it came from",
        "w": "Σ {dy} · the entries of {x} that this weight met",
        "b": "Σ {dy} (over samples and places)",
    }
    return Operation(
        lambda call: "{x} convolved with {w}" + ("" if call.get("b") is None else " + {b}"),
        rules,
        pull,
        ("x", "w", "b", *settings),
        names=_NAMES,
        forward=lambda call: convolve(call["x"], call["w"], call.get("b"), **given(call)),
    )


def embedding() -> Operation:
    """The rows of w that the indices name; a row that is named twice gets both gradients."""

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
