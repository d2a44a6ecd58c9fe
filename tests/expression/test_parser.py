from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.expression import ExpressionError, parse, parser
from playground.expression.tree import Apply, ExpressionNode, Number, Variable

x, y = Variable("x"), Variable("y")
one, two = Number(1), Number(2)


def op(operation: str, *operands: ExpressionNode) -> Apply:
    return Apply(operation, operands)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("2", two),
        ("2.5e-3", Number(0.0025)),
        (".5", Number(0.5)),
        ("2.", Number(2.0)),
        ("010", Number(10)),
        (" \t\n(x) ", x),
        ("x[12]", Variable("x", 12)),
        ("x [ 1 ]", Variable("x", 1)),
        ("pi", op("pi")),
        ("+x", x),
        ("--x", op("neg", op("neg", x))),
        ("x + y - 1", op("-", op("+", x, y), one)),
        ("x / y * 2", op("*", op("/", x, y), two)),
        ("x + y*2", op("+", x, op("*", y, two))),
        ("(x + y)*2", op("*", op("+", x, y), two)),
        ("x**y**2", op("**", x, op("**", y, two))),
        ("-x**2", op("neg", op("**", x, two))),
        ("(-x)**2", op("**", op("neg", x), two)),
        ("2**-x", op("**", two, op("neg", x))),
        ("2*-x", op("*", two, op("neg", x))),
        ("-x*y", op("*", op("neg", x), y)),
        ("sin(x + 1)", op("sin", op("+", x, one))),
        ("max(x, y, 1)", op("max", x, y, one)),
        ("max (x, y)", op("max", x, y)),
    ],
)
def test_grammar(text: str, tree: ExpressionNode) -> None:
    assert repr(parser.parse_tree(text)) == repr(tree)  # repr, because 2 == 2.0


