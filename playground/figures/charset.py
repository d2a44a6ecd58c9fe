"""Writes text in encodings with few characters: outside UTF-8, signs become ASCII words, not question marks."""

from __future__ import annotations

import codecs
import unicodedata
from typing import Final

ASCII_FALLBACK: Final = "playground.ascii"
"""The error handler for streams that writes a sign missing in their encoding as ASCII."""

ASCII_SIGNS: Final = {
    "✔": "ok",
    "✘": "FAIL",
    "→": "->",
    "←": "<-",
    "↑": "^",
    "⇒": "=>",
    "…": "...",
    "·": "*",
    "×": "x",
    "−": "-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "±": "+-",
    "∂": "d",
    "∇": "grad",
    "√": "sqrt",
    "∞": "inf",
    "Σ": "sum",
    "Π": "prod",
    "∈": "in",
    "‖": "||",
    "⊙": "*",
    "°": " deg",
    "ᵀ": "^T",
    "⁻": "^-",
    "▶": ">",
    "▲": "^",
    "▼": "v",
    "²": "^2",
    "³": "^3",
    "¹": "^1",
    "⁴": "^4",
    "₀": "0",
    "₁": "1",
    "₂": "2",
    "¼": "1/4",
    "½": "1/2",
    "¾": "3/4",
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "eps",
    "η": "eta",
    "θ": "theta",
    "λ": "lambda",
    "μ": "mu",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "φ": "phi",
    "Φ": "Phi",
    "ψ": "psi",
    "ω": "omega",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "–": "-",
    "—": "-",
    "•": "*",
    "\u00a0": " ",
    "\u2009": " ",
    "─": "-",
    "│": "|",
    "┤": "|",
    "├": "|",
    "└": "`",
    "┌": "+",
    "┐": "+",
    "┘": "+",
    "┼": "+",
    "━": "-",
    "▁": "_",
    "█": "#",
    "■": "#",
    "▓": "#",
    "░": ".",
    "╭": "+",
    "╮": "+",
    "╰": "+",
    "╯": "+",
}
"""The replacement of each sign; lines and blocks keep their width."""

BLANK_BRAILLE: Final = 0x2800
"""The blank braille character; the others follow in the order of their dots' bits."""

BRAILLE_ROW_BITS: Final = (0x09, 0x12, 0x24, 0xC0)
"""The bits of each row of dots in a braille character, from the top."""


def encode_signs(text: str, encoding: str) -> str:
    """Return text with every character that the encoding lacks replaced."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_encode_sign(character, encoding) for character in text)
    return text


def ascii_form(character: str) -> str:
    r"""Return a character in ASCII: a sign as its word, a letter without its marks, any other as `\u6f22`."""
    if character in ASCII_SIGNS:
        return ASCII_SIGNS[character]
    if BLANK_BRAILLE <= ord(character) < BLANK_BRAILLE + 256:
        return _braille_sign(ord(character) - BLANK_BRAILLE)
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return bare or character.encode("unicode_escape").decode("ascii")


def register_fallback() -> None:
    """Register `ASCII_FALLBACK`, so that streams can be opened or configured with it."""
    codecs.register_error(ASCII_FALLBACK, _replace)


def _encode_sign(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return ascii_form(character)
    return character


def _braille_sign(bits: int) -> str:
    """Return one sign whose height is that of a braille character's dots."""
    rows = [row for row, mask in enumerate(BRAILLE_ROW_BITS) if bits & mask]
    if not rows:
        return " "
    if len(rows) > 2:
        return "|"
    return "'" if rows[-1] <= 1 else "." if rows[0] >= 2 else "-"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(ascii_form, error.object[error.start : error.end])), error.end
