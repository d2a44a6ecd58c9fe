"""Outside UTF-8 signs become words, and pass and fail are told apart."""

import io

import pytest

from playground.figures.charset import ASCII_FALLBACK, ASCII_SIGNS, ascii_form, encode_signs, register_fallback
from playground.figures.curve import curve
from playground.report.braille import draw

ENCODINGS = ("ascii", "cp1252", "latin-1", "cp437", "shift_jis")


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [
        ("utf-8", "✔ × → 漢", "✔ × → 漢"),
        ("ascii", "✔ a ✘ b", "ok a FAIL b"),
        ("ascii", "0.19 → 0.01…", "0.19 -> 0.01..."),
        ("ascii", "20 × 2 · σ(−x)²", "20 x 2 * sigma(-x)^2"),
        ("latin-1", "✘ 20 × 2 · −1 ¼", "FAIL 20 × 2 · -1 ¼"),
        ("cp1252", "✔ a … b – c", "ok a … b – c"),
        ("ascii", "naïve 漢 \U0001f600", r"naive \u6f22 \U0001f600"),
        ("ascii", "┤──", "|--"),
    ],
)
def test_signs_that_an_encoding_lacks_are_words(encoding, text, shown):
    assert encode_signs(text, encoding) == shown


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_stream_writes_every_character(encoding):
    register_fallback()
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=ASCII_FALLBACK)
    text = "".join(ASCII_SIGNS) + "".join(map(chr, range(0x2800, 0x2900))) + "漢\ud800\U0010ffff"
    stream.write(text)
    stream.flush()
    assert "?" not in stream.buffer.getvalue().decode(encoding)


def test_signs_are_ascii_and_passed_is_not_failed():
    assert all(form.isascii() for form in ASCII_SIGNS.values())
    assert ascii_form("✔") != ascii_form("✘")


def test_a_chart_keeps_its_width_and_its_fall():
    rows = draw(curve([2.0**-step for step in range(40)]), 40, 6)
    plain = [encode_signs(row, "ascii") for row in rows]
    assert [len(row) for row in plain] == [len(row) for row in rows]
    first = [len(row) - len(row.lstrip()) for row in plain]
    assert first == sorted(first)
    assert all(row.strip() for row in plain)
