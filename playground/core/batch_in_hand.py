"""A batch as a training loop holds it: any structure of tensors, split into a model's inputs and the loss's targets."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import MappingKey, tree_flatten_with_path, tree_unflatten

from playground.core.problem import Batches, BatchTensors, Forward
from playground.errors import ComponentError

ACCEPTED = "expected (x, y), x alone, ((x1, x2), y), or a dict of the model's arguments"


class BatchInHand(Batches):
    """One batch, the same at every step. Its tensors are copies.

    :param data: `(inputs, *targets)`, or the inputs alone; None for a model without inputs.
    :raises ComponentError: it is no batch.
    """

    def __init__(self, data: Any) -> None:
        self._is_empty = data is None
        parts = tuple(data) if isinstance(data, tuple | list) else (data,)
        with_paths, self._spec = tree_flatten_with_path(tuple(map(_as_plain, parts)))
        _require_batch(data, [leaf for _, leaf in with_paths])
        self._leaves = [_copy_leaf(leaf) for _, leaf in with_paths]
        self._places = [place for place, leaf in enumerate(self._leaves) if isinstance(leaf, Tensor)]
        self._names = _name_tensors([with_paths[place][0] for place in self._places])
        super().__init__(tuple(self._leaves[place] for place in self._places))

    @property
    def names(self) -> Sequence[str]:
        """The keys of a dict, otherwise `x` for inputs and `t` for targets."""
        return self._names

    def call(self, forward: Forward, module: nn.Module, tensors: BatchTensors) -> tuple[Any, tuple[Any, ...]]:
        """Return the model's output, and the targets.

        A dict or a tuple of inputs is spread over the arguments of `module.forward` if they take it.

        :param forward: the module, or the same module with other parameters.
        :param tensors: the tensors of the batch, or others in their place.
        """
        leaves = list(self._leaves)
        for place, tensor in zip(self._places, tensors, strict=True):
            leaves[place] = tensor
        inputs, *targets = tree_unflatten(leaves, self._spec)
        if self._is_empty:
            return forward(), ()
        if isinstance(inputs, Mapping) and takes(module.forward, (), inputs):
            return forward(**inputs), tuple(targets)
        if isinstance(inputs, tuple | list) and takes(module.forward, inputs, {}):
            return forward(*inputs), tuple(targets)
        return forward(inputs), tuple(targets)


def count_samples(batch: BatchTensors) -> int:
    """Return the length of the first axis that all tensors share; 0 if there is none."""
    lengths = {len(tensor) if tensor.dim() else 0 for tensor in batch}
    return lengths.pop() if len(lengths) == 1 else 0


def takes(function: Callable[..., Any], inputs: Sequence[Any], keywords: Mapping[str, Any]) -> bool:
    """Tell whether a function can be called with these arguments."""
    try:
        inspect.signature(function).bind(*inputs, **keywords)
    except (TypeError, ValueError):
        return False
    return True


def _as_plain(part: Any) -> Any:
    """Return a mapping of any class, such as a tokenizer's result, as a dict."""
    return dict(part) if isinstance(part, Mapping) else part


def _copy_leaf(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return leaf.detach().clone()
    try:
        return copy.deepcopy(leaf)
    except Exception:  # what cannot be copied is passed on
        return leaf


def _require_batch(data: Any, leaves: Sequence[Any]) -> None:
    if isinstance(data, torch.utils.data.DataLoader):
        raise ComponentError("data: expected one batch, got a DataLoader; pass next(iter(loader))")
    if isinstance(data, torch.utils.data.Dataset):
        raise ComponentError("data: expected one batch of tensors, got a Dataset; pass a batch of a DataLoader")
    for leaf in leaves:
        if type(leaf).__module__.partition(".")[0] == "numpy" and hasattr(leaf, "__array__"):
            raise ComponentError("data: expected tensors, got a numpy array; convert it with torch.from_numpy")
    if data is not None and not any(isinstance(leaf, Tensor) for leaf in leaves):
        raise ComponentError(f"data: no tensor in {_describe(data)}; {ACCEPTED}")


def _describe(data: Any) -> str:
    return f"a {type(data).__name__}" + (f" of {len(data)}" if isinstance(data, tuple | list | dict) else "")


def _name_tensors(paths: Sequence[Sequence[Any]]) -> list[str]:
    """Return a name for each tensor from its path in the batch."""
    stems = []
    for path in paths:
        keys = [str(step.key) for step in path if isinstance(step, MappingKey)]
        stems.append(keys[-1] if keys else "x" if path[0].idx == 0 else "t")
    counts: dict[str, int] = {}
    names = []
    for stem in stems:
        counts[stem] = counts.get(stem, 0) + 1
        names.append(stem if stems.count(stem) == 1 else f"{stem}{counts[stem]}")
    return names
