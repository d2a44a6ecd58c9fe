from __future__ import annotations

import pytest
import sympy

from playground.expression import parse, parser, size
from playground.expression.tree import postorder


@pytest.mark.parametrize(
    "text", ["x", "x + y", "(x + 1)*(y + 2)", "(x + y + 1)**7", "((x + y)**3 - z)**4/2", "(x*y)**3"]
)
def test_terms_is_a_bound(text: str) -> None:
    expanded = sympy.expand(parse(text).sympy())
    assert len(sympy.Add.make_args(expanded)) <= size.terms(postorder(parser.tree(text))) < size.MAX_SIZE


@pytest.mark.parametrize("text", ["7", "12345*99", "3**200", "0.5**30", "1e-300", "2.5e17**3", "(1/3 + 0.25)**9"])
def test_digits_is_a_bound(text: str) -> None:
    exact = parse(text).sympy()
    assert len(str(max(exact.p, exact.q))) <= size.digits(postorder(parser.tree(text))) < size.MAX_SIZE


@pytest.mark.parametrize("text", ["(2*x)**(10**9)", "(((2*x)**1000)**1000)**1000", "0.5**(10**9)"])
def test_digits_sees_what_would_grow(text: str) -> None:
    assert size.digits(postorder(parser.tree(text))) == size.MAX_SIZE


@pytest.mark.parametrize("text", ["(x + y + z)**200", "(x + 1)**(10**300)", "((x + y)**90)**90"])
def test_terms_sees_what_would_grow(text: str) -> None:
    assert size.terms(postorder(parser.tree(text))) == size.MAX_SIZE
