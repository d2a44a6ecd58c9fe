"""Datasets: logic gates, point clouds, a line, and tables. All are float64; the task converts them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Generator, Tensor

from playground.builtin import csv_sheet
from playground.core.data import Data
from playground.errors import ComponentError, Fault


def and_gate() -> Data:
    """Logical AND of `a` and `b`: 1, 0, 0, 0 for the inputs 11, 10, 01, 00. One neuron can learn it."""
    return _truth_table(1, 0, 0, 0)


def or_gate() -> Data:
    """Logical OR of `a` and `b`: 1, 1, 1, 0 for the inputs 11, 10, 01, 00. One neuron can learn it."""
    return _truth_table(1, 1, 1, 0)


def xor_gate() -> Data:
    """Exclusive OR of `a` and `b`: 0, 1, 1, 0 for the inputs 11, 10, 01, 00. No single neuron can learn it."""
    return _truth_table(0, 1, 1, 0)


def nand_gate() -> Data:
    """NOT AND of `a` and `b`: 0, 1, 1, 1 for the inputs 11, 10, 01, 00. One neuron can learn it."""
    return _truth_table(0, 1, 1, 1)


def nor_gate() -> Data:
    """NOT OR of `a` and `b`: 0, 0, 0, 1 for the inputs 11, 10, 01, 00. One neuron can learn it."""
    return _truth_table(0, 0, 0, 1)


def xnor_gate() -> Data:
    """Equality of `a` and `b`: 1, 0, 0, 1 for the inputs 11, 10, 01, 00. No single neuron can learn it."""
    return _truth_table(1, 0, 0, 1)


def moons(generator: Generator, samples: Annotated[int, Ge(2)] = 200, noise: Annotated[float, Ge(0)] = 0.1) -> Data:
    """Two interleaving half circles: `(cos t, sin t)` is class 0, `(1 - cos t, ½ - sin t)` class 1, t from 0 to π.

    :param generator: source of the noise; the framework makes it from the key `seed`.
    :param samples: total number of points, half of them in each class.
    :param noise: standard deviation of the normal noise on each coordinate; the circles have radius 1.
    :returns: inputs of shape `(samples, 2)`, classes in `(samples, 1)`.

    Source: as `make_moons` of scikit-learn.
    """
    upper, lower = (torch.linspace(0, math.pi, count, dtype=torch.float64) for count in _split_in_halves(samples))
    arms = [
        _points_from_angles(1.0, upper),
        torch.tensor([1.0, 0.5], dtype=torch.float64) - _points_from_angles(1.0, lower),
    ]
    return _join_two_classes(arms[0], arms[1], noise, generator)


def circles(generator: Generator, samples: Annotated[int, Ge(2)] = 200, noise: Annotated[float, Ge(0)] = 0.05) -> Data:
    """Two circles about the origin: radius 1 is class 0, radius ½ class 1.

    :param generator: source of the noise; the framework makes it from the key `seed`.
    :param samples: total number of points, evenly spaced, half of them in each class.
    :param noise: standard deviation of the normal noise on each coordinate.
    :returns: inputs of shape `(samples, 2)`, classes in `(samples, 1)`.

    Source: as `make_circles` of scikit-learn with the factor ½.
    """
    outer, inner = (_circle_angles(count) for count in _split_in_halves(samples))
    return _join_two_classes(_points_from_angles(1.0, outer), _points_from_angles(0.5, inner), noise, generator)


def spirals(generator: Generator, samples: Annotated[int, Ge(2)] = 200, noise: Annotated[float, Ge(0)] = 0.02) -> Data:
    """Two interleaved spirals: radius `t / 3.5π` at the angle t, and for class 1 at t + π.

    The angle runs from π/2 to 3.5π, one and a half turns; along a ray the arms are 2/7 apart.

    :param generator: source of the noise; the framework makes it from the key `seed`.
    :param samples: total number of points, half of them in each class.
    :param noise: standard deviation of the normal noise on each coordinate; the spirals end at radius 1.
    :returns: inputs of shape `(samples, 2)`, classes in `(samples, 1)`.

    Source: after Lang and Witbrock 1988, whose spirals make three turns.
    """
    end = 3.5 * math.pi
    turns = [torch.linspace(math.pi / 2, end, count, dtype=torch.float64) for count in _split_in_halves(samples)]
    arms = [_points_from_angles(angle / end, angle + number * math.pi) for number, angle in enumerate(turns)]
    return _join_two_classes(arms[0], arms[1], noise, generator)


def blobs(
    generator: Generator,
    samples: Annotated[int, Ge(2)] = 150,
    classes: Annotated[int, Ge(2)] = 3,
    spread: Annotated[float, Ge(0)] = 0.2,
) -> Data:
    """One round cloud per class, with evenly spaced centres on the unit circle; class 0 at `(1, 0)`.

    :param generator: source of the noise; the framework makes it from the key `seed`.
    :param samples: total number of points, divided evenly among the classes.
    :param classes: the number of clouds.
    :param spread: standard deviation of each cloud along each coordinate.
    :returns: inputs of shape `(samples, 2)`, classes in `(samples, 1)`.
    :raises ComponentError: fewer samples than classes.
    """
    if samples < classes:
        raise ComponentError(Fault(f"expected a sample for each class ({classes}), got {samples}", ("samples",)))
    labels = _labels(samples, classes)
    return _draw_clouds(_points_from_angles(1.0, _circle_angles(classes))[labels], labels, classes, spread, generator)


def line(
    generator: Generator,
    samples: Annotated[int, Ge(1)] = 50,
    slope: float = 2.0,
    intercept: float = 1.0,
    noise: Annotated[float, Ge(0)] = 0.1,
) -> Data:
    """Points about a line: `y = slope · x + intercept + noise · N(0, 1)`, x evenly spaced from -1 to 1.

    :param generator: source of the noise; the framework makes it from the key `seed`.
    :param samples: the number of points.
    :param slope: increase of y per unit of x.
    :param intercept: y at x = 0.
    :param noise: standard deviation of the normal noise on y.
    :returns: inputs and targets of shape `(samples, 1)`.
    """
    x = torch.linspace(-1, 1, samples, dtype=torch.float64).unsqueeze(1)
    return Data(x, slope * x + intercept + noise * _normal(x, generator), ("x",))


def inline(
    inputs: list[list[float]],
    targets: list[list[float]],
    names: list[str] | None = None,
    classes: Annotated[int, Ge(2)] | None = None,
) -> Data:
    """A table in the scenario itself.

    :param inputs: one row of numbers for each sample, all of the same length.
    :param targets: one row of numbers for each sample, all of the same length.
    :param names: names of the input columns; by default `x` for one column, `x0`, `x1`, ... for several.
    :param classes: the number of classes, if the targets are classes 0, 1, ... in one column; omit it for quantities.
    :returns: the table.
    :raises ComponentError: rows are missing, ragged or not finite, or the names or classes do not match.
    """
    faults = [
        *_table_faults("inputs", inputs),
        *_table_faults("targets", targets),
        *([] if names is None else _name_faults(names, inputs)),
        *([] if classes is None else (Fault(text, ("targets", *at)) for at, text in _class_faults(targets, classes))),
    ]
    if len(targets) != len(inputs):
        faults.append(
            Fault(f"expected one row for each row of inputs ({len(inputs)}), got {len(targets)}", ("targets",))
        )
    if faults:
        raise ComponentError(*faults)
    columns = tuple(names) if names is not None else _default_names(len(inputs[0]))
    return Data(_tensor(inputs), _tensor(targets), columns, classes)


def csv(
    folder: Path,
    file: str,
    target: str | list[str],
    features: list[str] | None = None,
    classes: Annotated[int, Ge(2)] | None = None,
) -> Data:
    """A table from a CSV file: commas, UTF-8, the names of the columns in the first line, numbers below.

    :param folder: the scenario's folder; supplied by the framework.
    :param file: path of the file, relative to the scenario's folder.
    :param target: name of the target column, or a list of names.
    :param features: names of the input columns; by default every column that is not a target.
    :param classes: the number of classes, if the target column contains classes 0, 1, ...; omit it for quantities.
    :returns: the table; columns that are neither feature nor target may contain anything.
    :raises ScenarioError: the file cannot be read, lacks a column, or has a cell that is not a finite number.
    """
    sheet = csv_sheet.read(folder / file)
    wanted = _columns(sheet, "target", target)
    if features is None:
        given = [column for column in range(len(sheet.header)) if column not in wanted]
    else:
        given = _columns(sheet, "features", features)
    _check_columns(sheet, given, wanted)
    table = sheet.numbers([*given, *wanted])
    inputs, targets = [row[: len(given)] for row in table], [row[len(given) :] for row in table]
    if classes is not None:
        csv_sheet.refuse(
            Fault(text, place=sheet.place(at[0], wanted[0])) if at else Fault(text, ("target",))
            for at, text in _class_faults(targets, classes)
        )
    return Data(_tensor(inputs), _tensor(targets), tuple(sheet.header[column] for column in given), classes)


def _truth_table(*truth: float) -> Data:
    """Return a truth table over the inputs 11, 10, 01, 00."""
    inputs = [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    return Data(_tensor(inputs), _tensor([[value] for value in truth]), ("a", "b"), classes=2)


def _tensor(rows: Sequence[Sequence[float]]) -> Tensor:
    """Return the rows as a float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


