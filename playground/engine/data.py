"""Data to learn from: inputs, targets and their names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Data:
    """A table of samples.

    :param inputs: shape `(samples, features)`, floating point.
    :param targets: shape `(samples, outputs)`, floating point; one column of 0, 1, ... when `classes` is set.
    :param names: names of the feature columns, as many as there are features.
    :param classes: how many classes the targets name; None when the targets are quantities.
    """

    inputs: Tensor
    targets: Tensor
    names: tuple[str, ...]
    classes: int | None = None
