"""Formulas in the field's own signs, computed again."""

import math

import pytest
import torch

from playground.core.formula_reader import UnreadableFormulaError, evaluate_formula

NUMBERS = {"x": 0.5, "y": 0.3, "dy": 2.0, "p": 0.2, "t": 1.0, "a": 2.0, "b": 3.0}

READ = [
    ("dy · y(1 − y)", 2 * 0.3 * 0.7),
    ("−t·log p", -math.log(0.2)),
    ("2(p − t) / 4", -0.4),
    ("a^b", 8),
    ("−x²", -0.25),
    ("a^(−1)", 0.5),
    ("2/√π·exp(−x²)", 2 / math.sqrt(math.pi) * math.exp(-0.25)),
    ("[x > 0] · 3", 3),
    ("[0 ≤ x ≤ 0.4]", 0),
    ("[1 if x > 1, else 0.2]", 0.2),
    ("|p − t|·2", 1.6),
    ("log σ(x)", -math.log1p(math.exp(-0.5))),
    ("clamp(p − t, ±0.3)", -0.3),
    ("(−0.5)·3 + 1e-05", -1.49999),
    ("1.5e−3·2", 0.003),
    ("max(0, x) + 0.01·min(0, −x)", 0.495),
    ("x·Φ(x) − φ(0)", 0.5 * 0.6914624612740131 - 0.3989422804014327),
    ("Σ(x + y) / mean(a)", 0.4),
    ("a / b / 2", 1 / 3),
    ("1 − a − b", -4),
    ("inf", math.inf),
]


@pytest.mark.parametrize(("formula", "value"), READ)
def test_what_is_written_is_computed(formula, value):
    assert evaluate_formula(formula, NUMBERS).item() == pytest.approx(value, rel=1e-12)


def test_entries_are_computed_one_by_one():
    x = torch.tensor([[1.0], [2.0]])
    assert evaluate_formula("x·y", {"x": x, "y": torch.tensor([3.0, 4.0])}).tolist() == [[3, 4], [6, 8]]


@pytest.mark.parametrize(
    "text",
    ["dy, reshaped", "Σ dy (over samples)", "its part of dy", "reshape(x)", "x · w", "", "x y", "(x", "2 +", "max()"],
)
def test_words_are_no_arithmetic(text):
    with pytest.raises(UnreadableFormulaError):
        evaluate_formula(text, NUMBERS)