def _split_in_halves(samples: int) -> tuple[int, int]:
    """Divide samples between two classes; the first class gets the remainder."""
    return (samples + 1) // 2, samples // 2


def _labels(samples: int, classes: int) -> Tensor:
    """Divide samples evenly, in order, and return the class of each sample; the first classes get the remainder.

    The result is computed as a tensor, without a Python list, so that ten billion samples are refused by their size.
    """
    each, left = divmod(samples, classes)
    number = torch.arange(samples)
    larger = left * (each + 1)  # samples in the classes with one more than the others
    return torch.where(number < larger, number // (each + 1), left + (number - larger) // each)


def _circle_angles(count: int) -> Tensor:
    """Return `count` angles, evenly spaced around the circle from 0."""
    return torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)


def _points_from_angles(radius: float | Tensor, angle: Tensor) -> Tensor:
    """Return points of shape `(n, 2)` from their angles of shape `(n,)`."""
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def _normal(like: Tensor, generator: Generator) -> Tensor:
    """Draw standard normal numbers in the shape of `like`."""
    return torch.randn(like.shape, generator=generator, dtype=torch.float64)


def _join_two_classes(first: Tensor, second: Tensor, noise: float, generator: Generator) -> Data:
    """Return the points of class 0, then those of class 1, with normal noise on each coordinate."""
    labels = torch.arange(len(first) + len(second)) >= len(first)
    return _draw_clouds(torch.cat([first, second]), labels, 2, noise, generator)


