"""The contract of a dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch

from playground.core.data import Data
from playground.testing.differentiable import WHY_RANDOM, draws_from_stream
from playground.testing.verdict import require


class DatasetContract(ABC):
    """The rules for a dataset: `class TestMine(DatasetContract)` with one method, `dataset`."""

    draws: ClassVar[bool] = True
    """Whether the data depend on the seed."""

    @abstractmethod
    def dataset(self, generator: torch.Generator) -> Data:
        """Return the data; everything random in them comes from `generator`."""

    def test_shapes(self) -> None:
        """Inputs have shape `(samples, features)`, targets `(samples, outputs)`; every feature has a name."""
        data = self._data(0)
        why = "tasks and models get their sizes from these shapes"
        for name, tensor in (("inputs", data.inputs), ("targets", data.targets)):
            shape = tuple(tensor.shape)
            require(tensor.dim() == 2 and 0 not in shape, f"{name} have shape {shape}, not (samples, columns)", why)
            require(tensor.is_floating_point(), f"{name} are {tensor.dtype}, not floating point", why)
        samples, targets = len(data.inputs), len(data.targets)
        require(samples == targets, f"{samples} rows of inputs, but {targets} of targets", why)
        features, names = data.inputs.shape[1], len(data.names)
        require(names == features, f"{names} names for {features} features", "tables would have the wrong headings")

    def test_finite(self) -> None:
        """No number is infinite or NaN."""
        data = self._data(0)
        for name, tensor in (("inputs", data.inputs), ("targets", data.targets)):
            bad = int((~tensor.isfinite()).sum())
            require(bad == 0, f"{bad} numbers of the {name} are not finite", "one of them makes every loss NaN")

    def test_classes(self) -> None:
        """Targets that are classes are one column of 0, 1, ..., `classes` - 1."""
        data = self._data(0)
        if data.classes is None:
            return
        found, known = set(data.targets.flatten().tolist()), set(map(float, range(data.classes)))
        strange = sorted(found - known)
        one = data.targets.shape[1:] == (1,)
        why = "a class is the index of the model's output for it"
        require(one, f"classes have {data.targets.shape[1]} columns, not one", why)
        require(not strange, f"targets {strange} are not among the classes 0 to {data.classes - 1}", why)

    def test_same_seed_same_data(self) -> None:
        """The same seed gives bit-identical data."""
        require(_is_equal(self._data(0), self._data(0)), "two datasets with the same seed differ", WHY_RANDOM)

    def test_other_seed_other_data(self) -> None:
        """Another seed gives other data, if the dataset is random."""
        same = _is_equal(self._data(0), self._data(1))
        if self.draws:
            wrong = "the data are the same for another seed; set `draws = False` if that is intended"
            require(not same, wrong, "a sweep over the data's seed would show no spread")
        else:
            require(same, "the data differ from seed to seed, though `draws = False`", WHY_RANDOM)

    def test_leaves_the_global_stream_alone(self) -> None:
        """The dataset does not use torch's global random stream."""
        moved = draws_from_stream(lambda: self._data(0))
        wrong = "the dataset draws from torch's global stream, not from its generator"
        require(not moved, wrong, "the model's initial parameters would depend on the data")

    def _data(self, seed: int) -> Data:
        made: object = self.dataset(torch.Generator().manual_seed(seed))
        why = "tasks read its inputs, targets and names"
        require(isinstance(made, Data), f"the dataset returned a {type(made).__name__}, not a Data", why)
        return made  # type: ignore[return-value]


def _is_equal(one: Data, other: Data) -> bool:
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)
