"""Convolutions of `torch.nn.functional`, and their transposes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import Tensor
from torch.nn import grad

from playground.core.operations import Call, Operation

_NAMES = {"input": "x", "self": "x", "weight": "w", "bias": "b"}


def conv1d() -> Operation:
    """The sums of products of a kernel with a signal, at every position."""
    return _convolution(1)


def conv2d() -> Operation:
    """The sums of products of a kernel with an image, at every position."""
    return _convolution(2)


def conv3d() -> Operation:
    """The sums of products of a kernel with a volume, at every position."""
    return _convolution(3)


def conv_transpose1d() -> Operation:
    """Each entry of a signal, spread by a kernel: the transpose of a convolution."""
    return _transposed(1)


def conv_transpose2d() -> Operation:
    """Each entry of an image, spread by a kernel: the transpose of a convolution."""
    return _transposed(2)


def conv_transpose3d() -> Operation:
    """Each entry of a volume, spread by a kernel: the transpose of a convolution."""
    return _transposed(3)


def _convolution(dimensions: int) -> Operation:
    convolve = getattr(F, f"conv{dimensions}d")
    to_input = getattr(grad, f"conv{dimensions}d_input")
    to_weight = getattr(grad, f"conv{dimensions}d_weight")
    settings = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}

    def read_settings(call: Call) -> dict[str, Any]:
        return {name: call.get(name, usual) for name, usual in settings.items()}

    def numbers(call: Call) -> dict[str, Any]:
        """Return the settings with a numeric padding, which the derivatives require."""
        found = read_settings(call)
        if found["padding"] == "valid":
            found["padding"] = 0
        elif found["padding"] == "same":
            steps = found["dilation"] if isinstance(found["dilation"], tuple | list) else [found["dilation"]]
            steps = [*steps, *steps * (dimensions - len(steps))]
            missing = [step * (size - 1) for step, size in zip(steps, call["w"].shape[2:], strict=True)]
            if any(each % 2 for each in missing):
                raise ValueError("padding='same' with an even kernel pads more behind than in front")
            found["padding"] = [each // 2 for each in missing]
        return found

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, w, g = _samples(call["x"], dimensions), call["w"], _samples(g, dimensions)
        to_x = to_input(x.shape, w, g, **numbers(call)).reshape(call["x"].shape)
        return {"x": to_x, "w": to_weight(x, w.shape, g, **numbers(call)), **_bias(call, g)}

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
        forward=lambda call: convolve(call["x"], call["w"], call.get("b"), **read_settings(call)),
    )


def _transposed(dimensions: int) -> Operation:
    """Return the operation of a transposed convolution: its gradients are convolutions, with x and dL/dy exchanged."""
    convolve = getattr(F, f"conv{dimensions}d")
    spread = getattr(F, f"conv_transpose{dimensions}d")
    to_weight = getattr(grad, f"conv{dimensions}d_weight")
    settings = {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}

    def read_settings(call: Call) -> dict[str, Any]:
        return {name: call.get(name, usual) for name, usual in settings.items()}

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, w, g = _samples(call["x"], dimensions), call["w"], _samples(g, dimensions)
        back = {name: value for name, value in read_settings(call).items() if name != "output_padding"}
        to_x = convolve(g, w, **back).reshape(call["x"].shape)
        return {"x": to_x, "w": to_weight(g, w.shape, x, **back), **_bias(call, g)}

    rules = {
        "x": "{dy} convolved with {w}",
        "w": "Σ {x} · the entries of {dy} that this weight made",
        "b": "Σ {dy} (over samples and places)",
    }
    return Operation(
        lambda call: "each {x}, spread by {w}" + ("" if call.get("b") is None else " + {b}"),
        rules,
        pull,
        ("x", "w", "b", *settings),
        names=_NAMES,
        forward=lambda call: spread(call["x"], call["w"], call.get("b"), **read_settings(call)),
    )


def _samples(tensor: Tensor, dimensions: int) -> Tensor:
    """Return a tensor with an axis of samples, which a single sample may lack."""
    return tensor if tensor.dim() == dimensions + 2 else tensor.unsqueeze(0)


def _bias(call: Call, g: Tensor) -> dict[str, Tensor]:
    return {} if call.get("b") is None else {"b": torch.sum(g.transpose(0, 1).flatten(1), 1)}
