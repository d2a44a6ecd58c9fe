from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from playground.report.layout import (
    MIN_COLUMN_WIDTH,
    align_columns,
    columns,
    print_lines,
    print_wrapped,
    rule,
    style_text,
    use_encoding,
)


def test_nothing_in_text_is_interpreted(hostile):
    assert style_text("a ", (hostile, "bold")).plain.startswith("a [bold red]x[/] <b>")
    assert style_text(hostile).plain.isprintable()


def test_columns_line_up():
    rows = [("a", "1.5", "x"), ("long", "10.5", "")]
    assert [line.plain for line in align_columns(rows, right={1})] == ["a      1.5  x", "long  10.5"]


def test_wide_characters_count_twice():
    assert [line.plain for line in align_columns([("漢", "x"), ("ab", "y")])] == ["漢  x", "ab  y"]


def test_a_column_gives_way():
    assert [line.plain for line in align_columns([("a" * 20, "x")], give=0, width=13)] == ["aaaaaaaaa…  x"]
    narrow = align_columns([("a" * 20, "x" * 40)], give=0, width=13)[0].plain
    assert narrow.startswith("a" * (MIN_COLUMN_WIDTH - 1) + "…  xxx")


def test_a_column_that_fits_keeps_its_width():
    assert align_columns([("a" * 20, "x")], give=0, width=80)[0].plain == "a" * 20 + "  x"


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=5))
def test_second_columns_begin_together(rows):
    lines = [line.plain for line in align_columns([(left, f"|{right}") for left, right in rows])]
    widest = max(style_text(left).cell_len for left, _ in rows)
    assert all(
        cell_len(line[: line.index("|", len(style_text(left).plain))]) == widest + 2
        for line, (left, _) in zip(lines, rows, strict=True)
    )
    assert all(line == line.rstrip() for line in lines)


def test_rule_is_as_long_as_the_longest():
    assert rule(style_text("ab"), style_text("漢字")).plain == "────"


def test_put_cuts_at_the_edge(lines):
    assert lines(lambda console: print_lines(console, [style_text("a" * 30), style_text("b")], 2), width=10) == [
        "  aaaaaaa…",
        "  b",
    ]


@pytest.mark.parametrize(
    ("indent", "hang", "expected"), [(0, 2, ["one two", "  three"]), (1, 0, [" one two", " three"])]
)
def test_sentences_wrap_under_themselves(lines, indent, hang, expected):
    assert (
        lines(lambda console: print_wrapped(console, style_text("one two three"), indent, hang), width=10) == expected
    )


@pytest.mark.parametrize(
    ("width", "head", "note"),
    [
        (80, "name        one  two     three", None),
        (28, "name      one  two     three", None),
        (25, "name        one  two", "not enough width for: three"),
        (20, "name        one", "not enough width for: two, three"),
        (14, "name       one", "not enough width for: two, three"),
        (4, "name", "not enough width for: one, two, three"),
    ],
)
def test_columns_that_do_not_fit_are_named(width, head, note):
    shown, _, row, *notes = columns(
        ["name", "one", "two", "", "three"], [["long names", "1", "2", "a", "3"]], (), width
    )
    assert shown.plain == head
    assert row.plain.split()[0] in ("long", "long…", "lon…")
    assert [line.plain for line in notes] == ([note] if note else [])


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_columns_line_up_in_words_too(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=20, force_terminal=False)
    with use_encoding(console):
        print_lines(
            console, [*align_columns([("✔", "passed"), ("✘", "failed")]), rule(style_text("abc")), style_text("a" * 30)]
        )
    stream.flush()
    cut = "a" * 17 + "..." if encoding != "cp1252" else "a" * 19 + "…"
    assert stream.buffer.getvalue().decode(encoding).splitlines() == ["ok    passed", "FAIL  failed", "---", cut]
