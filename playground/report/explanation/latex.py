r"""Writes an explanation as a complete LaTeX document, with its formulas in `align` blocks.

The explanation contains formulas in mathematical signs; this module replaces each sign by its LaTeX command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from playground.explanation import Explanation, TensorSummary
from playground.figures.numbers import nested_shape
from playground.figures.text import make_printable
from playground.report.explanation.formatting import (
    count_uses,
    describe_tensor,
    format_number,
    format_sentence,
    heading_parts,
)
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


def latex_document(explanation: Explanation, translate: Translate) -> str:
    """Return the document."""
    _ = translate
    nodes = {node.name: node for node in explanation.nodes}
    forward = [
        (
            latex_formula(name),
            latex_formula(operation.formula or f"{operation.name}({', '.join(operation.inputs)})"),
            nodes[name],
        )
        for operation in explanation.operations
        for name in operation.outputs
    ]
    digits = explanation.digits
    sections = (
        (_("Forward"), [(left, right, latex_tensor(node.value, digits)) for left, right, node in forward]),
        (_("Backward"), list(_backward(explanation, _))),
        (_("Update"), list(_update(explanation))),
    )
    body = "".join(f"\\section*{{{latex_prose(title)}}}\n{_align(rows)}" for title, rows in sections if rows)
    words = "\n\n".join(latex_prose(format_sentence(each, _)) for each in explanation.words)
    title = latex_prose(", ".join(heading_parts(explanation, _)))
    return (
        "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n"
        "\\setcounter{MaxMatrixCols}{64}\n\\begin{document}\n"
        f"\\section*{{{title}}}\n{latex_prose(explanation.summary)}\n\n{words}\n{body}\\end{{document}}"
    )


def _backward(explanation: Explanation, _: Translate) -> Iterator[tuple[str, str, str]]:
    digits = explanation.digits
    nodes, counts = {node.name: node for node in explanation.nodes}, count_uses(explanation)
    for operation in reversed(explanation.operations):
        for name in operation.outputs:
            total = nodes[name].gradient
            if counts.get(name, 0) > 1 and total is not None:
                yield (
                    latex_formula(f"dL/d{name}"),
                    f"\\text{{{latex_prose(_('the sum of its parts'))}}}",
                    latex_tensor(total, digits),
                )
        for share in operation.shares:
            left = latex_formula(f"dL/d{share.to}") + (" \\mathrel{+}" if counts[share.to] > 1 else "")
            unknown = f"\\text{{{latex_prose(operation.name)}: {latex_prose(_('as autograd gives it'))}}}"
            yield left, latex_formula(share.rule) if share.rule else unknown, latex_tensor(share.value, digits)
    for moved in explanation.parameters:
        if moved.gradient is not None:
            yield latex_formula(f"dL/d{moved.name}"), latex_tensor(moved.gradient, digits), ""


def _update(explanation: Explanation) -> Iterator[tuple[str, str, str]]:
    digits = explanation.digits
    if explanation.update is None:
        return
    for line in explanation.update.formula:
        left, _, right = line.partition(" = ")
        yield latex_formula(left), f"\\texttt{{{latex_prose(right)}}}", ""
    for moved in explanation.parameters:
        if moved.after is not None:
            yield (
                latex_formula(moved.name),
                f"{latex_tensor(moved.before, digits)} \\to {latex_tensor(moved.after, digits)}",
                "",
            )
        for line in moved.written:
            left, _, right = line.partition(" = ")
            yield latex_formula(left), latex_formula(right), ""


def _align(rows: list[tuple[str, str, str]]) -> str:
    lines = [f"{left} &= {right}" + (f" \\\\\n &= {value}" if value else "") for left, right, value in rows]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}\n"


def latex_tensor(shown: TensorSummary, digits: int) -> str:
    """Return a tensor as a matrix, or the description of a large tensor."""
    if shown.values is None or len(nested_shape(shown.values)) > 2:
        return f"\\text{{{latex_prose(describe_tensor(shown, digits))}}}"
    if not isinstance(shown.values, list):
        return _power(format_number(shown.values, digits))
    rows = shown.values if len(nested_shape(shown.values)) == 2 else [shown.values]
    inside = " \\\\ ".join(" & ".join(_power(format_number(entry, digits)) for entry in row) for row in rows)
    return f"\\begin{{pmatrix}} {inside} \\end{{pmatrix}}"


def latex_formula(text: str) -> str:
    """Return a formula in mathematical signs as LaTeX for math mode."""
    made = ""
    text = re.sub(r"\^{2,}", lambda run: "˄" * len(run[0]), make_printable(text))  # TeX reads ^^5c as a backslash
    text = re.sub(r"(?<=[a-z]) (?=[a-z])", "\u00a0", text)  # math mode drops blanks; keep those between words
    for part in re.split(r"(dL/d[A-Za-z0-9_.]+|[A-Za-z][A-Za-z0-9_.]*)", text):
        if match := re.fullmatch(r"dL/d(.+)", part):
            made += f"\\frac{{\\partial L}}{{\\partial {_name(match[1])}}}"
        elif re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", part):
            made += _name(part)
        else:
            made += "".join(LATEX_SIGNS.get(character, character) for character in part)
    return made


def latex_prose(text: str) -> str:
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
