"""The derivative task as a program: autograd, the given formula, and central differences in their simplest form."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playground.engine.listing import Cell, Listing, Writer
from playground.expression import Expression

if TYPE_CHECKING:
    from playground.builtin.tasks.training import Training
    from playground.engine.function import Objective
    from playground.engine.problem import Problem
    from playground.engine.setting import Setting

POINTS = """
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

MODEL = """
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


def of_function(
    function: Objective,
    points: Sequence[Mapping[str, Any]],
    given: Mapping[str, Expression],
    writer: Writer,
    setting: Setting,
) -> Listing:
    """Write the check of a function at its points."""
    names = tuple(function.variables)
    formula, before = writer.code(function), ""
    if formula is None:
        before, formula = writer.component("function", *names)
    defined = f"def f({', '.join(names)}):\n    return {formula}"
    cells = [Cell("The function", "\n\n\n".join(part for part in (before, defined) if part))]
    code = POINTS.replace("DTYPE", str(setting.dtype)).strip()
    if given:
        cells.append(
            Cell(
                "The derivative that is claimed",
                "\n\n\n".join(_claim(claim, names, writer, given[claim]) for claim in given),
            )
        )
        for claim in given:
            code += f'\n    print(f"  given by {claim:<11}{{{_named(claim)}(**variables)!r}}")'
    code += '\n    print(f"  central differences {central_differences(point)!r}")'
    written = [dict(point) for point in points]
    return Listing(
        [*cells, Cell("Where it is checked", f"points = {writer.literal(written)}"), Cell("The check", code)]
    )


def _claim(claim: str, names: Sequence[str], writer: Writer, formula: Expression) -> str:
    return f"def {_named(claim)}({', '.join(names)}):\n    return torch.as_tensor({writer.code(formula)}).item()"


def _named(claim: str) -> str:
    return "given_" + "".join(letter if letter.isalnum() else "_" for letter in claim).strip("_")


def of_model(training: Training, problem: Problem, writer: Writer, setting: Setting) -> Listing:
    """Write the check of a model's loss by its parameters."""
    import torch

    listing = training.listing(problem, writer, setting)
    code = MODEL.replace("LOSS", listing.loss.format(*listing.data)).replace("PARAMETERS", listing.parameters)
    code = code.replace("STEP", "1e-5" if setting.dtype == torch.float64 else "1e-2")
    return Listing([*listing.cells, Cell("The check", textwrap.dedent(code).strip())])
