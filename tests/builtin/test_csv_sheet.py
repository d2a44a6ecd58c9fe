import csv
import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.builtin import csv_sheet
from playground.errors import ScenarioError


def numbers(path):
    sheet = csv_sheet.read(path)
    return sheet.numbers(range(len(sheet.header)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n3,4\n", [[1, 2], [3, 4]]),
        (b"a,b\n1,2\n3,4", [[1, 2], [3, 4]]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n", [[1, 2]]),
        (b"a\r1\r2\r", [[1], [2]]),
        (b'a, "b"\n1, "2"\n', [[1, 2]]),
        (b"a,b\n +1.5 ,-2e-3\n", [[1.5, -0.002]]),
        (b'"a","b"\n"1","2"\n\n  \n', [[1, 2]]),
    ],
)
def test_reads_numbers(tmp_path, content, expected):
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    assert csv_sheet.read(file).header == ("a", "b")[: len(expected[0])]
    assert numbers(file) == expected


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b"", [": expected a line of column names and at least one row"]),
        (b"\n\n", [": expected a line of column names and at least one row"]),
        (b"a,b\n", [": expected a line of column names and at least one row"]),
        (b"a,b\n1,\n", [":2:3: expected a number, got an empty cell in column 'b'"]),
        (b"a,b\n1,2\n, \n", [
            ":3:1: expected a number, got an empty cell in column 'a'",
            ":3:2: expected a number, got an empty cell in column 'b'",
        ]),
        (b"a,b\n1,2\n3,yes\n", [":3:3: expected a number, got 'yes' in column 'b'"]),
        (b'a,b\n"1,5",yes\n', [
            ":2:1: expected a number, got '1,5' in column 'a'",
            ":2:7: expected a number, got 'yes' in column 'b'",
        ]),
        (b"a,b\n1_000,0x10\n", [
            ":2:1: expected a number, got '1_000' in column 'a'",
            ":2:7: expected a number, got '0x10' in column 'b'",
        ]),
        (b"a,b\nnan,1e999\n", [
            ":2:1: expected a finite number, got 'nan' in column 'a'",
            ":2:5: expected a finite number, got '1e999' in column 'b'",
        ]),
        (b"a,b\n1,2,3\n4\n", [
            ":2:1: expected one cell for each column name (2), got 3",
            ":3:1: expected one cell for each column name (2), got 1",
        ]),
        (b"a,b\n\n1,2\n", [":2:1: expected one cell for each column name (2), got 0"]),
        (b"a, b,a,\n1,2,3,4\n", [
            ":1:6: two columns are named 'a'; expected different names",
            ":1:8: expected a name for each column, got an empty cell",
        ]),
        (b'a,b\n1,"2\n3,4\n', [":2:1: not a line of CSV: unexpected end of data"]),
        (b'a,b\n1,"2"3\n', [":2:1: not a line of CSV: ',' expected after '\"'"]),
        (b"a,b\n1,\x002\n", [":2:3: expected a number, got '\\x002' in column 'b'"]),
        (b"a,b\n1,\xff\n", [": expected text in UTF-8"]),
        (b"\x89PNG\r\n\x1a\n", [": expected text in UTF-8"]),
        ("a\nx\u2028y\n".encode(), [":2:1: expected a number, got 'x\\u2028y' in column 'a'"]),
        (b"a\n" + b"x" * 200_000, [":2:1: not a line of CSV: field larger than field limit (131072)"]),
    ],
)  # fmt: skip
def test_faults_name_line_and_column(tmp_path, content, faults):
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        numbers(file)
    assert [str(fault) for fault in caught.value.faults] == [f"{file}{fault}" for fault in faults]


def test_a_column_of_words_does_not_fill_the_screen(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("a\n" + "word\n" * 5000)
    with pytest.raises(ScenarioError) as caught:
        numbers(file)
    assert len(caught.value.faults) == 10
    assert str(caught.value.faults[8]) == f"{file}:10:1: expected a number, got 'word' in column 'a'"
    assert str(caught.value.faults[9]) == f"{file}:11:1: and 4991 more faults from here on"


def test_a_long_cell_is_shortened(tmp_path):
    (tmp_path / "table.csv").write_text("a\n" + "x" * 10_000)
    with pytest.raises(ScenarioError, match=r"got 'x+\.\.\.x+' in column 'a'") as caught:
        numbers(tmp_path / "table.csv")
    assert len(caught.value.faults[0].message) < 100


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("missing.csv", "no such file or directory"),
        ("folder", "expected a file"),
        ("", "expected a file"),
        ("missing/table.csv", "no such file or directory"),
        ("x" * 300, "file name too long"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_what_cannot_be_read_is_a_fault_of_the_key_file(tmp_path, name, cause):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ScenarioError) as caught:
        csv_sheet.read(tmp_path / name)
    (fault,) = caught.value.faults
    assert fault.message == f"cannot read {tmp_path / name}: {cause}"
    assert (fault.path, fault.place) == (("file",), None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ScenarioError, match="expected a file"):
        csv_sheet.read(tmp_path / "pipe")


cells = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(str), st.text(st.sampled_from('ab1 ,"'), max_size=5)
)


@settings(deadline=None, max_examples=100)
@given(rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), max_size=4)))
def test_reads_back_what_was_written_and_places_point_at_cells(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("csv") / "table.csv"
    width = len(rows[0]) if rows else 1
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[f"c{i}" for i in range(width)], *rows, ["1"] * width])
    file.write_text(text.getvalue())
    sheet = csv_sheet.read(file)
    assert [list(row) for row in sheet.rows[:-1]] == [[cell.strip() for cell in row] for row in rows]
    for number, row in enumerate(rows):
        for column in range(width):
            place = sheet.place(number, column)
            rest = sheet.lines[place.line - 1][place.column - 1 :]
            written = io.StringIO()
            csv.writer(written, lineterminator="").writerow(row[column:])
            assert rest == written.getvalue() or not any(row[column:])
