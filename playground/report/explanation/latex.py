r"""An explanation as LaTeX: a document that compiles by itself, its formulas in `align` blocks.

Formulas are written once, in the field's own signs; here each sign becomes its command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from playground.explanation import Explanation, TensorSummary
from playground.figures.numbers import shape
from playground.figures.text import make_printable
from playground.report.explanation.formatting import digest, heading, number, sentence, uses
from playground.report.explanation.language import Translate

LATEX_SIGNS = {
    "·": r" \cdot ",
    "−": "-",
    "≤": r"\le ",
    "σ": r"\sigma",
    "Φ": r"\Phi",
    "φ": r"\varphi",
    "π": r"\pi",
    "α": r"\alpha",
    "β": r"\beta",
    "δ": r"\delta",
    "Σ": r"\sum ",
    "Π": r"\prod ",
    "√": r"\surd ",
    "²": "^2",
    "ᵀ": r"^{\top}",
    "×": r"\times ",
    "±": r"\pm ",
    "…": r"\dots ",
    "∂": r"\partial ",
    "→": r"\to ",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "\\": r"\backslash ",
    "˄": r"\hat{} ",
    "~": r"\sim ",
    "\u00a0": r"\ ",
}

LATEX_COMMANDS = ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min")


def latex(explanation: Explanation, translate: Translate) -> str:
    """Return the document."""
    _ = translate
    nodes = {node.name: node for node in explanation.nodes}
    forward = [
        (formula(name), formula(operation.formula or f"{operation.name}({', '.join(operation.inputs)})"), nodes[name])
        for operation in explanation.operations
        for name in operation.outputs
    ]
    digits = explanation.digits
    sections = (
        (_("Forward"), [(left, right, tensor(node.value, digits)) for left, right, node in forward]),
        (_("Backward"), list(_backward(explanation, _))),
        (_("Update"), list(_update(explanation))),
    )
    body = "".join(f"\\section*{{{prose(title)}}}\n{_align(rows)}" for title, rows in sections if rows)
    words = "\n\n".join(prose(sentence(each, _)) for each in explanation.words)
    title = prose(", ".join(heading(explanation, _)))
    return (
        "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n"
        "\\setcounter{MaxMatrixCols}{64}\n\\begin{document}\n"
        f"\\section*{{{title}}}\n{prose(explanation.summary)}\n\n{words}\n{body}\\end{{document}}"
    )


def _backward(told: Explanation, _: Translate) -> Iterator[tuple[str, str, str]]:
    nodes, counts = {node.name: node for node in told.nodes}, uses(told)
    for operation in reversed(told.operations):
        for name in operation.outputs:
            total = nodes[name].gradient
            if counts.get(name, 0) > 1 and total is not None:
                yield (
                    formula(f"dL/d{name}"),
                    f"\\text{{{prose(_('the sum of its parts'))}}}",
                    tensor(total, told.digits),
                )
        for share in operation.shares:
            left = formula(f"dL/d{share.to}") + (" \\mathrel{+}" if counts[share.to] > 1 else "")
            unknown = f"\\text{{{prose(operation.name)}: {prose(_('as autograd gives it'))}}}"
            yield left, formula(share.rule) if share.rule else unknown, tensor(share.value, told.digits)
    for moved in told.parameters:
        if moved.gradient is not None:
            yield formula(f"dL/d{moved.name}"), tensor(moved.gradient, told.digits), ""


def _update(told: Explanation) -> Iterator[tuple[str, str, str]]:
    if told.update is None:
        return
    for line in told.update.formula:
        left, _, right = line.partition(" = ")
        yield formula(left), f"\\texttt{{{prose(right)}}}", ""
    for moved in told.parameters:
        if moved.after is not None:
            yield (
                formula(moved.name),
                f"{tensor(moved.before, told.digits)} \\to {tensor(moved.after, told.digits)}",
                "",
            )
        for line in moved.written:
            left, _, right = line.partition(" = ")
            yield formula(left), formula(right), ""


def _align(rows: list[tuple[str, str, str]]) -> str:
    lines = [f"{left} &= {right}" + (f" \\\\\n &= {value}" if value else "") for left, right, value in rows]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}\n"


def tensor(shown: TensorSummary, digits: int) -> str:
    """Return a tensor as a matrix, or what is said of one too large."""
    if shown.values is None or len(shape(shown.values)) > 2:
        return f"\\text{{{prose(digest(shown, digits))}}}"
    if not isinstance(shown.values, list):
        return _power(number(shown.values, digits))
    rows = shown.values if len(shape(shown.values)) == 2 else [shown.values]
    inside = " \\\\ ".join(" & ".join(_power(number(entry, digits)) for entry in row) for row in rows)
    return f"\\begin{{pmatrix}} {inside} \\end{{pmatrix}}"


def formula(text: str) -> str:
    """Return a formula in signs as LaTeX in math mode."""
    made = ""
    text = re.sub(r"\^{2,}", lambda run: "˄" * len(run[0]), make_printable(text))  # to TeX, ^^5c is a backslash
    text = re.sub(r"(?<=[a-z]) (?=[a-z])", "\u00a0", text)  # math mode drops blanks, and words need theirs
    for part in re.split(r"(dL/d[A-Za-z0-9_.]+|[A-Za-z][A-Za-z0-9_.]*)", text):
        if match := re.fullmatch(r"dL/d(.+)", part):
            made += f"\\frac{{\\partial L}}{{\\partial {_name(match[1])}}}"
        elif re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", part):
            made += _name(part)
        else:
            made += "".join(LATEX_SIGNS.get(character, character) for character in part)
    return made


def prose(text: str) -> str:
    """Return text as LaTeX outside math mode."""
    return "".join(_latex_sign(character) for character in make_printable(text))


def _latex_sign(character: str) -> str:
    if character == "^":
        return r"\^{}"
    sign = LATEX_SIGNS.get(character)
    if sign is None:
        return character
    if character in "&%#${}_":
        return sign
    return f"\\ensuremath{{{sign}}}" if character != "²" else "\\ensuremath{{}^2}"


def _name(text: str) -> str:
    if text in LATEX_COMMANDS:
        return f"\\{text}"
    if match := re.fullmatch(r"([A-Za-z])(\d+)", text):
        return f"{match[1]}_{{{match[2]}}}"
    return text if len(text) == 1 else f"\\mathrm{{{text.replace('_', chr(92) + '_')}}}"


def _power(text: str) -> str:
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa} \\cdot 10^{{{int(exponent)}}}" if e and exponent.lstrip("+-").isdigit() else text