def test_nodes_know_their_column() -> None:
    tree = parser.parse_tree("1 + sin(x[0])")
    assert isinstance(tree, Apply)
    sine = tree.operands[1]
    assert isinstance(sine, Apply)
    assert (tree.column, sine.column, sine.operands[0].column) == (0, 4, 8)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected a number, a name or '(', got the end"),
        ("   ", 4, "expected a number, a name or '(', got the end"),
        ("x +", 4, "expected a number, a name or '(', got the end"),
        ("x + )", 5, "expected a number, a name or '(', got ')'"),
        ("(x", 1, "'(' is never closed"),
        ("sin(x", 4, "'(' is never closed"),
        ("x[0", 2, "'[' is never closed"),
        ("(x, y)", 3, "expected an operator or ')', got ','"),
        ("x)", 2, "expected an operator, got ')'"),
        ("sin(x,)", 7, "expected a number, a name or '(', got ')'"),
        ("2x", 2, "expected an operator, got 'x'; a product is written 2*x"),
        ("3 + 2(x + 1)", 6, "expected an operator, got '('; a product is written 2*("),
        ("(x)(y)", 4, "expected an operator, got '('; a product is written )*("),
        ("(2x)", 3, "expected an operator or ')', got 'x'; a product is written 2*x"),
        ("x^2", 2, "expected an operator, got '^'; a power is written **"),
        ("x²", 2, "expected an operator, got '²'; a power is written **"),
        ("2·x", 2, "expected an operator, got '·'; a product is written *"),
        ("−x", 1, "expected a number, a name or '(', got '−'; minus is written -"),
        ("x//2", 2, "expected an operator, got '//'; a quotient is written /"),
        ("y = x**2", 3, "expected an operator, got '='; write only the right-hand side"),
        ("sim(x)", 1, "unknown function 'sim'; did you mean 'sin'?"),
        ("foo(x)", 1, "unknown function 'foo' (accepted: abs, atan, cos,"),
        ("2*sin", 3, "'sin' is a function; write sin(…)"),
        ("sin[0]", 1, "'sin' is a function; write sin(…)"),
        ("pi[0]", 1, "'pi' is a constant and has no entries"),
        ("e(2)", 2, "expected an operator, got '('"),
        ("sin()", 1, "sin takes 1 argument, got 0"),
        ("sin(x, y)", 1, "sin takes 1 argument, got 2"),
        ("1 + max(x)", 5, "max takes 2 arguments or more, got 1"),
        ("x[-1]", 3, "expected an index from 0 to 999, got '-'"),
        ("x[1.5]", 3, "expected an index from 0 to 999, got '1.5'"),
        ("x[y]", 3, "expected an index from 0 to 999, got 'y'"),
        ("x[1000]", 3, "expected an index from 0 to 999, got '1000'"),
        ("x[٣]", 3, "expected an index from 0 to 999, got '٣'"),
        ("x[", 3, "expected an index from 0 to 999, got the end"),
        ("1e999", 1, "'1e999' is too large for a floating-point number"),
    ],
)
def test_faults(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    (fault,) = caught.value.faults
    assert fault.offset == column - 1
    assert fault.message.startswith(message)
    assert str(caught.value) == f"column {column}: {fault.message}"


HOSTILE = {
    "nested parentheses": "(" * 300 + "1" + ")" * 300,
    "nested minus": "-" * 900 + "1",
    "nested powers": "x**" * 300 + "x",
    "nested calls": "sin(" * 200 + "x" + ")" * 200,
    "100,000 characters": "+".join(["x"] * 50_000),
    "100,000 spaces": " " * 100_000,
    "many nodes": "+".join(["x"] * 400),
    "power tower": "9**9**9",
    "taller tower": "9**9**9**9",
    "power of a product": "(9**9)**(9**9)*x",
    "digits": "9" * 1_000,
    "dunder": "().__class__",
    "attribute": "x.__class__",
    "import": "__import__('os').getpid()",
    "lambda": "lambda x: x",
    "f-string": 'f"{x}"',
    "comprehension": "[x for x in y]",
    "walrus": "(x := 1)",
    "ternary": "x if y else 1",
    "keyword": "sin(x=1)",
    "star": "max(*x)",
    "matrix product": "x @ y",
    "comparison": "x < 1",
    "boolean": "x and y",
    "warning": "1is 2",
    "statement": "import os",
    "comment": "x # y",
    "null": "x\x00",
    "non-breaking space": "x\xa0+ 1",
    "surrogate": "x + \ud800",
    "long name called": "x" * 900 + "(1)",
    "complex": "1j",
    "hexadecimal": "0x1F",
    "underscore": "1_000",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_is_one_line_with_a_column_at_once(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    (fault,) = caught.value.faults
    assert 0 <= fault.offset <= len(text)
    assert fault.message.isprintable()
    assert len(fault.message) < 250


def test_limits_are_inclusive() -> None:
    assert parse("(" * 49 + "x" + ")" * 49).variables == {"x": None}
    assert parse("x[999]").variables == {"x": 1_000}
    assert parse("+".join(["x"] * 250)).variables == {"x": None}  # 499 nodes
    assert parse("x" + " " * 999).variables == {"x": None}
    with pytest.raises(ExpressionError, match=r"column 501: an expression has at most 500 .* this one has 501"):
        parse("+".join(["x"] * 251))


def from_python(node: ast.expr) -> ExpressionNode:
    """Python's own tree of the same text, as ours."""
    signs = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
    match node:
        case ast.Constant(value=(int() | float()) as value):
            return Number(value)
        case ast.Name(id="pi" | "e" as name):
            return Apply(name)
        case ast.Name(id=name):
            return Variable(name)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int() as index)):
            return Variable(name, index)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Apply("neg", (from_python(operand),))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return from_python(operand)
        case ast.BinOp(left=left, op=operator, right=right):
            return Apply(signs[type(operator)], (from_python(left), from_python(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return Apply(name, tuple(map(from_python, arguments)))
    raise AssertionError(ast.dump(node))


PIECES = ["x", "y[0]", "z", "1", "2.5", "1e-3", "pi", "+", "-", "*", "/", "**", "(", ")", "sin(", "max(", ",", " "]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join))
@settings(deadline=None, max_examples=300)
def test_what_is_accepted_means_what_python_says(text: str) -> None:
    try:
        tree = parser.parse_tree(text)
    except ExpressionError:
        return
    assert repr(tree) == repr(from_python(ast.parse(text.strip(), mode="eval").body))


@given(st.text(max_size=40) | st.text("x1.e+-*/()[],^ ", max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_text_is_accepted_or_a_clean_error(text: str) -> None:
    try:
        parse(text)
    except ExpressionError as caught:
        error = caught
    else:
        return
    (fault,) = error.faults
    assert 0 <= fault.offset <= len(text)
    assert "\n" not in str(error)