def _draw_clouds(points: Tensor, labels: Tensor, classes: int, noise: float, generator: Generator) -> Data:
    """Return points of shape `(n, 2)` with their labels of shape `(n,)`, with normal noise on each coordinate."""
    targets = labels.double().unsqueeze(1)
    return Data(points + noise * _normal(points, generator), targets, ("x", "y"), classes)


def _default_names(count: int) -> tuple[str, ...]:
    """Return default names for the columns."""
    return ("x",) if count == 1 else tuple(f"x{number}" for number in range(count))


def _width(rows: Sequence[Sequence[float]]) -> int:
    """Return the most common row length; if there is none, the first row's."""
    lengths = Counter(map(len, rows)).most_common(1)
    return lengths[0][0] if lengths else 0


def _table_faults(key: str, rows: Sequence[Sequence[float]]) -> Iterator[Fault]:
    """Yield why the rows are not a table of finite numbers."""
    width = _width(rows)
    if not width:
        yield Fault("expected at least one row of at least one number", (key,))
        return
    for number, row in enumerate(rows):
        if len(row) != width:
            yield Fault(f"expected a row as long as the others ({width}), got {len(row)}", (key, number))
        for column, value in enumerate(row):
            if not math.isfinite(value):
                yield Fault(f"expected a finite number, got {value}", (key, number, column))


def _name_faults(names: Sequence[str], inputs: Sequence[Sequence[float]]) -> Iterator[Fault]:
    """Yield what is wrong with the names of the input columns."""
    if inputs and len(names) != _width(inputs):
        yield Fault(f"expected one name for each input column ({_width(inputs)}), got {len(names)}", ("names",))
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Fault(f"two columns are named {name!r}; expected different names", ("names", number))


def _class_faults(targets: Sequence[Sequence[float]], classes: int) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield `(row, column)` and message for each target that is not a class; an empty place for the whole table."""
    if targets and _width(targets) != 1:
        yield (), "expected one target column, because classes are given"
        return
    for number, value in ((number, row[0]) for number, row in enumerate(targets) if len(row) == 1):
        if not (0 <= value < classes and value % 1 == 0):
            yield (number, 0), f"expected a class, a whole number from 0 to {classes - 1}, got {value:g}"


def _columns(sheet: csv_sheet.Sheet, key: str, names: str | list[str]) -> list[int]:
    """Return the indices of the columns named in a scenario's key."""
    if isinstance(names, str):
        return [sheet.find(names, (key,))]
    return [sheet.find(name, (key, number)) for number, name in enumerate(names)]


def _check_columns(sheet: csv_sheet.Sheet, given: Sequence[int], wanted: Sequence[int]) -> None:
    """Refuse a choice of columns that is empty or repeats a column.

    :raises ScenarioError: it is.
    """
    empty = [
        Fault(f"expected at least one {what} column of {sheet.file}, got none", (key,))
        for key, what, columns in (("features", "feature", given), ("target", "target", wanted))
        if not columns
    ]
    chosen = [*given, *wanted]
    twice = sorted({column for column in chosen if chosen.count(column) > 1})
    csv_sheet.refuse(
        [*empty, *(Fault(f"column {sheet.header[column]!r} is named twice", ("target",)) for column in twice)]
    )
