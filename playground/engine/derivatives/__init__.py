"""Derivatives of a scalar function by independent routes, and what their disagreement means.

The function is seen as g(z) of one flat vector z of shape `(n,)`, whatever its variables are called (`points`).
`automatic`, `differences` and `complex_step` are the routes, which `checking` takes; `breaks` finds kinks and jumps;
`verdict` compares all of it and says who is wrong.
"""

from playground.engine.derivatives.automatic import (
    UnavailableError,
    bend,
    forward_gradient,
    forward_hessian,
    gradient,
    hessian,
)
from playground.engine.derivatives.breaks import Break, find_breaks
from playground.engine.derivatives.checking import check
from playground.engine.derivatives.complex_step import complex_gradient
from playground.engine.derivatives.differences import Estimate, central_gradient, central_hessian, probe
from playground.engine.derivatives.points import (
    Coordinate,
    Flat,
    along,
    coordinates,
    flat_loss,
    flatten,
    parameter_coordinates,
    restricted,
)
from playground.engine.derivatives.verdict import Cause, Checked, Entry, Finding, agree, finding

__all__ = [
    "Break",
    "Cause",
    "Checked",
    "Coordinate",
    "Entry",
    "Estimate",
    "Finding",
    "Flat",
    "UnavailableError",
    "agree",
    "along",
    "bend",
    "central_gradient",
    "central_hessian",
    "check",
    "complex_gradient",
    "coordinates",
    "find_breaks",
    "finding",
    "flat_loss",
    "flatten",
    "forward_gradient",
    "forward_hessian",
    "gradient",
    "hessian",
    "parameter_coordinates",
    "probe",
    "restricted",
]
