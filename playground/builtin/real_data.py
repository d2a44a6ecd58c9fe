"""Small real data sets, from tables that ship with the package; `tables/README.md` has their licence and origin."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from playground.builtin import csv_sheet
from playground.core.data import Data
from playground.errors import ComponentError, Fault

FOLDER = Path(__file__).parent / "tables"

Classes = list[Annotated[int, Ge(0)]] | None
"""The classes to take; None for all."""

Samples = Annotated[int, Ge(2)] | None
"""The number of samples; None for all."""


def iris(
    classes: Classes = None,
    target: str = "class",
    features: list[str] | None = None,
    samples: Samples = None,
    standardize: bool = True,
) -> Data:
    """Measurements of iris flowers in cm: 4 numbers and 3 classes, of 150 flowers.

    :param classes: take these classes only, and number them from 0 in this order.
    :param target: the column to predict; for another than `class` the targets are quantities.
    :param features: the columns to predict it from; by default all others but `class`.
    :param samples: take this many, evenly spaced in the table, which is sorted by class.
    :param standardize: give each feature, and targets that are quantities, the mean 0 and the standard deviation 1.
    :returns: inputs of shape `(samples, features)`, targets in `(samples, 1)`.
    :raises ComponentError: there is no such class, or there are fewer samples.

    Source: Fisher, The use of multiple measurements in taxonomic problems, 1936; UCI, CC BY 4.0.
    """
    return _read("iris", classes, target, features, samples, standardize)


def wine(
    classes: Classes = None,
    target: str = "class",
    features: list[str] | None = None,
    samples: Samples = None,
    standardize: bool = True,
) -> Data:
    """Chemical analyses of wines: 13 numbers and 3 classes, of 178 wines.

    :param classes: take these classes only, and number them from 0 in this order.
    :param target: the column to predict; for another than `class` the targets are quantities.
    :param features: the columns to predict it from; by default all others but `class`.
    :param samples: take this many, evenly spaced in the table, which is sorted by class.
    :param standardize: give each feature, and targets that are quantities, the mean 0 and the standard deviation 1.
    :returns: inputs of shape `(samples, features)`, targets in `(samples, 1)`.
    :raises ComponentError: there is no such class, or there are fewer samples.

    Source: Aeberhard & Forina, Wine, 1992; UCI, CC BY 4.0.
    """
    return _read("wine", classes, target, features, samples, standardize)


def breast_cancer(
    classes: Classes = None,
    target: str = "class",
    features: list[str] | None = None,
    samples: Samples = None,
    standardize: bool = True,
) -> Data:
    """Shapes of cell nuclei: 10 means and 2 classes, malignant 0 and benign 1, of 569 patients.

    :param classes: take these classes only, and number them from 0 in this order.
    :param target: the column to predict; for another than `class` the targets are quantities.
    :param features: the columns to predict it from; by default all others but `class`.
    :param samples: take this many, evenly spaced in the table, which is sorted by class.
    :param standardize: give each feature, and targets that are quantities, the mean 0 and the standard deviation 1.
    :returns: inputs of shape `(samples, features)`, targets in `(samples, 1)`.
    :raises ComponentError: there is no such class, or there are fewer samples.

    Source: Wolberg, Mangasarian, Street & Street, Breast cancer Wisconsin (diagnostic), 1993; UCI, CC BY 4.0.
    """
    return _read("breast_cancer", classes, target, features, samples, standardize)


def digits(
    classes: Classes = None,
    target: str = "class",
    features: list[str] | None = None,
    samples: Samples = None,
    standardize: bool = True,
) -> Data:
    """Handwritten digits: 16 numbers, the ink in blocks of a 4×4 grid, and 10 classes, of 1797 digits.

    :param classes: take these classes only, and number them from 0 in this order.
    :param target: the column to predict; for another than `class` the targets are quantities.
    :param features: the columns to predict it from; by default all others but `class`.
    :param samples: take this many, evenly spaced in the table, which is sorted by class.
    :param standardize: give each feature, and targets that are quantities, the mean 0 and the standard deviation 1.
    :returns: inputs of shape `(samples, features)`, targets in `(samples, 1)`.
    :raises ComponentError: there is no such class, or there are fewer samples.

    Source: Alpaydin & Kaynak, Optical recognition of handwritten digits, 1998; UCI, CC BY 4.0.
    """
    return _read("digits", classes, target, features, samples, standardize)


@functools.cache
def _sheet(name: str) -> tuple[csv_sheet.Sheet, Tensor]:
    """Return a table with its numbers, the class in the last column."""
    sheet = csv_sheet.read(FOLDER / f"{name}.csv")
    return sheet, torch.tensor(sheet.numbers(range(len(sheet.header))), dtype=torch.float64)


def _read(
    name: str,
    classes: list[int] | None,
    target: str,
    features: list[str] | None,
    samples: int | None,
    standardize: bool,
) -> Data:
    """Return part of a table; see the data sets."""
    sheet, table = _sheet(name)
    table = _select_rows(table, classes, samples)
    wanted = sheet.find(target, ("target",))
    last = len(sheet.header) - 1
    if features is None:
        columns = [column for column in range(last) if column != wanted]
    else:
        columns = [sheet.find(feature, ("features", i)) for i, feature in enumerate(features)]
    inputs, targets = table[:, columns], table[:, [wanted]]
    is_class = wanted == last
    if standardize:
        inputs, targets = _standardize(inputs), targets if is_class else _standardize(targets)
    names = tuple(sheet.header[column] for column in columns)
    count = int(targets.max()) + 1 if is_class else None
    return Data(inputs, targets, names, count)


def _select_rows(table: Tensor, classes: list[int] | None, samples: int | None) -> Tensor:
    """Return the rows of these classes, numbered anew, and of these the wanted number, evenly spaced."""
    if classes is not None:
        known = int(table[:, -1].max()) + 1
        faults = [
            Fault(f"expected a class from 0 to {known - 1}, got {each}", ("classes", i))
            for i, each in enumerate(classes)
            if each >= known
        ]
        if len(set(classes)) < 2 or len(set(classes)) < len(classes):
            faults.append(Fault("expected two or more different classes", ("classes",)))
        if faults:
            raise ComponentError(*faults)
        parts = [table[table[:, -1] == each].clone() for each in classes]
        for label, part in enumerate(parts):
            part[:, -1] = label
        table = torch.cat(parts)
    if samples is None:
        return table
    if samples > len(table):
        raise ComponentError(Fault(f"expected at most {len(table)} samples, got {samples}", ("samples",)))
    return table[torch.arange(samples) * len(table) // samples]


def _standardize(columns: Tensor) -> Tensor:
    """Return columns of mean 0 and standard deviation 1; a constant column becomes 0."""
    centred = columns - columns.mean(0)
    deviation = centred.square().mean(0).sqrt()
    return centred / torch.where(deviation > 0, deviation, torch.ones_like(deviation))
