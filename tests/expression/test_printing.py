from __future__ import annotations

import pytest
import torch

from playground.expression import parse


@pytest.mark.parametrize(
    ("text", "plain", "latex"),
    [
        ("(2*x+10)**2", "(2*x + 10)**2", r"\left(2 x + 10\right)^{2}"),
        ("a-(b-c)", "a - (b - c)", r"a - \left(b - c\right)"),
        ("a+(b+c)", "a + (b + c)", r"a + \left(b + c\right)"),
        ("((a-b)-c)", "a - b - c", "a - b - c"),
        ("(a*b)/(c*d)", "a*b/(c*d)", r"\frac{a b}{c d}"),
        ("(x/y)**2", "(x/y)**2", r"\left(\frac{x}{y}\right)^{2}"),
        ("x**-(1/2)", "x**-(1/2)", r"x^{-\frac{1}{2}}"),
        ("(x**2)**3", "(x**2)**3", r"\left(x^{2}\right)^{3}"),
        ("-x**2", "-x**2", "-x^{2}"),
        ("(-x)**2", "(-x)**2", r"\left(-x\right)^{2}"),
        ("2*-x", "2*-x", r"2 \left(-x\right)"),
        ("-(x+1)", "-(x + 1)", r"-\left(x + 1\right)"),
        ("2*sin(x)*(y/3)*(a*b)", "2*sin(x)*(y/3)*(a*b)", r"2 \sin\left(x\right) \frac{y}{3} a b"),
        ("x*2", "x*2", r"x \cdot 2"),
        ("1e-5*x", "1e-05*x", r"1 \cdot 10^{-5} x"),
        ("sin(x)**2", "sin(x)**2", r"\left(\sin\left(x\right)\right)^{2}"),
        ("exp(-abs(x))", "exp(-abs(x))", r"e^{-\left|x\right|}"),
        ("sqrt(pi*e)", "sqrt(pi*e)", r"\sqrt{\pi e}"),
        ("max( x,0 )", "max(x, 0)", r"\max\left(x, 0\right)"),
        ("log2(alpha)", "log2(alpha)", r"\log_{2}\left(\alpha\right)"),
        ("x[0]*x_1[2]**3", "x[0]*x_1[2]**3", r"x_{0} {x_{1}}_{2}^{3}"),
    ],
)
def test_plain_and_latex(text: str, plain: str, latex: str) -> None:
    assert str(parse(text)) == plain
    assert parse(text).latex() == latex


CODES = [
    ("(2*x + 10)**2", "(2*x + 10)**2"),
    ("-x**2", "-x**2"),
    ("(-x)**3*pi", "(-x)**3*3.141592653589793"),
    ("x[0] - (-3)", "x[0] - -3"),
    ("2**-x/(1 - y)", "2**-x/(1 - y)"),
    ("sin(x)*-0.5", "torch.sin(x)*-0.5"),
    ("softplus(x)**2", "(-torch.nn.functional.logsigmoid(-x))**2"),
    ("max(x, 0, 2*y)", "torch.maximum(torch.maximum(x, x.new_tensor(0.0)), 2*y)"),
]


@pytest.mark.parametrize(("text", "code"), CODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_code_makes_the_same_operations(text, code, dtype):
    expression = parse(text)
    assert expression.code() == code
    variables = {
        name: torch.full((2,) if size else (), 0.7, dtype=dtype) for name, size in expression.variables.items()
    }
    assert eval(code, {"torch": torch, **variables}).equal(expression(**variables))
