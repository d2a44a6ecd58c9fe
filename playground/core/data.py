"""Training data: inputs, targets and their names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from playground.core.definition import describe
from playground.core.problem import describe_type
from playground.core.seeding import make_generator
from playground.errors import ComponentError, Fault, ScenarioError


@dataclass(frozen=True)
class Data:
    """A table of samples.

    :param inputs: shape `(samples, features)`, floating point.
    :param targets: shape `(samples, outputs)`, floating point; one column of 0, 1, ... when `classes` is set.
    :param names: names of the feature columns, as many as there are features.
    :param classes: how many classes the targets name; None when the targets are quantities.
    :param ordered: mini-batches take the samples in this order in each pass, not in an order drawn by the seed.
    """

    inputs: Tensor
    targets: Tensor
    names: tuple[str, ...]
    classes: int | None = None
    ordered: bool = False


@dataclass(frozen=True)
class Split:
    """The samples for training and the held-out samples, each in their original order.

    :param kept: indices, int64.
    :param held_out: indices, int64.
    """

    kept: Tensor
    held_out: Tensor

    @classmethod
    def of(cls, samples: int, share: float, seed: int) -> Split:
        """Draw a split that depends on these arguments only.

        :param share: of the samples that is held out, rounded to whole samples.
        :raises ScenarioError: one of the parts would be empty.
        """
        count = round(share * samples)
        if not 0 < count < samples:
            message = f"validation: {share:g} of {samples} samples leaves none to {'train on' if count else 'hold out'}"
            raise ScenarioError(Fault(message, ("validation",)))
        order = torch.randperm(samples, generator=make_generator(seed, "validation"))
        return cls(order[count:].sort().values, order[:count].sort().values)

    def take(self, data: Data) -> tuple[Data, Data]:
        """Return the training data and the held-out data."""
        kept, held_out = (
            replace(data, inputs=data.inputs[part], targets=data.targets[part]) for part in (self.kept, self.held_out)
        )
        return kept, held_out


def require_data(made: Any, factory: Any) -> Data:
    """Return a dataset's result if a model can be trained on it.

    :param factory: the dataset, for messages.
    :raises ComponentError: it is not a `Data`, or its tensors do not match or contain numbers that are not finite.
    """
    wrong = find_data_fault(made)
    if wrong:
        raise ComponentError(f"{describe(factory)} returned {wrong}")
    return made  # type: ignore[no-any-return]


def find_data_fault(made: Any) -> str:
    """Return what is wrong with a table of samples, after "returned"; empty if nothing is."""
    if not isinstance(made, Data):
        return f"{describe_type(made)}; expected Data(inputs=..., targets=..., names=...)"
    tensors: tuple[tuple[str, Any], ...] = (("inputs", made.inputs), ("targets", made.targets))
    for name, tensor in tensors:
        if not isinstance(tensor, Tensor):
            return f"{name} as {describe_type(tensor)}; expected a tensor of shape (samples, columns)"
        if tensor.is_meta or tensor.layout != torch.strided:
            where = "on the meta device" if tensor.is_meta else f"of {tensor.layout}"
            return f"{name} {where}; expected a dense tensor"
        if tensor.dim() != 2:
            return f"{name} of shape {tuple(tensor.shape)}; expected (samples, columns)"
        if tensor.is_complex():
            return f"{name} of {tensor.dtype}; expected floating-point numbers"
        if 0 in tensor.shape:
            return f"{name} of shape {tuple(tensor.shape)}; expected at least one sample and one column"
        if not bool(tensor.isfinite().all()):
            return f"{name} with {int((~tensor.isfinite()).sum())} numbers that are not finite"
    if len(made.inputs) != len(made.targets):
        return f"{len(made.inputs)} rows of inputs, but {len(made.targets)} of targets"
    return _wrong_names(made.names, made.inputs.shape[1]) or _wrong_classes(made.classes, made.targets)


def _wrong_names(names: Any, columns: int) -> str:
    if not isinstance(names, tuple | list):
        return f"names as {describe_type(names)}; expected a tuple of {columns}, one for each column of inputs"
    if len(names) != columns:
        return f"{len(names)} names for {columns} columns of inputs"
    other = next((name for name in names if not isinstance(name, str)), None)
    return "" if other is None else f"{other!r} among the names; expected texts"


def _wrong_classes(classes: Any, targets: Tensor) -> str:
    if classes is None:
        return ""
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 1:
        return f"classes={classes!r}; expected a whole number from 1, or None for quantities"
    if not _are_classes(targets, classes):
        return f"targets that are not one column of the {classes} classes 0 to {classes - 1}"
    return ""


def _are_classes(targets: Tensor, classes: int) -> bool:
    inside = (targets >= 0) & (targets < classes) & (targets == targets.round())
    return targets.shape[1] == 1 and bool(inside.all())
