"""Calls a module with other tensors in place of its parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def functional_call(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    inputs: tuple[Any, ...],
    keywords: Mapping[str, Any] | None = None,
) -> Any:
    """Return the module's output with other tensors in place of its own; the module is not changed.

    A tensor that the module uses in several places, under several names, is replaced in all of them.
    `torch.func.functional_call` does that too, but leaves its copies in a module that is part of two others: both names
    refer to one slot, and torch restores the value that it read second. Here each slot is replaced once.

    :param tensors: each by any one of its names; missing ones keep the module's own tensor.
    :param keywords: arguments of the module by name, after `inputs`.
    """
    names = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))
    given = {id(names[name]): tensor for name, tensor in tensors.items() if name in names}
    slots = {}
    for prefix, part in module.named_modules():  # each part once
        for name, own in (*part._parameters.items(), *part._buffers.items()):
            if id(own) in given:
                slots[f"{prefix}.{name}" if prefix else name] = given[id(own)]
    return torch.func.functional_call(module, slots, inputs, dict(keywords or {}), tie_weights=False)
