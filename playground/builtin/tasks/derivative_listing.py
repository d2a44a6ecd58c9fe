"""Writes the derivative task as a program: autograd, the given formula, and plain central differences."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playground.core.listing import Cell, Listing, Writer
from playground.expression import Expression, python_name

if TYPE_CHECKING:
    from playground.builtin.tasks.training import Training
    from playground.core.function import Objective
    from playground.core.problem import Problem
    from playground.core.setting import Setting

POINTS_TEMPLATE = """
def central_differences(point, h=1e-5):
    \"\"\"(f(z + h) - f(z - h)) / 2h for each entry z of each variable, in float64.\"\"\"
    variables = {name: torch.tensor(value, dtype=torch.float64) for name, value in point.items()}
    slopes = []
    for name, z in variables.items():
        for i in range(z.numel()):
            step = torch.zeros_like(z)
            step.view(-1)[i] = h
            ahead, behind = f(**{**variables, name: z + step}), f(**{**variables, name: z - step})
            slopes.append(((ahead - behind) / (2 * h)).item())
    return slopes


for point in points:
    variables = {name: torch.tensor(value, dtype=DTYPE, requires_grad=True) for name, value in point.items()}
    value = f(**variables)  # forward
    gradients = torch.autograd.grad(value, list(variables.values()), allow_unused=True, materialize_grads=True)
    print(f"at {point}")
    print(f"  value               {value.item()!r}")
    print(f"  derivative          {torch.cat([gradient.flatten() for gradient in gradients]).tolist()!r}")
"""

HESSIAN_TEMPLATE = """
def g(z):
    \"\"\"f of one vector of all variables.\"\"\"
    pieces = torch.split(z, SIZES)
    return f(PIECES)


def second_derivatives(z):
    \"\"\"The second derivatives of g by z_i and z_j for i <= j, by differentiating the gradient.\"\"\"
    z = z.detach().requires_grad_()
    unused = {"allow_unused": True, "materialize_grads": True}
    (first,) = torch.autograd.grad(g(z), z, create_graph=True, **unused)
    if first.requires_grad:
        rows = [torch.autograd.grad(entry, z, retain_graph=True, **unused)[0] for entry in first]
    else:  # f is linear
        rows = torch.zeros(len(z), len(z))
    return [rows[i][j].item() for i in range(len(z)) for j in range(i, len(z))]


def central_differences(z, h=1e-4):
    \"\"\"The second derivatives by differences of differences, in float64.\"\"\"
    z = z.double()
    steps = h * torch.eye(len(z), dtype=torch.float64)

    def slope(z, step):
        return (g(z + step) - g(z - step)) / (2 * h)

    pairs = [(a, b) for i, a in enumerate(steps) for b in steps[i:]]
    return [((slope(z + a, b) - slope(z - a, b)) / (2 * h)).item() for a, b in pairs]


for point in points:
    variables = {name: torch.tensor(value, dtype=DTYPE) for name, value in point.items()}
    z = torch.cat([value.reshape(-1) for value in variables.values()])
    print(f"at {point}")
    print(f"  value               {f(**variables).item()!r}")
    print(f"  derivative          {second_derivatives(z)!r}")
"""

MODEL_TEMPLATE = """
def central_differences(parameter, h=STEP):
    \"\"\"(loss(z + h) - loss(z - h)) / 2h for each entry z of a parameter.\"\"\"
    slopes = torch.zeros_like(parameter)
    for i in range(parameter.numel()):
        z = parameter.view(-1)[i].item()
        parameter.view(-1)[i] = z + h
        ahead = LOSS
        parameter.view(-1)[i] = z - h
        behind = LOSS
        parameter.view(-1)[i] = z
        slopes.view(-1)[i] = (ahead - behind) / (2 * h)
    return slopes


model.eval()
parameters = PARAMETERS
loss = LOSS  # forward
gradients = torch.autograd.grad(loss, parameters)  # backward
print(f"value {loss.item()!r}")
for (name, parameter), gradient in zip(model.named_parameters(), gradients):
    print(f"{name}: derivative {gradient.flatten().tolist()!r}")
    with torch.no_grad():
        print(f"{name}: central differences {central_differences(parameter).flatten().tolist()!r}")
"""


def write_function_check(
    function: Objective,
    points: Sequence[Mapping[str, Any]],
    given: Mapping[str, Expression],
    order: int,
    writer: Writer,
    setting: Setting,
) -> Listing:
    """Write the check of a function at its points."""
    names = tuple(map(python_name, function.variables))
    formula, before = writer.code(function), ""
    if formula is None:
        before, formula = writer.component("function", *names)
    defined = f"def f({', '.join(names)}):\n    return {formula}"
    cells = [Cell("The function", "\n\n\n".join(part for part in (before, defined) if part))]
    code = (POINTS_TEMPLATE if order == 1 else _second(function)).replace("DTYPE", str(setting.dtype)).strip()
    if given:
        cells.append(
            Cell(
                "The given derivative",
                "\n\n\n".join(_write_given_formula(claim, names, writer, given[claim]) for claim in given),
            )
        )
        for claim in given:
            code += f'\n    print(f"  given by {claim:<11}{{{_given_name(claim)}(**variables)!r}}")'
    code += f'\n    print(f"  central differences {{central_differences({"point" if order == 1 else "z"})!r}}")'
    written = [{python_name(name): value for name, value in point.items()} for point in points]
    return Listing([*cells, Cell("The points", f"points = {writer.literal(written)}"), Cell("The check", code)])


def _second(function: Objective) -> str:
    """Return the check of second derivatives by the entries of all variables."""
    lengths = list(function.variables.values())
    pieces = [f"pieces[{index}]{'[0]' if length is None else ''}" for index, length in enumerate(lengths)]
    sizes = [1 if length is None else length for length in lengths]
    return HESSIAN_TEMPLATE.replace("SIZES", str(sizes)).replace("PIECES", ", ".join(pieces))


def _write_given_formula(claim: str, names: Sequence[str], writer: Writer, formula: Expression) -> str:
    return f"def {_given_name(claim)}({', '.join(names)}):\n    return torch.as_tensor({writer.code(formula)}).item()"


def _given_name(claim: str) -> str:
    return "given_" + "".join(letter if letter.isalnum() else "_" for letter in claim).strip("_")


def write_model_check(training: Training, problem: Problem, writer: Writer, setting: Setting) -> Listing:
    """Write the check of a model's loss by its parameters."""
    import torch

    listing = training.listing(problem, writer, setting)
    step = "1e-5" if setting.dtype == torch.float64 else "1e-2"
    parts = {"LOSS": listing.loss(*listing.data), "PARAMETERS": listing.parameters, "STEP": step}
    code = re.sub(
        "|".join(parts), lambda found: parts[found[0]], MODEL_TEMPLATE
    )  # in one pass: an option may contain the name of a part
    return Listing([*listing.cells, Cell("The check", textwrap.dedent(code).strip())])
