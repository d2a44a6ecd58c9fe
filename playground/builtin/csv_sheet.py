"""Reads numbers from a CSV file; every fault names its line and column."""

from __future__ import annotations

import csv
import math
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playground.errors import Fault, Place, ScenarioError, suggest_names

_MAX_LISTED_FAULTS: Final = 10  # faults listed per file: a column of words would fill the screen


@dataclass(frozen=True)
class Sheet:
    """A CSV file: a header and rows with the same number of cells.

    :param file: the file's name in messages.
    :param lines: its text, line by line.
    :param header: the names of the columns, all different.
    :param rows: the cells below the header; row i is on line i + 2.
    """

    file: str
    lines: Sequence[str]
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]

    def find(self, name: str, path: tuple[str | int, ...]) -> int:
        """Return the index of the column `name`.

        :param path: the keys in the scenario that hold the name, for the message.
        :raises ScenarioError: there is no such column.
        """
        if name not in self.header:
            raise ScenarioError(Fault(f"no column {name!r} in {self.file}{suggest_names(name, self.header)}", path))
        return self.header.index(name)

    def numbers(self, columns: Sequence[int]) -> list[list[float]]:
        """Return the cells of these columns as numbers, row by row.

        :raises ScenarioError: listing every cell that is empty, not a number, or not finite.
        """
        refuse(
            Fault(f"{message} in column {self.header[column]!r}", place=self.place(row, column))
            for row, cells in enumerate(self.rows)
            for column in columns
            if (message := _find_number_fault(cells[column]))
        )
        return [[float(cells[column]) for column in columns] for cells in self.rows]

    def place(self, row: int, column: int) -> Place:
        """Return the location of a cell."""
        return Place(self.file, row + 2, _character_position(self.lines[row + 1], column))


def read(file: Path) -> Sheet:
    """Read a comma-separated file in UTF-8 whose first line names the columns.

    :param file: the file.
    :returns: its cells as text, without surrounding spaces.
    :raises ScenarioError: the file cannot be read, has no rows, repeats a column's name, or is ragged.
    """
    name = str(file)
    lines = _text(file).rstrip().split("\n")
    if len(lines) < 2:
        raise ScenarioError(Fault("expected a line of column names and at least one row", place=Place(name)))
    header, *rows = _records(name, lines)
    refuse(_header_faults(name, lines[0], header))
    refuse(
        Fault(f"expected one cell for each column name ({len(header)}), got {len(cells)}", place=Place(name, line, 1))
        for line, cells in enumerate(rows, 2)
        if len(cells) != len(header)
    )
    return Sheet(name, lines, tuple(header), rows)


def refuse(faults: Iterable[Fault]) -> None:
    """Raise an error if there are faults: the first few in full, the others as a number.

    :raises ScenarioError: there is a fault.
    """
    found = list(faults)
    if len(found) > _MAX_LISTED_FAULTS:
        rest = Fault(
            f"and {len(found) - _MAX_LISTED_FAULTS + 1} more faults from here on",
            place=found[_MAX_LISTED_FAULTS - 1].place,
        )
        found = [*found[: _MAX_LISTED_FAULTS - 1], rest]
    if found:
        raise ScenarioError(*found)


def _text(file: Path) -> str:
    """Return the file's text, without a byte-order mark and with uniform line ends."""
    try:
        if file.exists() and not file.is_file():  # a folder, or a device that might never end
            raise ScenarioError(Fault(f"cannot read {file}: expected a file", ("file",)))
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ScenarioError(Fault("expected text in UTF-8", place=Place(str(file)))) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        cause = getattr(error, "strerror", None) or error
        raise ScenarioError(Fault(f"cannot read {file}: {str(cause).lower()}", ("file",))) from None


def _records(name: str, lines: Sequence[str]) -> Iterator[list[str]]:
    """Split each line into cells, one line at a time, so that an unclosed quote does not swallow the lines below."""
    for number, line in enumerate(lines, 1):
        try:
            cells = next(csv.reader([line], skipinitialspace=True, strict=True))
        except csv.Error as error:
            raise ScenarioError(Fault(f"not a line of CSV: {error}", place=Place(name, number, 1))) from None
        yield [cell.strip() for cell in cells]


def _header_faults(name: str, line: str, header: Sequence[str]) -> Iterator[Fault]:
    """Yield a fault for each column without a name or with the name of an earlier column."""
    for column, title in enumerate(header):
        place = Place(name, 1, _character_position(line, column))
        if not title:
            yield Fault("expected a name for each column, got an empty cell", place=place)
        elif title in header[:column]:
            yield Fault(f"two columns are named {title!r}; expected different names", place=place)


def _find_number_fault(cell: str) -> str:
    """Return why a cell is not a number; empty if it is."""
    if not cell:
        return "expected a number, got an empty cell"
    try:
        value = float(cell)
    except ValueError:
        return f"expected a number, got {reprlib.repr(cell)}"
    if "_" in cell:  # only Python accepts 1_000
        return f"expected a number, got {reprlib.repr(cell)}"
    return "" if math.isfinite(value) else f"expected a finite number, got {reprlib.repr(cell)}"


def _character_position(line: str, column: int) -> int:
    """Return the position, counted from 1, of a cell's first character: after this many commas outside quotes."""
    quoted = False
    for position, character in enumerate(line):
        if not column:
            return position + 1
        quoted ^= character == '"'
        column -= character == "," and not quoted
    return len(line) + 1
