from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.figures.text import cut, make_printable, module_label, without_commands


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [bold] <script> x² 漢", "plain [bold] <script> x² 漢"),
        ("two\nlines\tand\u00a0blank", "two lines and blank"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\u202eright to left", r"\u202eright to left"),
        ("a\u200bb", r"a\u200bb"),
        ("\ud800", r"\ud800"),
        ("", ""),
    ],
)
def test_nothing_acts(text, shown):
    assert make_printable(text) == shown


@settings(deadline=None)
@given(st.text(st.characters()))
def test_printable_is_printable_and_stays(text):
    shown = make_printable(text)
    assert shown.isprintable()
    assert make_printable(shown) == shown
    shown.encode()


@pytest.mark.parametrize(("width", "shown"), [(5, "abcde"), (4, "abc…"), (1, "…")])
def test_cut(width, shown):
    assert cut("abcde", width) == shown


@pytest.mark.parametrize(
    ("module", "label"),
    [
        ("_playground_plugin_signw_fb9123456789", "signw"),
        ("_playground_plugin_my_file_0123456789ab", "my_file"),
        ("_playground_plugin_signw_fb9123456789.Inner", "signw.Inner"),
        ("torch.optim.sgd", "torch.optim.sgd"),
        ("package_0123456789ab", "package_0123456789ab"),
    ],
)
def test_a_module_as_people_call_it(module, label):
    assert module_label(module) == label


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a::b", "a::b"),
        (": :error", ": :error"),
        ("::error::x", r"\x3a:error::x"),
        ("a\n  ::error::x\n::", "a\n  \\x3a:error::x\n\\x3a:"),
        ("\u2003::stop-commands::x", "\u2003\\x3a:stop-commands::x"),
        ("\n\n::a::b", "\n\n\\x3a:a::b"),
        ("a ##[error]b ###[c]", "a #\\x23[error]b ##\\x23[c]"),
        ("##a", "##a"),
    ],
)
def test_no_line_is_a_command_of_github(text, shown):
    assert without_commands(text) == shown
